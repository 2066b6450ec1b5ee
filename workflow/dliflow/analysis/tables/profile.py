"""profile.csv: the time of each operator, as the framework's own profiler tells."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from dliflow.analysis.tables import shared
from dliflow.records import record

# What frameworks add to the name of an operator when it computes on integers or is fused with others; and what has
# another name altogether then.
IN_ANOTHER_WAY = re.compile(
    r"^(aten::|onednn::|QLinear|Q(?=[A-Z])|Fused|_sg_mkldnn_|_contrib_quantized_)|(Int8|Integer|QuantizedLegacy)$"
)
SAME = {"conv": "Convolution", "fully_connected": "FullyConnected", "conv2d": "convolution", "linear": "matmul"}


def rows(study_plan: dict[str, Any]) -> shared.Rows:
    """Those of each profile that the plan asks for, the operators that take longest first; one where there is none."""
    table: shared.Rows = []
    for planned in study_plan["profile"]:
        outcome = record.outcome(planned)
        row = {**shared.identity(planned, outcome), "record": planned["record"]}
        table += operators(row, shared.figures(outcome))
    return table


def of_record(path: str) -> shared.Rows:
    """Those of a single record.

    Raises:
        DliflowError: when it is damaged.
    """
    written = record.read(path)
    row = {**written["identity"], **{key: written[key] for key in ("status", "reason")}, "record": path}
    return operators(row, written.get("figures", {}))


def operators(row: shared.Row, figures: dict[str, Any]) -> shared.Rows:
    """A row for each operator of a profile.

    Args:
        row: what all of them have in common; it is the only one where there are no figures.
    """
    if not figures:
        return [row]
    times = np.array([one["us"] for one in figures["operators"]])  # µs, (operators, requests)
    medians = np.median(times, axis=1)
    of_all = {
        "operators_ms": float(medians.sum()) / 1e3,
        "profiled_ms": float(np.median(figures["profiled_us"])) / 1e3,
        "latency_ms": float(np.median(np.concatenate(figures["latency_ns"]))) / 1e6,
        "requests": times.shape[1],
        "profiler": figures["profiler"],
    }
    of_all["coverage"] = of_all["operators_ms"] / of_all["latency_ms"]
    shares = medians / medians.sum()
    return [
        {
            **row,
            **of_all,
            **{key: one[key] or None for key in ("type", "name", "kernel")},
            "kind": kind(one["type"]),
            "int8": one["int8"],
            "calls": one["calls"],
            "median_us": float(medians[place]),
            "share": float(shares[place]),
        }
        for place, one in sorted(enumerate(figures["operators"]), key=lambda numbered: -shares[numbered[0]])
    ]


def kind(operator: str) -> str:
    """What an operator does, in whatever precision: `Conv` for `QLinearConv` and `FusedConv`."""
    name = IN_ANOTHER_WAY.sub("", operator)
    return SAME.get(name, name)
