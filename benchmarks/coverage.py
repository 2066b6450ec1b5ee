"""How often intervals hold the truth, warm-up ends where it should, and drift is told. Nothing is asserted.

    PYTHONPATH=workflow:tests .venv/bin/python benchmarks/coverage.py [RUNS]

Simulated processes go through the real timing loop with a simulated clock: warm-up, then requests, fixed and adaptive.
"""

from __future__ import annotations

import gc
import sys
import warnings
from dataclasses import dataclass

import numpy as np
import synthetic

from dliflow.analysis import series as afterwards
from dliflow.analysis import stats
from dliflow.measuring import measure, series

WARMUP, REQUESTS, WIDTH, LEAST = 200, 1000, 0.01, 30  # the default study's


@dataclass
class Process:
    """What one simulated process found."""

    warmup: measure.Samples
    samples: measure.Samples

    @property
    def values(self) -> np.ndarray:
        """The measured durations."""
        return np.array(self.samples.latency_ns, float)


def process(durations: np.ndarray, requests: int, adaptive: bool) -> Process:
    """Warm up and measure, as the latency stage does."""
    simulated = synthetic.Synthetic(durations)
    warmup = measure.run(
        simulated.predict,
        synthetic.BATCHES,
        requests=WARMUP,
        limit_s=None,
        until=series.steady,
        ask_from=series.STEADY_FROM,
        clock=simulated.clock,
    )
    samples = measure.run(
        simulated.predict,
        synthetic.BATCHES,
        requests=requests,
        limit_s=None,
        until=series.narrow(WIDTH, LEAST) if adaptive else None,
        ask_from=LEAST,
        clock=simulated.clock,
    )
    return Process(warmup, samples)


def holds(values: np.ndarray) -> float:
    """1 where the interval of a process's median holds the truth, 0 where not, nan where there is none."""
    interval = series.median_interval(values)
    return np.nan if interval is None else float(interval[0] <= synthetic.LEVEL <= interval[1])


def drifts(values: np.ndarray) -> bool:
    """Whether a table would call it drift."""
    p = afterwards.drift_p(values)
    return p is not None and p < 0.01


def within(runs: int) -> None:
    """Coverage of the interval of one process's median, and requests made; drift flagged."""
    print(f"One process, {runs} runs of each: share of 95 % intervals that hold the true median (where there is one)")
    print(
        f"{'':16}{'fixed 50':>10}{'fixed 200':>10}{'fixed 1000':>11}{'adaptive':>10}  {'requests':>8}  {'narrow':>6}",
        end="",
    )
    print(f"{'drift flagged: 50':>20}{'200':>7}{'1000':>7}{'adaptive':>10}")
    for number, distribution in enumerate((*synthetic.STATIONARY, synthetic.slow_first, synthetic.drifting)):
        rng = np.random.default_rng(number)
        covered, flagged, requests_made, narrow = [], [], [], 0
        for _ in range(runs):
            durations = distribution(rng, WARMUP + REQUESTS)
            fixed = process(durations, REQUESTS, False)
            adaptive = process(durations, REQUESTS, True)
            series_of = [fixed.values[:50], fixed.values[:200], fixed.values, adaptive.values]
            covered.append([holds(values) for values in series_of])
            flagged.append([drifts(values) for values in series_of])
            requests_made.append(len(adaptive.values))
            narrow += adaptive.samples.stopped_by == "until"
        shares = np.nanmean(covered, axis=0)
        truth = ["–"] * 4 if distribution is synthetic.drifting else [f"{share:.1%}" for share in shares]
        drifting = [f"{share:.1%}" for share in np.mean(flagged, axis=0)]
        print(f"{distribution.__name__:16}{truth[0]:>10}{truth[1]:>10}{truth[2]:>11}{truth[3]:>10}", end="")
        print(
            f"  {np.mean(requests_made):8.0f}  {narrow / runs:6.0%}"
            f"{drifting[0]:>20}{drifting[1]:>7}{drifting[2]:>7}{drifting[3]:>10}",
            flush=True,
        )


def warmups(runs: int) -> None:
    """Where the warm-up ended."""
    slow, most = synthetic.SLOW, WARMUP
    print(f"\nWarm-up of at most {most} requests, {runs} runs: how many it made. slow_first is slow before {slow}")
    print(f"{'':16}{'2.5 %':>7}{'median':>8}{'97.5 %':>8}{'steady':>9}{'too early':>29}{'median off by':>15}")
    for number, distribution in enumerate((*synthetic.STATIONARY, synthetic.slow_first)):
        rng = np.random.default_rng(100 + number)
        simulated = [process(distribution(rng, WARMUP + 50), 50, False) for _ in range(runs)]
        counts = np.array([len(each.warmup.latency_ns) for each in simulated])
        low, middle, high = np.percentile(counts, [2.5, 50, 97.5])
        steady = np.mean([each.warmup.stopped_by == "until" for each in simulated])
        early = f"{np.mean(counts < slow):.1%}" if distribution is synthetic.slow_first else "–"
        bias = np.mean([np.median(each.values) for each in simulated]) / synthetic.LEVEL - 1
        print(f"{distribution.__name__:16}{low:7.0f}{middle:8.0f}{high:8.0f}{steady:9.0%}{early:>29}{bias:15.2%}")


def processes(runs: int) -> None:
    """Coverage of the interval that is quoted, which comes from several processes."""
    print(
        f"\nSeveral processes, {runs} runs of each: share of 95 % intervals that hold the true level; median half width"
    )
    kinds = {"log-normal, 10 %": 0.0, "two modes, 1 : 1": 0.5, "two modes, 7 : 3": 0.7}
    print(f"{'':20}" + "".join(f"{count:>6} processes  " for count in (3, 5, 10)))
    for name, fast in kinds.items():
        rng = np.random.default_rng(7)
        cells = []
        for count in (3, 5, 10):
            intervals = np.array([stats.latency_interval(synthetic.between(rng, count, fast)) for _ in range(runs)])
            covered = np.mean((intervals[:, 0] <= synthetic.LEVEL) & (intervals[:, 1] >= synthetic.LEVEL))
            half = np.median(np.log(intervals[:, 1] / intervals[:, 0])) / 2
            cells.append(f"{covered:8.1%} ±{half:5.0%}  ")
        print(f"{name:20}" + "".join(cells))


def stopped(runs: int) -> None:
    """Coverage of a comparison's interval, which ends as soon as that is narrow: chance picks when that is."""
    print(f"\nRounds, {runs} runs of each: share of 95 % intervals that hold the true ratio, and groups until the end")
    least, most, width = 6, 30, 0.01
    for spread in (0.005, 0.01, 0.02):
        rng = np.random.default_rng(7)
        held, groups = [], []
        for _ in range(runs):
            logs = rng.normal(0, spread, most)
            for count in range(least, most + 1):
                interval = stats.mean_interval(logs[:count])
                assert interval is not None
                if interval[1] - interval[0] <= 2 * width:
                    break
            held.append(interval[0] <= 0 <= interval[1])
            groups.append(count)
        print(f"groups differ by {spread:.1%}: {np.mean(held):7.1%}, {np.median(groups):3.0f} groups (median)")


if __name__ == "__main__":
    gc.freeze()  # each run of the timing loop collects garbage; nothing of what is loaded now is any
    warnings.simplefilter("ignore", RuntimeWarning)  # of a mean of no intervals: nan is what is meant
    RUNS = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    within(RUNS)
    warmups(RUNS)
    processes(RUNS)
    stopped(RUNS)
