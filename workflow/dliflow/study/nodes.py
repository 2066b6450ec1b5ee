"""The machines that a study measures on: their entries in `config/nodes`, and how each of them is reached.

A node is *here* where its entry names nothing that gives it: whoever runs Snakemake on it measures on it. With `slurm`
it is held by an allocation, in which its measurements are steps (`machine/slurm.py`). With `resources` each of its
measurements is a job of whatever executor Snakemake runs with.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Optional

from dliflow import frameworks
from dliflow.configuration import family
from dliflow.errors import DliflowError
from dliflow.study import config as configuration
from dliflow.wording import suggestion

GUIDE = "docs/cluster.md"
# What an entry's `slurm` names, as sbatch calls it and as Snakemake's executor for SLURM does.
OPTIONS = {"partition": "--partition", "constraint": "--constraint", "account": "--account", "qos": "--qos"}
RESOURCES = {"partition": "slurm_partition", "constraint": "constraint", "account": "slurm_account", "qos": "qos"}
MEASURE = {"models": "model", "frameworks": "framework", "precisions": "precision"}  # by key of a row

Entry = dict[str, Any]


def entries(folder: Path, names: list[str], origin: str) -> dict[str, Entry]:
    """The checked entry of each node. A study's only node may have none: then it is this machine.

    Raises:
        DliflowError: naming the file, the key, the value and what would be right.
    """
    if len(names) == 1 and not (folder / f"{names[0]}.yaml").exists():
        (name,) = names
        return {name: {"name": name, "title": name, **configuration.validated({}, "node", origin)}}
    calls = (partial(_entry, folder, name, origin, f"nodes[{i}]") for i, name in enumerate(names))
    known = dict(zip(names, configuration.together(calls)))
    steps = [name for name, entry in known.items() if entry["slurm"] is not None]
    jobs = [name for name, entry in known.items() if entry["resources"]]
    if steps and jobs:  # jobs of an executor that would ask for allocations, and may hold the very machines
        raise DliflowError(
            f"{origin}: nodes: {', '.join(steps)}: have 'slurm', and {', '.join(jobs)} 'resources'; describe all in "
            f"one of these ways, or take one node at a time with --config node=NAME ({GUIDE})"
        )
    return known


def _entry(folder: Path, name: str, origin: str, key: str) -> Entry:
    entry = configuration.registered(folder, "node", name, origin, key, GUIDE)
    if entry["slurm"] is not None and entry["resources"]:
        raise DliflowError(f"{entry['file']}: resources: slurm is set, too; one of them gives the node, leave one out")
    known = frameworks.names()
    for index, framework in enumerate(entry["measure"]["frameworks"] or []):
        if family(framework) not in known:
            wrong = f"measure.frameworks[{index}]: '{framework}' is unknown{suggestion(framework, known)}"
            raise DliflowError(f"{entry['file']}: {wrong}")
    return entry


def here(entry: Entry) -> bool:
    """Whether its measurements run on the machine that Snakemake runs on."""
    return entry["slurm"] is None and not entry["resources"]


def check_places(measured: Mapping[str, Entry], local: bool, contained: bool, origin: str) -> None:
    """Refuse a run that would measure on the machine that it runs on, and must not, or could not get to its nodes.

    Args:
        measured: the entries of the nodes on which it is to measure.
        local: whether jobs run on this machine, not where an executor takes them.
        contained: whether they run in an image, by `--sdm apptainer`.

    Raises:
        DliflowError: naming the nodes, and what to do.
    """
    this = [name for name, entry in measured.items() if here(entry)]
    if len(this) > 1:
        raise DliflowError(
            f"{origin}: nodes: {', '.join(this)}: this machine cannot be all of them. Say in config/nodes/NAME.yaml "
            f"how a scheduler gives each of them ({GUIDE}), or run on each of them with --config node=NAME"
        )
    if this and not local:
        (name,) = this
        raise DliflowError(
            f"{origin}: nodes: {name}: jobs are run by a scheduler, but nothing says which machine '{name}' is; write "
            f"config/nodes/{name}.yaml with 'slurm' or 'resources' ({GUIDE})"
        )
    held = [name for name, entry in measured.items() if entry["slurm"] is not None]
    if held and contained:
        raise DliflowError(
            f"{origin}: nodes: {', '.join(held)}: their allocations are asked for from within a job, and with --sdm "
            f"apptainer the image would need SLURM's commands; leave --sdm out ({GUIDE})"
        )
    submitted = [name for name, entry in measured.items() if entry["resources"]]
    if submitted and local:
        raise DliflowError(
            f"{origin}: nodes: {', '.join(submitted)}: their 'resources' are for an executor, and jobs would run on "
            f"this machine; name the executor (--executor NAME), or run on each of them without 'resources' ({GUIDE})"
        )


def deciding(entry: Entry) -> dict[str, Any]:
    """The part of an entry that a plan is built from."""
    return {"devices": entry["devices"], "measure": entry["measure"]}


def measures(known: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether a configuration is measured on a node; a framework that is named there stands for all of its versions.

    Args:
        known: what `deciding` tells; nothing for a node that measures all.
        row: of the plan.
    """
    asked = known.get("measure", {})
    called = {"framework": {row["framework"], family(row["framework"])}}
    return all(
        asked.get(key) is None or not called.get(column, {row[column]}).isdisjoint(asked[key])
        for key, column in MEASURE.items()
    )


def lacking(name: str, known: Mapping[str, Any], device: str) -> Optional[str]:
    """Why nothing runs on a device of a node; None where it has one, as far as is known."""
    devices = known.get("devices")
    if devices is None or device in devices:
        return None
    return f"{name} has no {device} (config/nodes/{name}.yaml: devices)"


def allocation(entry: Entry) -> list[str]:
    """The options of sbatch that an allocation of a node is asked for with."""
    asked = entry["slurm"]
    named = [f"{option}={asked[key]}" for key, option in OPTIONS.items() if asked[key] is not None]
    return [*named, *step(entry), f"--time={asked['minutes']}", *asked["extra"]]


def step(entry: Entry) -> list[str]:
    """Those of srun for a step in it, which gets no device that it does not ask for."""
    return [] if entry["slurm"]["gres"] is None else [f"--gres={entry['slurm']['gres']}"]


def reached(entry: Entry) -> dict[str, Any]:
    """What a job has to know of its node: what its machine must be, and how to get there where that is not here."""
    asked = {key: value for key, value in entry["machine"].items() if value is not None}
    by_slurm = entry["slurm"] and {"allocation": allocation(entry), "step": step(entry)}
    return {"machine": asked, "slurm": by_slurm}


def resources(entry: Entry) -> dict[str, Any]:
    """What Snakemake's executor has to know to run a job on a machine of this kind: resources, by their names."""
    asked = entry["slurm"]
    if asked is None:
        return dict(entry["resources"])
    named = {name: asked[key] for key, name in RESOURCES.items() if asked[key] is not None}
    extra = [*step(entry), *asked["extra"]]
    return {**named, **({"slurm_extra": shlex.join(extra)} if extra else {})}
