"""How well a finished study knows its figures, what it spent, and whether another one agrees. Prints figures.

    PYTHONPATH=workflow .venv/bin/python benchmarks/study.py STUDY [--again STUDY]

STUDY is the folder that a study was made in, whose tables, records and times in `results/` are read. A half width is
that of the 95 % interval, of the logarithm. Two studies agree on a row where the interval of the ratio of their
latencies, of both intervals together, holds 1. Each is read off at its own reference state, and both at one between.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from pathlib import Path

import finished
import numpy as np

from dliflow.analysis import anchored, columns, comparison, ranking, rows, state
from dliflow.analysis.strain import Strains
from dliflow.analysis.tables.performance import Swept
from dliflow.files import read_json
from dliflow.records import notes
from dliflow.report import read, times
from dliflow.study import paths

Rows = rows.Rows
ENDS = {
    "as measured": ("latency_ci_low_ms", "latency_ci_high_ms"),
    "at the reference state": ("latency_reference_ci_low_ms", "latency_reference_ci_high_ms"),
}


def half(row: rows.Row, ends: tuple[str, str]) -> float:
    """Of an interval between two columns."""
    low, high = (row[name] for name in ends)
    return math.nan if low is None else finished.half((low, high))


def widths(performance: Rows) -> None:
    """How wide the intervals of latencies are."""
    print(f"{len(performance)} rows measured; half widths of their latencies")
    for what, ends in ENDS.items():
        halves = np.array([half(row, ends) for row in performance])
        middle, most = np.nanquantile(halves, [0.5, 0.9])
        within = [np.mean(halves <= math.log1p(share)) for share in (0.05, 0.1)]
        print(
            f"  {what:22} median {middle:.1%}, ninth decile {most:.1%}, "
            f"within ±5 % {within[0]:.0%}, within ±10 % {within[1]:.0%}"
        )


def slopes(performance: Rows) -> None:
    """How much a state of the machine moves each framework."""
    print("State slopes: median over configurations (least to most)")
    for (framework,), each in sorted(rows.grouped(performance, ("framework",)).items()):
        values = [of[0]["state_slope"] for of in rows.grouped(each, columns.MEASURED).values()]
        print(f"  {framework:12} {np.median(values):5.2f}  ({min(values):.2f} to {max(values):.2f})")


def pairs(compared: Rows) -> None:
    """How well ratios of comparisons are known."""
    print("Pairs of leaders: ratio, half width")
    for row in compared:
        if row["purpose"] == "leaders":
            size = row["batch_size"] or "–"
            print(
                f"  batch size {size:>3}  {row['first']} / {row['second']}: {row['ratio']:.4f} ± "
                f"{half(row, ('ratio_ci_low', 'ratio_ci_high')):.2%}, {row['verdict']}, {row['groups']} groups, "
                f"{row['groups_needed']} more needed"
            )
    print("Half widths by purpose")
    for (purpose,), each in rows.grouped(compared, ("purpose",)).items():
        halves = [half(row, ("ratio_ci_low", "ratio_ci_high")) for row in each]
        print(f"  {purpose:12} {len(each):3} pairs, median {np.nanmedian(halves):.2%}, widest {np.nanmax(halves):.2%}")


def opening(study: Path, what: str, measured: Rows) -> None:
    """How much of the time of groups imports and loads took; a first request is none of them."""
    records = {row["record"] for row in measured if row["status"] == "ok"}
    groups = [group for path in records for group in read_json(study / path)["figures"]["groups"]]
    imports = sum(member["import_ms"] for group in groups for member in group["members"].values())
    opened = [one for group in groups for session in group["sessions"] for one in session["opened"].values()]
    whole = sum(group["wall_s"] for group in groups)
    share = (imports + sum(one["load_ms"] for one in opened)) / 1e3 / whole if groups else math.nan
    print(f"Imports and loads took {share:.1%} of {whole / 60:.1f} min in the groups of {what}")


def spent(logs: Path, measurements: Rows) -> None:
    """Where the time of the last run went."""
    jobs, run = times.jobs(logs), notes.run(logs / Path(paths.RUN).name)
    known = times.this_run(jobs, run, max(job.started + job.seconds for job in jobs))
    if run is not None and known is not None:
        its_jobs = [job for job in jobs if job.started >= run["started"]]
        print(f"Wall time {known.wall / 60:.1f} min, of which none of the jobs ran {known.overhead / 60:.1f} min")
        for share in known.shares:
            print(f"  {share.group:13} {share.seconds / 60:6.1f} min in {share.jobs} jobs")
            for stage in share.stages if share.group == "measuring" else ():
                seconds = [job.seconds for job in its_jobs if job.stage == stage]
                print(f"    {stage:11} {sum(seconds) / 60:6.1f} min in {len(seconds)} jobs")
    for effort in times.effort(measurements):
        parts = {"import": effort.imports, "load": effort.loading, "warm-up": effort.warm_up}
        parts |= {"requests": effort.requests, "rest": effort.rest}
        told = ", ".join(f"{name} {seconds / effort.total:.0%}" for name, seconds in parts.items())
        print(f"  groups of {effort.framework:12} {effort.total / 60:5.1f} min: {told}")


def swept(study: Path, tables: read.Tables) -> Swept:
    """What the study's sweep and rounds measured."""
    result = Swept()
    for configuration, its_rows in rows.grouped(tables.measurements, columns.MEASURED).items():
        records = dict.fromkeys(row["record"] for row in its_rows if row["requests"])
        groups = [group for path in records for group in read_json(study / path)["figures"]["groups"]]
        if groups:
            (bursts,) = anchored.bursts(groups).values()
            result.bursts.setdefault(its_rows[0]["node"], {})[configuration] = bursts
    disturbed = Strains.of(tables.measurements, tables.rounds).disturbed(tables.comparison)
    for row in {row["record"]: row for row in tables.comparison if row["ratio"] is not None}.values():
        if row["record"] not in disturbed:
            result.add_rounds(row, read_json(study / row["record"])["figures"]["groups"])
    return result


