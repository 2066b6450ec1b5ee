"""Memory allocators: the C library's own, kept from giving memory back, or another one in its place.

The C library (glibc) returns what a request has freed to the system, and the next request waits for it to be given
anew, page by page.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from dliflow.errors import Skip
from dliflow.frameworks import Option

# <malloc.h>; mallopt(3)
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = -1  # as a threshold, the largest number there is

KEEP_MEMORY = Option(
    bool,
    False,
    "the C library keeps what requests have freed, instead of giving it back to the system",
    tried=lambda machine: [True],
    code=(
        "import ctypes\n"
        f"ctypes.CDLL(None).mallopt({M_TRIM_THRESHOLD}, {NEVER})  # M_TRIM_THRESHOLD: give no memory back\n"
        f"ctypes.CDLL(None).mallopt({M_MMAP_MAX}, 0)  # M_MMAP_MAX: not for large pieces, either"
    ),
)
ALLOCATOR = Option(
    str,
    None,
    "a library whose allocator takes the place of the C library's, as LD_PRELOAD has it",
    tried=lambda machine: ["libtcmalloc_minimal.so.4", "libjemalloc.so.2"],
    code=(
        "import os\n"
        "import sys\n"
        'if os.environ.get("LD_PRELOAD") != {value}:  # it counts from the start: begin again\n'
        '    os.execve(sys.executable, sys.orig_argv, {**os.environ, "LD_PRELOAD": {value}})'
    ),
)


def environment(options: dict[str, Any]) -> dict[str, str]:
    """The variables that have to be there when the process starts.

    Args:
        options: as the config has them.
    """
    library = options.get("allocator")
    return {} if library is None else {"LD_PRELOAD": library}


def apply(options: dict[str, Any]) -> None:
    """Do what `keep_memory` asks for, and look whether this process has the allocator that was asked for.

    Args:
        options: with the defaults filled in.

    Raises:
        Skip: when the machine does not have it.
    """
    library = options["allocator"]
    if library is not None and not _mapped(library):
        raise Skip(f"this machine has no library {library}, which options.allocator names")
    if options["keep_memory"]:
        libc = ctypes.CDLL(None)
        if not hasattr(libc, "mallopt") or not (libc.mallopt(M_TRIM_THRESHOLD, NEVER) and libc.mallopt(M_MMAP_MAX, 0)):
            raise Skip("this machine's C library is not glibc, whose allocator options.keep_memory is about")


def _mapped(library: str) -> bool:
    """Whether this process has loaded a library, by its path or by its name alone."""
    path = os.path.realpath(library) if "/" in library else f"/{library}"
    return path in Path("/proc/self/maps").read_text(encoding="utf-8")
