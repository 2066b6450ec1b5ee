"""Processes that can write to a few folders only, and reach no network: Landlock, of Linux 5.19 and newer.

It stands around what reads a model's file from outside for the first time, in case a check of that file, or the library
that reads it, has a hole. Three system calls do it (landlock(7)), by ctypes: a package for it would have to be pinned
in every framework's environment, and those that there are have no maintained release.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

# From <asm-generic/unistd.h>, the same on every architecture, and <linux/landlock.h>.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38  # from <linux/prctl.h>
WRITE_FILE = 1 << 1
# REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM
CHANGES = sum(1 << bit for bit in range(4, 13))
REFER, TRUNCATE = 1 << 13, 1 << 14
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
OLDEST = 2  # version of the interface that lets files be renamed from folder to folder
WITH_TRUNCATE, WITH_TCP = 3, 4

DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


def version() -> int:
    """Of Landlock's interface, as this kernel has it; 0 where it has none."""
    libc = ctypes.CDLL(None)
    return max(0, libc.syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION))


def described() -> str:
    """What a log tells of it: whether this kernel confines."""
    known = version()
    if known < OLDEST:
        return "not confined: this kernel has no Landlock, of Linux 5.19 and newer"
    return f"confined by Landlock, version {known}{'' if known >= WITH_TCP else ', but for the network'}"


def to(folders: Sequence[Path]) -> Callable[[], None]:
    """What a child is to call before it becomes the program: then it, and all that it starts, write to these only.

    Descriptors that it inherits stay usable. Where the kernel has no Landlock the call does nothing.
    """
    known = version()
    if known < OLDEST:
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)  # before the fork, after which little is safe
    changing = WRITE_FILE | CHANGES | REFER | (TRUNCATE if known >= WITH_TRUNCATE else 0)
    network = BIND_TCP | CONNECT_TCP if known >= WITH_TCP else 0
    attributes = struct.pack("=QQ" if network else "=Q", changing, *([network] if network else []))
    inside_file = changing & (WRITE_FILE | TRUNCATE)
    allowed = [(str(folder), changing) for folder in folders] + [(path, inside_file) for path in DEVICES]

    def confine() -> None:
        ruleset = _checked(libc, CREATE_RULESET, attributes, len(attributes), 0)
        for path, access in allowed:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            _checked(libc, ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", access, place), 0)
            os.close(place)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _checked(libc, RESTRICT_SELF, ruleset, 0)
        os.close(ruleset)

    return confine


def _checked(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
