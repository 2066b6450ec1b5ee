"""The node that a measurement belongs to: how to get there, and whether this machine is the one (Linux)."""

from __future__ import annotations

import fnmatch
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError
from dliflow.files import read_json, write_json
from dliflow.machine import facts

# By this variable Snakemake tells its jobs of the study's nodes: JSON, by name what `study.nodes.reached` tells.
KNOWN = "DLIFLOW_NODES"
# By this one a job knows that it has got to its node.
REACHED = "DLIFLOW_NODE_REACHED"
SLURM_NAME = "SLURMD_NODENAME"  # set by SLURM: what it calls the machine

Described = Mapping[str, Any]


def described(name: str) -> Described:
    """What is known of a node; nothing of it where a stage was started by hand."""
    return json.loads(os.environ.get(KNOWN, "{}")).get(name) or {"machine": {}, "slurm": None}


def is_elsewhere(name: str, known: Described) -> bool:
    """Whether a job has to get to its node by SLURM first."""
    return known["slurm"] is not None and os.environ.get(REACHED) != name


def identity(found: Mapping[str, Any]) -> dict[str, Any]:
    """What tells a machine from others: its name, its CPU and the number of its processors.

    In a container the name is None, since it is another one each time. What an update changes (kernel, microcode) is
    not the machine's identity; it stands in each record.

    Args:
        found: as `facts.describe` tells.
    """
    hostname = None if found["container"] else found["hostname"]
    return {"hostname": hostname, "cpu": found["cpu"], "logical_cpus": found["logical_cpus"]}


def check(name: str, wanted: Mapping[str, str], first: Path) -> None:
    """Refuse to measure on a machine that is not the node: not the one that its file describes, or not the first one.

    The first machine that measures under a node's name is written down, and is that node from then on.

    Args:
        wanted: of the node's file: patterns for `hostname` and `cpu`.
        first: where it is written down.

    Raises:
        DliflowError: naming what differs, and what to do.
    """
    found = facts.describe()
    for key, pattern in wanted.items():
        if not fnmatch.fnmatchcase(found[key], pattern):
            raise DliflowError(
                f"config/nodes/{name}.yaml: machine.{key}: '{pattern}' is not this machine, which is '{found[key]}'; "
                f"nothing was measured. Let the scheduler give '{name}' only machines that fit, or correct the file"
            )
    here = identity(found)
    if not first.exists():
        write_json(first, {**here, "slurm_name": os.environ.get(SLURM_NAME)})
        return
    before = read_json(first)
    differing = [key for key in here if before[key] != here[key]]
    if differing:
        was, now = (", ".join(f"{key} '{of[key]}'" for key in differing) for of in (before, here))
        raise DliflowError(
            f"node '{name}': another machine has measured under this name, with {was}; this one has {now}. Nothing was "
            f"measured. Give each machine a name of its own (--config node=NAME); if it is the same one, delete {first}"
        )


def slurm_name(first: Path) -> str | None:
    """What SLURM calls the machine that is the node, once something was measured on it; None before."""
    return read_json(first).get("slurm_name") if first.exists() else None
