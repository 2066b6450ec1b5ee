"""What a dry run says of measuring beforehand: how many measurements a run would make, and about how long they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, Optional

from dliflow.records import notes
from dliflow.study import paths

START_S = 2.0  # of a job's processes, until something like it was measured here


def forecast(jobs: Iterable[tuple[str, str]], config: Mapping[str, Any]) -> Optional[str]:
    """One line; None where nothing is to be measured.

    Args:
        jobs: rule and log of each job that is to run.
        config: the study's, whose budgets count where nothing was measured yet.
    """
    logs: dict[str, list[str]] = {"sweep": [], "throughput": [], "compare": []}
    for rule, log in jobs:
        if rule in logs:
            logs[rule].append(log)
    if not any(logs.values()):
        return None
    seconds = sum(len(of_rule) * _usual(rule, config) for rule, of_rule in logs.items())
    frameworks = sorted({Path(log).parent.name.partition("-")[0] for log in logs["sweep"]})
    sweeps = f"{len(logs['sweep'])} of the sweep ({', '.join(frameworks)})" if frameworks else ""
    throughput = f"{len(logs['throughput'])} with several requests in flight" if logs["throughput"] else ""
    comparisons = f"{len(logs['compare'])} in rounds" if logs["compare"] else ""
    what = " and ".join(filter(None, (sweeps, throughput, comparisons)))
    return f"Measurements to be made: {what}, about {max(1, round(seconds / 60))} min in all."


def _usual(rule: str, config: Mapping[str, Any]) -> float:
    """Seconds that such a job took here in the median, or what its budget says."""
    folder = Path(paths.log(f"{paths.RESULTS}/{rule}/x")).parent
    timings = [notes.timing(path) for path in folder.rglob("*.time.json")]
    known = [timing["seconds"] for timing in timings if timing is not None and timing.get("status") == 0]
    if known:
        return median(known)
    if rule == "compare":
        return config["compare"]["budget_s"]
    if rule == "throughput":
        return START_S + config["throughput"]["budget_s"]
    latency = config["latency"]
    return START_S + (latency["budget_s"] if latency["mode"] == "adaptive" else 0)
