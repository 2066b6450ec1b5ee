"""The README of a deployed configuration: how it is run, what was measured, what the model takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import jinja2

from dliflow.analysis.rows import Rows
from dliflow.configuration import family
from dliflow.deployment import figures, program, words
from dliflow.deployment.program import Code, Deployed
from dliflow.report import names
from dliflow.report.read import Tables

TEMPLATE = Path(__file__).with_name("README.md.j2")


class Origin(NamedTuple):
    """What the registries tell of a model, and of the images that it met."""

    title: str
    layout: str
    """Of the model's own file."""
    licences: Sequence[str]
    """A line for the model, and for each dataset."""


def plain(value: Any) -> str:
    """A text in which nothing counts as markup; code as it is."""
    if isinstance(value, Code):
        return value
    text = " ".join(str(value).split())
    return re.sub(r"[\\`*<&|]|\](?=[(\[:])", r"\\\g<0>", text)


def prefix(launch: dict[str, Any]) -> Code:
    """What stands before a command that is to run where the study's `launch` put measurements."""
    words: list[Any] = []
    if launch["priority"] is not None:
        words += ["nice", "-n", launch["priority"]]
    if launch["numa_node"] is not None:
        words += ["numactl", "--cpunodebind", launch["numa_node"], "--membind", launch["numa_node"]]
    if launch["cpus"] is not None:
        words += ["taskset", "-c", launch["cpus"]]
    return Code("".join(f"{shlex.quote(str(word))} " for word in words))


def render(
    deployed: Deployed,
    origin: Origin,
    tables: Tables,
    place: figures.Place,
    *,
    best: Sequence[str],
    loads: Rows,
    record: Optional[dict[str, Any]],
    launch: dict[str, Any],
    python: str,
    pins: str,
    runs: bool = True,
    compiled: Sequence[str],
) -> str:
    """The README.

    Args:
        place: where the row stands.
        best: for what the study recommends it.
        loads: of throughput.csv, where that is a throughput.
        record: of a measurement of the row; None where there is none.
        launch: the config's.
        python: the version that was measured, `3.11`.
        pins: the text of `requirements.txt`.
        runs: whether the framework's template, if it has one, is for its version.
        compiled: the lines that compile its program in C++; none where it is one in Python.
    """
    row, entry = place.row, deployed.entry
    framework = row["framework"]
    template = program.FOLDER / f"{family(framework)}.py.j2"
    jinja = jinja2.Environment(
        finalize=plain,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    variables = [f"os.environ[{name!r}] = {value!r}" for name, value in deployed.launch.environment.items()]
    return jinja.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=origin.title,
        name=names.configuration({**row, "framework": f"{framework} {row['framework_version']}"}),
        framework=framework,
        batch_size=row["batch_size"],
        best=best,
        ties=place.ties,
        doubts=figures.doubts(tables, row),
        figures=[
            *figures.performance(place.standing),
            *figures.throughput(loads),
            *figures.quality(tables, row),
            *figures.circumstances(row, record),
        ],
        modes=list(dict.fromkeys(figures.MODES[load["mode"]] for load in loads)),
        program=(runs and template.exists()) or bool(compiled),
        compiled=list(map(Code, compiled)),
        template=Code(f"workflow/dliflow/deployment/{template.name}"),
        python=python,
        builds="+cpu" in pins,
        prefix=prefix(launch),
        input=words.taken(entry, deployed.batch_size),
        geometry=words.geometry(entry),
        layout=origin.layout if origin.layout != entry["layout"] else None,
        scores=deployed.scores,
        code=[Code(block) for block in (*variables, *deployed.launch.blocks)],
        licences=origin.licences,
    )
