"""A process that runs a file from outside writes to its own folders only, where the kernel has Landlock."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from dliflow.machine import confinement

TRIES = """
import json, os, socket

def write(path, mode="w"):
    with open(path, mode) as stream:
        stream.write("theirs")

tries = {
    "new": lambda: write("outside/new"),
    "old": lambda: write("outside/old", "a"),
    "cut": lambda: os.truncate("outside/old", 0),
    "removed": lambda: os.remove("outside/old"),
    "moved": lambda: os.rename("inside/a/b", "outside/b"),
    "link": lambda: os.symlink("old", "outside/link"),
    "network": lambda: socket.create_connection(("127.0.0.1", 9), 1),
    "inside": lambda: (os.mkdir("inside/a"), write("inside/b"), os.rename("inside/b", "inside/a/b")),
    "null": lambda: write("/dev/null"),
    "reading": lambda: open("outside/old").read(),
}
refused = []
for name, one in tries.items():
    try:
        one()
    except PermissionError:
        refused.append(name)
    except OSError:
        pass
print(json.dumps(refused))
"""


@pytest.mark.skipif(confinement.version() < confinement.WITH_TCP, reason="this kernel's Landlock is older, or missing")
def test_what_a_confined_process_can_do(tmp_path):
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside/old").write_text("mine")
    (tmp_path / "inside/b").write_text("")
    command = [sys.executable, "-c", TRIES]
    confine = confinement.to([tmp_path / "inside"])
    refused = json.loads(subprocess.check_output(command, cwd=tmp_path, preexec_fn=confine))
    assert refused == ["new", "old", "cut", "removed", "link", "network"]  # what is to be moved is not there yet
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["old"]
    assert (tmp_path / "outside/old").read_text() == "mine"
    assert (tmp_path / "inside/a/b").exists()
    assert "confined by Landlock" in confinement.described()


def test_a_kernel_without_it_is_told_and_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(confinement, "version", lambda: 0)
    assert confinement.described().startswith("not confined: this kernel has no Landlock")
    command = [sys.executable, "-c", "open('a', 'w')"]
    subprocess.run(command, cwd=tmp_path, preexec_fn=confinement.to([tmp_path]), check=True)
