"""Environment variables: which of those at hand a job sees, and which the study adds.

Libraries read hundreds of them, and many choose other kernels, allocators or threads. So a job gets those that are
named here, what dliflow sets, and what the config asks for; whatever else a shell has set stays there.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Optional

from dliflow.errors import DliflowError

PASSED_ON = (
    # Who runs it, where things lie, and in which language it speaks.
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "XDG_CACHE_HOME", "PYTHONPATH"),
    # Conda's environment that is active; the devices that a batch system gives; what it and a container are called.
    *("CONDA_PREFIX", "CONDA_DEFAULT_ENV", "CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"),
    "SLURMD_NODENAME",
    *("container", "SINGULARITY_NAME", "APPTAINER_NAME"),
)
PASSED_ON_PREFIXES = ("LC_", "DLIFLOW_")

# Stages that measure nothing and need the network's settings: proxies, certificates, those of uv and pip.
FETCHING = ("environment", "fetch", "library")
# What tells a stage, or CMake, of its compiler; conda sets it.
BUILDING = {"build": ("CXX",), "convert": ("CXX",), "cmake": ("CC", "CXX")}

# Stages that may run side by side. There threads of GNU OpenMP that wait are not to keep the processors from those that
# work: as many rounds as it waits itself where it knows of more threads than processors, and it knows of its own
# process's only. Two evaluations with PyTorch on two cores took 53 to 61 s, one after the other 27 s, and with this
# 20 s; one alone takes as long as without.
SIDE_BY_SIDE = ("convert", "parity", "accuracy")
WAITING = {"GOMP_SPINCOUNT": "1000"}

# The number of threads is a key of the config, and a part of what a figure is called by.
THREADS = (
    *("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC", "GOTO_NUM_THREADS", "OPENBLAS_NUM_THREADS"),
    *("MKL_NUM_THREADS", "MKL_DYNAMIC", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "TF_NUM_INTRAOP_THREADS"),
    *("TF_NUM_INTEROP_THREADS", "OPENCV_FOR_THREADS_NUM", "MXNET_CPU_WORKER_NTHREADS", "MXNET_OMP_MAX_THREADS"),
)

# Read by the system before a program's own code runs.
AT_START = ("LD_PRELOAD",)

SET = {
    # A crash leaves the stack in the log, and nothing that was printed is lost.
    **{"PYTHONFAULTHANDLER": "1", "PYTHONUNBUFFERED": "1"},
    # A user's own packages do not stand before those of an environment, as they would before conda's.
    "PYTHONNOUSERSITE": "1",
    # Keras's defaults. Else it takes types and layouts from ~/.keras, or, without a home that can be written, from
    # /tmp/.keras, which is anybody's.
    "KERAS_HOME": str(Path(__file__).resolve().with_name("keras_home")),
}

# By this variable a job knows that the supervisor chose its variables, and the names of those from the config (JSON).
ASKED = "DLIFLOW_ASKED_VARIABLES"


def passed_on(
    environment: Mapping[str, str], stage: str, asked: Optional[Mapping[str, str]] = None
) -> tuple[dict[str, str], list[str]]:
    """The variables that a stage gets, and the names of those that it does not.

    Args:
        environment: those at hand.
        asked: those of the config's `launch.environment`.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if _passes(name) or stage in FETCHING or name in BUILDING.get(stage, ())
    }
    asked = dict(asked or {})
    waiting = WAITING if stage in SIDE_BY_SIDE else {}
    stage_variables = {**kept, **waiting, **asked, **SET, ASKED: json.dumps(sorted(asked))}
    return stage_variables, sorted(set(environment) - set(kept))


def enter(wanted: Mapping[str, str]) -> None:
    """Set variables in this process; it begins anew where one of them only counts from a process's start.

    It then stays the same process to all others, with its processors, memory policy, priority and inherited
    descriptors, but forgets all else. So this is to be called before anything is done that cannot be done twice.
    """
    late = any(os.environ.get(name) != wanted[name] for name in AT_START if name in wanted)
    os.environ.update(wanted)
    if late:
        os.execv(sys.executable, [sys.executable, "-m", "dliflow", *sys.argv[1:]])


def _passes(name: str) -> bool:
    return name in PASSED_ON or name.startswith(PASSED_ON_PREFIXES)


def asked() -> list[str]:
    """Names of the variables that this process has from the config."""
    return json.loads(os.environ.get(ASKED, "[]"))


def in_effect() -> dict[str, Optional[str]]:
    """This process's variables, for the record; dliflow's own are left out.

    In a stage that was started by hand there may be any, secrets too: of what would not have been passed on only the
    name is told, and the value is None.
    """
    everything = ASKED in os.environ
    return {
        name: value if everything or _passes(name) else None
        for name, value in sorted(os.environ.items())
        if not name.startswith("DLIFLOW_")
    }


def check(wanted: Mapping[str, str], set_by: Mapping[str, Collection[str]], origin: str) -> None:
    """Refuse a `launch.environment` that would override what dliflow sets.

    Args:
        set_by: for each framework the names of the variables that it sets itself.
        origin: where the config stands.

    Raises:
        DliflowError: naming the variable and what sets it.
    """
    for name in wanted:
        key = f"{origin}: launch.environment.{name}"
        if name in (*SET, "PYTHONPATH", "TMPDIR") or name.startswith("DLIFLOW_"):
            raise DliflowError(f"{key}: dliflow sets this variable itself; leave it out")
        if name in THREADS:
            raise DliflowError(f"{key}: the number of threads is set by the key 'threads'; leave it out")
        for framework, names in set_by.items():
            if name in names:
                raise DliflowError(
                    f"{key}: {framework} is given this by its options or 'threads'; use those, and leave it out"
                )
