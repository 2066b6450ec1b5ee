"""Memory allocators: in effect in the process that measures, as its framework's file asks for them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest
from project import ROOT
from test_sweep import Sweep

from dliflow.errors import Skip
from dliflow.frameworks.shared import allocator

# A part of glibc that nothing else loads stands for an allocator.
LIBRARY = "libBrokenLocale.so.1"
WITH_ALLOCATOR = '''
"""Does nothing, with an allocator."""
import numpy as np
from dliflow.frameworks import Option, take_options
from dliflow.frameworks.shared import allocator

THREADS = Option(int, None, "means nothing")
OPTIONS = {"keep_memory": allocator.KEEP_MEMORY, "allocator": allocator.ALLOCATOR}

def version():
    return "1.0"

def environment(threads, options):
    return allocator.environment(options)

class Session:
    threads = None

    def predict(self, batch):
        return np.zeros((len(batch), 10), np.float32)

def load(model, *, precision, variant, device, batch_size, threads, options):
    allocator.apply(take_options("allocating", options))
    return Session()
'''
FAULTS = """
import ctypes, resource
{lines}
libc = ctypes.CDLL(None)
libc.prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: huge pages would be a fault instead of hundreds
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def request():
    pieces = [libc.malloc(size << 20) for size in (8, 8, 64)]
    for piece in pieces:
        ctypes.memset(piece, 1, 8 << 20)
    for piece in pieces:
        libc.free(piece)

request()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    request()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
TOUCHED = 10 * 3 * (8 << 20) // os.sysconf("SC_PAGE_SIZE")  # pages of all requests
ON_GLIBC = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="not glibc")


@pytest.fixture
def sweep(tmp_path):
    made = Sweep(tmp_path)
    (tmp_path / "code/dliflow/frameworks/allocating.py").write_text(WITH_ALLOCATOR)
    return made


def printed(code: str, **variables: str) -> str:
    """What a program prints."""
    command = [sys.executable, "-c", code]
    others = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "LD_", "GLIBC_"))}
    environment = {**others, "PYTHONPATH": str(ROOT / "workflow"), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@ON_GLIBC
def test_a_process_that_measures_begins_anew_with_its_allocator(sweep):
    """`load` skips where the library is not in the process."""
    record = sweep.run(framework="allocating", options=f'{{"allocator": "{LIBRARY}"}}')
    assert record["status"] == "ok"
    (group,) = record["figures"]["groups"]
    assert "LD_PRELOAD" in group["members"]["measured"]["environment"]


def test_a_machine_without_it_is_a_skip_with_the_reason(sweep):
    record = sweep.run(framework="allocating", options='{"allocator": "libnone.so.9"}')
    assert (record["status"], record["reason"]) == (
        "skipped",
        "this machine has no library libnone.so.9, which options.allocator names",
    )


def test_a_process_without_it_is_seen():
    with pytest.raises(Skip, match="no library libnone"):
        allocator.apply({"allocator": "libnone.so.9", "keep_memory": False})


@ON_GLIBC
def test_memory_is_kept():
    """By the workflow, and by the lines for a program of the user's own."""
    applied = (
        "from dliflow.frameworks.shared import allocator\nallocator.apply({'allocator': None, 'keep_memory': True})"
    )
    assert int(printed(FAULTS.format(lines=""))) > TOUCHED / 4
    for lines in (applied, allocator.KEEP_MEMORY.code):
        assert int(printed(FAULTS.format(lines=lines))) < TOUCHED / 100


@ON_GLIBC
def test_the_lines_of_a_program_begin_it_anew_with_the_allocator(tmp_path):
    program = tmp_path / "program.py"
    lines = allocator.ALLOCATOR.code.replace("{value}", repr(LIBRARY))
    program.write_text(f"{lines}\nprint('{LIBRARY}' in open('/proc/self/maps').read(), sys.argv[1:])\n")
    command = [sys.executable, str(program), "an", "argument"]
    assert subprocess.check_output(command, text=True).strip() == "True ['an', 'argument']"
