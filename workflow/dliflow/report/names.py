"""What things are called in plots and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from dliflow.analysis import columns
from dliflow.configuration import CPP
from dliflow.study import plan


def configuration(row: dict[str, Any], framework: bool = True) -> str:
    """`openvino fp16`; C++, a variant or tuned parameters are named, since they are not the default."""
    variant, parameters = row.get("variant"), row.get("parameters")
    words = [
        row["framework"] if framework else None,
        "C++" if row.get("api") == CPP else None,
        None if variant == "default" else variant,
        row["precision"],
        None if parameters == "default" else parameters,
    ]
    return " ".join(word for word in words if word)


def anchor(row: dict[str, Any]) -> str:
    """Where a row of performance.csv stands on the page."""
    return "row-" + "-".join(str(row[name]) for name in columns.POINT)


def parts(member: str) -> dict[str, str]:
    """What a member of a comparison is, by the keys of a candidate: `framework`, `precision` and so on."""
    return dict(zip(plan.CANDIDATE, member.split("-")))


def member(text: str) -> str:
    """`pytorch-python-default-fp32` as a configuration is called.

    An older version (`...@2.9`) keeps its number, a member of a comparison of batch sizes (`...:4`) its size. What
    stands behind the `@` of a framework's own name (`openvino@2025.3-default-fp32`) is a part of that name.
    """
    called, _, size = text.partition(":")
    *earlier, last = called.split("-")
    last, _, version = last.partition("@")
    parts = [*earlier, last]
    if len(parts) not in (len(plan.CANDIDATE), len(plan.CANDIDATE) - 1):  # a baseline has no parameters
        return text
    name = configuration(dict(zip(plan.CANDIDATE, [*parts, "default"])))
    return f"{name}{f' of {version}' if version else ''}{f' (batch size {size})' if size else ''}"


def place(row: dict[str, Any]) -> str:
    """Model, device and node."""
    return " · ".join([row["model"], row["device"], row["node"]])


def setting(row: dict[str, Any]) -> str:
    """The same, with the scenario where it is not latency."""
    words = [place(row)]
    if row.get("scenario") not in (None, "latency"):
        words.append(row["scenario"])
    return " · ".join(words)


def listed(words: list[str], most: int = 0) -> str:
    """`a, b and c`, or `a, b and 4 others` when there are more than `most`."""
    if most and len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} others"]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))


def count(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def gpus(models: Iterable[str]) -> str:
    """`NVIDIA L4, 2 × NVIDIA H200`."""
    return ", ".join(model if number == 1 else f"{number} × {model}" for model, number in Counter(models).items())
