"""Threads: what was inherited never decides, what is asked for does."""

from __future__ import annotations

import os
from typing import Optional

# Variables by which a shell or the workflow engine (which sets OMP_NUM_THREADS and its like to a job's
# `threads`) would change the number of compute threads unnoticed.
INHERITABLE = (
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "OMP_DYNAMIC",
    "OMP_PROC_BIND",
    "OMP_PLACES",
    "OMP_WAIT_POLICY",
    "GOMP_CPU_AFFINITY",
    "GOMP_SPINCOUNT",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "GOTO_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MKL_DYNAMIC",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
    "OPENCV_FOR_THREADS_NUM",
    "MXNET_CPU_WORKER_NTHREADS",
)


def isolated(environment: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split an environment into what a measurement may see and the thread variables taken out of it."""
    removed = {key: environment[key] for key in INHERITABLE if key in environment}
    return {key: value for key, value in environment.items() if key not in removed}, removed


def parse(text: str) -> Optional[int]:
    """`default` is None, the framework's own choice; otherwise the number of threads."""
    return None if text == "default" else int(text)


def apply(variables: dict[str, str]) -> None:
    """Set a framework's own variables; to be called before the framework is imported."""
    os.environ.update(variables)