def agreement(ratios: Iterable[comparison.Ratio]) -> str:
    """Of two studies' latencies, or ratios."""
    known = [ratio for ratio in ratios if ratio.interval is not None]
    agreeing = sum(ratio.verdict == comparison.TIE for ratio in known)
    middle, most = np.quantile([abs(math.log(ratio.ratio)) for ratio in known], [0.5, 0.9])
    return (
        f"{agreeing} of {len(known)} agree ({agreeing / len(known):.0%}); "
        f"they differ by {middle:.1%} in the median, {most:.1%} at the ninth decile"
    )


def again(first: Swept, second: Swept) -> None:
    """Whether two studies agree."""
    for node in sorted(first.bursts.keys() & second.bursts.keys()):
        both = first.bursts[node], second.bursts[node]
        rounds = first.in_rounds(both[0]), second.in_rounds(both[1])
        states = [anchored.reference_state(each.values()) for each in both]
        apart = {
            threads: abs(states[0][threads] - states[1][threads]) for threads in states[0].keys() & states[1].keys()
        }
        print(f"Two studies of {node}, whose reference states differ by {max(apart.values()):.1%}")
        own = [state.estimates(each, rounds=more) for each, more in zip(both, rounds)]
        middle = {threads: (states[0][threads] + states[1][threads]) / 2 for threads in apart}
        common = [state.estimates(each, middle, rounds=more) for each, more in zip(both, rounds)]
        measured = [
            {at: one._replace(reference=one.latency, reference_interval=one.interval) for at, one in each.items()}
            for each in own
        ]
        ways = {"as measured": measured, "each at its own state": own, "both at a common state": common}
        for what, (one, other) in ways.items():
            points = sorted(one.keys() & other.keys())
            print(f"  {what:23} {agreement(finished.ratio(one[point], other[point]) for point in points)}")


def ratios(compared: Rows) -> dict[tuple, ranking.Figure]:
    """By batch size and members, in alphabetical order, what rounds say."""
    known = {}
    for row in compared:
        ratio = ranking.Figure(row["ratio"], ranking.interval(row["ratio_ci_low"], row["ratio_ci_high"]))
        members = row["first"], row["second"]
        ordered = tuple(sorted(members))
        known[row["batch_size"], ordered] = ratio if members == ordered else ratio.inverse
    return known


def again_in_rounds(first: Rows, second: Rows) -> None:
    """Whether two studies' rounds agree, on the pairs that both compared."""
    one, other = ratios(first), ratios(second)
    both = [one[pair].over(other[pair]) for pair in sorted(one.keys() & other.keys(), key=str)]
    print(f"  ratios in rounds        {agreement(comparison.Ratio(*each, slope=0.0) for each in both)}")


def main() -> None:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="the folder that it was made in")
    parser.add_argument("--again", type=Path, help="that of the same study, made another time")
    args = parser.parse_args()
    folder = Path(paths.TABLES["performance"]).parent
    tables = read.tables(args.study / folder)
    performance = rows.usable(tables.performance)
    widths(performance)
    slopes(performance)
    compared = [row for row in tables.comparison if row["ratio"] is not None]
    pairs(compared)
    opening(args.study, "the sweep", tables.measurements)
    opening(args.study, "the rounds", tables.comparison)
    spent(args.study / Path(paths.RUN).parent, tables.measurements)
    if args.again is not None:
        other = read.tables(args.again / folder)
        again(swept(args.study, tables), swept(args.again, other))
        again_in_rounds(compared, [row for row in other.comparison if row["ratio"] is not None])


if __name__ == "__main__":
    main()
