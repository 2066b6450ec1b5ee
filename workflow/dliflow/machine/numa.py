"""NUMA nodes: their processors, and memory from one of them alone (Linux)."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.machine import cpulist

NODES = Path("/sys/devices/system/node")

# set_mempolicy(2), get_mempolicy(2). The C library has no wrapper and libnuma is not everywhere, so they are called by
# number: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h of Linux.
SYSCALLS = {"x86_64": {"set": 238, "get": 239}, "aarch64": {"set": 237, "get": 236}}
# include/uapi/linux/mempolicy.h, in its order: the place is the number.
POLICIES = ("default", "preferred", "bind", "interleave", "local", "preferred_many", "weighted_interleave")
MASK_BITS = 1024  # the most nodes that Linux can be built for
WIDTH = 8 * ctypes.sizeof(ctypes.c_ulong)


def processors(node: int) -> set[int]:
    """A node's processors.

    Raises:
        DliflowError: naming the key, the value and the fix, when there are none.
    """
    try:
        listed = (NODES / f"node{node}/cpulist").read_text(encoding="ascii").strip()
    except OSError:
        numbers = sorted(int(path.name[4:]) for path in NODES.glob("node[0-9]*"))
        raise DliflowError(
            f"launch.numa_node: {node}: there is no such node; this machine has {cpulist.written(numbers) or 'none'}"
        ) from None
    if not listed:
        raise DliflowError(f"launch.numa_node: {node}: this node has memory and no processors; name one that has")
    return set(cpulist.parse(listed))


def _system(call: str, *values: Any) -> None:
    numbers = SYSCALLS.get(platform.machine())
    if numbers is None:
        raise OSError(0, f"the system calls of {platform.machine()} are not known here")
    library = ctypes.CDLL(None, use_errno=True)
    if library.syscall(ctypes.c_long(numbers[call]), *values):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _mask() -> Any:
    return (ctypes.c_ulong * (MASK_BITS // WIDTH))()


def bind_memory(node: int) -> None:
    """Let the calling thread, and what it starts, take memory from this node alone from now on.

    Raises:
        DliflowError: naming the key, the value and the fix, when the system refuses it.
    """
    mask = _mask()
    mask[node // WIDTH] = 1 << node % WIDTH
    try:
        _system("set", ctypes.c_int(POLICIES.index("bind")), mask, ctypes.c_ulong(MASK_BITS))
    except OSError as error:
        raise DliflowError(
            f"launch.numa_node: {node}: memory cannot be bound to it ({error.strerror}); in a container allow it "
            "(docker run --cap-add SYS_NICE), or set launch.cpus to the node's processors instead"
        ) from None


def memory_policy() -> Optional[str]:
    """The calling thread's NUMA policy, such as `default` or `bind 0`; None where the system does not tell."""
    mode, mask = ctypes.c_int(), _mask()
    try:
        _system("get", ctypes.byref(mode), mask, ctypes.c_ulong(MASK_BITS), None, ctypes.c_ulong(0))
    except OSError:
        return None
    nodes = [index for index in range(MASK_BITS) if mask[index // WIDTH] >> index % WIDTH & 1]
    name = POLICIES[mode.value] if mode.value < len(POLICIES) else f"policy {mode.value}"
    return f"{name} {cpulist.written(nodes)}".strip()
