"""How many requests adaptive measuring saves, for the same width of the interval that is quoted. Prints figures.

    PYTHONPATH=workflow .venv/bin/python benchmarks/requests.py CONFIG_RECORDS...

CONFIG_RECORDS: folders of records in which each process made many requests, one for each configuration, as a study
leaves them whose config says `node: fixed` and `latency: {mode: fixed, limit_s: null}`:
results/latency/fixed/efficientnet_lite0/openvino-default-fp32-cpu-default and so on. The rule that ends an adaptive
process is asked over the recorded durations as the timing loop would ask it, and the interval over processes is
computed from what it would have kept, and from everything.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from dliflow.analysis import stats
from dliflow.files import read_json
from dliflow.measuring import measure, series

WIDTH, LEAST, LIMIT_S = 0.01, 30, 0.4  # the default study's
NOTHING = [np.zeros((1, 1), np.float32)]


def kept(durations: list[int], limit_s: float | None) -> int:
    """How many of a process's requests adaptive mode would have made."""
    passed = iter(durations)
    now = 0

    def replay(batch: np.ndarray) -> None:
        nonlocal now
        now += next(passed)

    rule = series.narrow(WIDTH, LEAST)
    options = {"requests": len(durations), "limit_s": limit_s, "until": rule, "ask_from": LEAST}
    return len(measure.run(replay, NOTHING, clock=lambda: now, **options).latency_ns)


def half_width(processes: list[np.ndarray]) -> float:
    """Half the width of the quoted interval, as a share of its middle."""
    interval = stats.latency_interval(processes)
    return float("nan") if interval is None else (interval[1] - interval[0]) / (interval[1] + interval[0])


def spread(processes: list[np.ndarray]) -> float:
    """Variance of the processes' medians, of their logarithms."""
    return float(np.var(np.log([np.median(values) for values in processes]), ddof=1))


def saved(rows: list[tuple[np.ndarray, list[float], list[float]]], way: int) -> str:
    """How many times as many requests fixed mode needs for the same width of the quoted interval.

    Requests bought as processes narrow an interval with the root of their number, so those that are needed grow with
    the variance between processes. Five processes tell it badly: the geometric mean over all rows, and its bootstrap
    interval over rows.
    """
    ratios = np.array(
        [np.log(requests[0] / requests[way]) + np.log(spreads[0] / spreads[way]) for requests, _, spreads in rows]
    )
    means = np.random.default_rng(0).choice(ratios, (10_000, len(ratios))).mean(axis=1)
    low, high = np.exp(np.percentile(means, [2.5, 97.5]))
    return f"{np.exp(ratios.mean()):.1f} [{low:.1f}, {high:.1f}]"


def compare(folders: list[Path]) -> None:
    """A line for each configuration and batch size, and their sum."""
    print(f"{'':52}{'requests made':>28}{'half width of the quoted interval':>40}")
    columns = ("fixed", "by width", "by width, 0.4 s")
    print(f"{'':52}" + "".join(f"{name:>10}" for name in columns[:2]) + f"{columns[2]:>17}", end="")
    print("".join(f"{name:>10}" for name in columns[:2]) + f"{columns[2]:>17}")
    rows = []
    for folder in folders:
        for batch in sorted({path.name.split("-")[0] for path in folder.glob("batch*.json")}):
            records = [read_json(path) for path in sorted(folder.glob(f"{batch}-*.json"))]
            latencies = [record["figures"]["latency_ns"] for record in records if record["status"] == "ok"]
            if not latencies:
                continue
            counts = [[len(each), kept(each, None), kept(each, LIMIT_S)] for each in latencies]
            requests = np.sum(counts, axis=0)
            chosen = [[np.array(each[: count[way]]) for each, count in zip(latencies, counts)] for way in range(3)]
            widths = [half_width(processes) for processes in chosen]
            rows.append((requests, widths, [spread(processes) for processes in chosen]))
            print(f"{folder.name + ' ' + batch:52}{requests[0]:10}{requests[1]:10}{requests[2]:17}", end="")
            print(f"{widths[0]:10.1%}{widths[1]:10.1%}{widths[2]:17.1%}")
    total = np.sum([requests for requests, _, _ in rows], axis=0)
    middle = np.nanmedian([widths for _, widths, _ in rows], axis=0)
    print(f"{'all, and the median width':52}{total[0]:10}{total[1]:10}{total[2]:17}", end="")
    print(f"{middle[0]:10.1%}{middle[1]:10.1%}{middle[2]:17.1%}")
    ratios = total[0] / total[1:]
    print(f"fixed / adaptive requests: {ratios[0]:.1f} by width, {ratios[1]:.1f} within {LIMIT_S} s too")
    print(f"  for the same width of the interval: {saved(rows, 1)} by width, {saved(rows, 2)} within {LIMIT_S} s too")


if __name__ == "__main__":
    compare([Path(name) for name in sys.argv[1:]])
