"""What two studies, or two versions in one, have in common, to be set against each other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dliflow import frameworks
from dliflow.configuration import PYTHON
from dliflow.errors import DliflowError
from dliflow.records import runnable
from dliflow.records.runnable import Swept

BEFORE, AFTER = "before", "after"
NONE_RUN = "no study that this version of dliflow can read has been run in"
FRAMEWORK = re.compile(rf"(?P<framework>{frameworks.NAME})(==(?P<version>[\w.+!-]+))?")


class Side(NamedTuple):
    """What one of both stands for."""

    study: Path
    framework: Optional[str]
    """The one that it is; None: all of the study."""
    version: Optional[str]
    """The one that is asked for; None: today's."""
    rows: list[Swept]
    problem: Optional[str]
    """Why there is nothing of it."""


class Pair(NamedTuple):
    """The same configuration on both sides, and the batch sizes at which both were measured."""

    identity: Mapping[str, str]
    before: Swept
    after: Swept
    batch_sizes: Sequence[int]

    @property
    def name(self) -> str:
        """What people call it."""
        return _name(self.identity)

    @property
    def problem(self) -> Optional[str]:
        """Why it cannot be measured, and what to do; None where it can."""
        for side, missing in ((BEFORE, self.before.missing), (AFTER, self.after.missing or self.after.missing_beside)):
            if missing:
                return f"{side}: {missing}"
        if self.before.fed["input"] != self.after.fed["input"]:
            return "both take other inputs (size, layout or type), so no image can be given to both"
        if self.before.held["launch"] != self.after.held["launch"]:
            return "both were launched in another way; give both studies the same 'launch'"
        return None


def problems(every: Sequence[Pair]) -> dict[str, Optional[str]]:
    """By the name of each why it cannot be measured with the others, and what to do; None where it can.

    One process measures all of them, and what it starts has its launch settings: those of the first that can be.
    """
    known = {pair.name: pair.problem for pair in every}
    able = [pair for pair in every if known[pair.name] is None]
    for pair in able[1:]:
        if pair.after.held["launch"] != able[0].after.held["launch"]:
            known[pair.name] = (
                f"was launched in another way than {able[0].name}, which is measured; compare each by itself, with "
                "--framework and its like, or run both studies again with one 'launch'"
            )
    return known


def _name(identity: Mapping[str, str]) -> str:
    """`efficientnet_lite0 openvino int8 cpu`; what is usual is not told."""
    return " ".join(value for value in identity.values() if value not in ("default", PYTHON))


def row_name(pair: str, batch_size: int) -> str:
    """`efficientnet_lite0 openvino int8 cpu, batch size 1`."""
    return f"{pair}, batch size {batch_size}"


def side(text: str, study: Path) -> Side:
    """What a text stands for: a study's folder, a framework, or a framework and a version of it.

    Args:
        study: the folder of the study that frameworks are of.

    Raises:
        DliflowError: when it is neither a folder nor can be a framework's name.
    """
    if Path(text).is_dir():
        folder = Path(text).resolve()
        return _today(folder, None, runnable.swept(folder), f"{NONE_RUN} {folder}")
    named = FRAMEWORK.fullmatch(text)
    if named is None:
        raise DliflowError(
            f"{text}: there is no such folder; right would be that of a finished study, or a framework of one: "
            "openvino, openvino@2025.3, openvino==2025.3.0"
        )
    folder, framework, version = study.resolve(), named["framework"], named["version"]
    everything = runnable.swept(folder)
    there = ", ".join(_versions(everything))
    measured = f"in {folder} nothing was measured of it, but of {there}" if there else f"{NONE_RUN} {folder}"
    nothing = f"{text}: there is no such folder, and {measured}"
    if version is None:
        those = [one for one in everything if one.identity["framework"] == framework]
        return _today(folder, framework, those, nothing)
    rows = runnable.of_version(everything, framework, version)
    return Side(folder, framework, version, rows, None if rows else nothing)


def _today(folder: Path, framework: Optional[str], everything: list[Swept], nothing: str) -> Side:
    rows = runnable.of_today(everything)
    return Side(folder, framework, None, rows, None if rows else f"{nothing}; run the study")


def _versions(rows: Iterable[Swept]) -> list[str]:
    return sorted({f"{one.identity['framework']}=={one.version}" for one in rows})


class Matched(NamedTuple):
    """What both have, and names of rows that only one has."""

    pairs: list[Pair]
    only_before: list[str]
    only_after: list[str]


def matched(before: Side, after: Side, chosen: Mapping[str, Optional[Collection[Any]]]) -> Matched:
    """The rows of both. Two frameworks are set against each other whatever they are called.

    Args:
        chosen: by a key of `runnable.IDENTITY`, or `batch_size`, the values that are wanted; None: all.

    Raises:
        DliflowError: when one side is a study and the other one a framework.
    """
    if (before.framework is None) != (after.framework is None):
        raise DliflowError("BEFORE and AFTER: right would be two folders, or two frameworks of one study")
    keys = [key for key in runnable.IDENTITY if key != "framework" or before.framework is None]
    old, new = (_by_row(each.rows, keys, chosen) for each in (before, after))
    pairs: dict[tuple[str, ...], Pair] = {}
    for (key, size), one in old.items():
        if (key, size) in new:
            pair = pairs.setdefault(key, Pair(dict(zip(keys, key)), one, new[key, size], []))
            pairs[key] = pair._replace(batch_sizes=[*pair.batch_sizes, size])
    only = (
        [row_name(_name(dict(zip(keys, key))), size) for key, size in one if (key, size) not in other]
        for one, other in ((old, new), (new, old))
    )
    return Matched(list(pairs.values()), *only)


def _by_row(
    rows: Iterable[Swept], keys: Sequence[str], chosen: Mapping[str, Optional[Collection[Any]]]
) -> dict[tuple[tuple[str, ...], int], Swept]:
    """Those that are wanted, by the values of these keys and the batch size."""

    def wanted(values: Mapping[str, Any]) -> bool:
        return all(chosen.get(key) is None or value in (chosen[key] or ()) for key, value in values.items())

    return {
        (tuple(one.identity[key] for key in keys), size): one
        for one in rows
        for size in one.batch_sizes
        if wanted({**one.identity, "batch_size": size})
    }
