"""How often `./dliflow compare` is right: its four exit statuses, and its false alarms. Prints figures.

    PYTHONPATH=workflow .venv/bin/python benchmarks/gate.py STUDY --framework onnxruntime

First, how many groups a row takes that did not change: by how much the groups of the study's own comparisons differ.
With `--runs 0` that is all. Then one configuration of the study is set against itself, and against a copy that is
slowed by known shares. All runs are those of the command, with its budget. `--on-busy-machine` is given, so that the
figures tell of this machine as it is; how busy it was is printed.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import finished
import numpy as np
from scipy import special

from dliflow import integrity
from dliflow.analysis import comparison, stats, surroundings
from dliflow.files import read_json, write_json
from dliflow.study import paths

# Options that name files of the study.
NAMED = ("--converted", "--built", "--array", "--anchor", "--python", "--anchor-python")
MARGINS = (0.02, 0.03, 0.05, 0.1)
WRAPPER = """#!/bin/sh
shift 2 # -m dliflow
exec {python} {slowed} {share} "$@"
"""


def copied(record: Path, study: Path, folder: Path, share: float = 0.0, python: str = "") -> str:
    """A study with one configuration, whose files are those of another study; its folder.

    Args:
        record: of the sweep, below `study`.
        share: by which each request takes longer.
        python: of its environment, in place of the one that it has.
    """
    known = read_json(study / record)
    parity = paths.PARITY.format(**known["identity"], environment=record.parent.name.rpartition("-")[2])
    write_json(folder / parity, read_json(study / parity))
    known.pop(integrity.SEAL, None)  # it is to be another record
    words = known["command"]
    for option in NAMED:
        if option in words:
            place = words.index(option) + 1
            words[place] = str(study / words[place])
    place = words.index("--python") + 1
    if share:
        own, slowed = words[place], Path(__file__).resolve().with_name("slowed.py")
        wrapper = folder / "python"
        folder.mkdir(parents=True, exist_ok=True)
        wrapper.write_text(WRAPPER.format(python=shlex.quote(own), slowed=shlex.quote(str(slowed)), share=share))
        wrapper.chmod(0o755)
        words[place] = str(wrapper)
    words[place] = python or words[place]
    write_json(folder / record, known)
    return str(folder)


def compared(before: str, after: str, args: argparse.Namespace, out: Path, seed: int = 0) -> dict[str, Any]:
    """What the command writes; its exit status is that of its verdict."""
    command = [str(finished.CHECKOUT / "dliflow"), "compare", before, after, "--slower", args.slower]
    options = ["--budget", str(args.budget), "--seed", str(seed), "--on-busy-machine"]
    sizes = ["--batch-size", *map(str, args.batch_sizes)]
    files = ["--json", str(out / "out.json"), "--folder", str(out)]
    (out / "record.json").unlink(missing_ok=True)
    ended = subprocess.run([*command, *options, *sizes, *files], capture_output=True, text=True)
    if ended.returncode in (1, 2):
        sys.exit(ended.stderr)
    known = read_json(out / "out.json")
    assert known["exit_status"] == ended.returncode
    return known


def busy(out: Path) -> float:
    """The share of the processors' time that others took while it measured; not a number where nothing tells."""
    if not (out / "record.json").exists():
        return np.nan
    record = read_json(out / "record.json")
    share = surroundings.taken_share(record["groups"], record["machine"]["usable_cpus"])
    return np.nan if share is None else share


def cases(record: Path, study: Path, args: argparse.Namespace, folder: Path) -> None:
    """The four outcomes, once each."""
    plain = copied(record, study, folder / "plain")
    slowed = copied(record, study, folder / "slowed", args.slowed)
    gone = copied(record, study, folder / "gone", python=str(folder / "gone/python"))
    short = argparse.Namespace(**{**vars(args), "budget": 1.0})
    print("Outcomes")
    wanted = {
        "passed": ("the same twice", plain, plain, args),
        "regressed": (f"a copy slowed by {args.slowed:.0%}", plain, slowed, args),
        "undecided": ("the same twice, one second", plain, plain, short),
        "not measured": ("its environment is gone", plain, gone, args),
    }
    for verdict, (what, before, after, asked) in wanted.items():
        known = compared(before, after, asked, folder)
        note = "" if known["verdict"] == verdict else f"   where {verdict} was to be expected"
        print(f"  {what:28} exit status {known['exit_status']}, {known['wall_s']:4.0f} s: {known['reason']}{note}")


def repeated(what: str, before: str, after: str, args: argparse.Namespace, folder: Path) -> None:
    """Many runs: how they end, how well the ratio is known, what they take."""
    verdicts, ratios, halves, seconds, taken = Counter[str](), [], [], [], []
    for number in range(args.runs):
        known = compared(before, after, args, folder, number)
        verdicts[known["verdict"]] += 1
        seconds.append(known["wall_s"])
        taken.append(busy(folder))
        for row in known["rows"]:
            ratios.append(row["ratio"])
            ends = row["ratio_ci_low"], row["ratio_ci_high"]
            halves.append(finished.half(None if None in ends else ends))
        print(f"  {number + 1} of {args.runs}: {json.dumps(dict(verdicts))}", file=sys.stderr, flush=True)
    print(f"{what}, {args.runs} runs")
    for verdict, count in verdicts.most_common():
        low, high = stats.share_interval(count, args.runs)
        print(f"  {verdict:12} {count} of {args.runs}  [{low:.1%}, {high:.1%}]")
    middle, most = np.nanquantile(halves, [0.5, 0.9])
    logs = np.log(np.array(ratios, float))
    print(f"  ratio {np.exp(np.nanmean(logs)):.4f}, sd {np.nanstd(logs):.2%}")
    print(f"  half of an interval: {middle:.2%} (median), {most:.2%} (ninth decile)")
    print(f"  {np.median(seconds):.0f} s a run (median); others took {np.nanmedian(taken):.0%} of the processors' time")


def spreads(study: Path) -> np.ndarray:
    """Of each pair that was compared in the study the standard deviation of a group's log ratio."""
    values = []
    for path in sorted(study.glob(paths.COMPARE.format(node="*", model="*", device="*", batch_size="*"))):
        record = read_json(path)
        figures = record["figures"] if record["status"] == "ok" else {"pairs": []}
        for pair in figures["pairs"]:
            half = finished.half(comparison.ratio(figures["groups"], comparison.Pair(**pair)).interval)
            count = len(figures["groups"])
            values.append(half * math.sqrt(count) / special.stdtrit(count - 1, 0.975))
    return np.array(values)


def needed(spread: float, slower: float, rows: int) -> int:
    """Groups after which a row that did not change is expected to have passed."""
    early = 1 - comparison.EARLY * (1 - comparison.confidence(range(rows)))
    count = finished.settings()["compare"]["groups"]
    while special.stdtrit(count - 1, (1 + early) / 2) * spread / math.sqrt(count) > math.log1p(slower):
        count += 1
    return count


def expected(study: Path) -> None:
    """What passing takes at some margins, by the study's own comparisons."""
    values = spreads(study)
    middle, most = np.nanquantile(values, [0.5, 0.9])
    print(
        f"{len(values)} pairs of the study's comparisons: a group's ratio has sd {middle:.1%}, ninth decile {most:.1%}"
    )
    print("Groups until a row that did not change passes (ninth decile)")
    for rows in (1, 8):
        each = (f"{margin:.0%}: {needed(middle, margin, rows)} ({needed(most, margin, rows)})" for margin in MARGINS)
        print(f"  {rows} row{'s' if rows > 1 else ' '}  {', '.join(each)}")


def chosen(args: argparse.Namespace) -> Path:
    """The record of the sweep of the configuration, below the study."""
    others = dict.fromkeys(("node", "device", "parameters", "environment", "variant"), "*")
    named = {key: getattr(args, key) for key in ("model", "framework", "api", "precision")}
    records = sorted(args.study.glob(paths.SWEEP.format(**others, **named, group=1)))
    if not records:
        sys.exit(f"{args.study}: nothing of {args.framework} {args.precision} was measured; finish the study first")
    return records[-1].relative_to(args.study)


def main(args: argparse.Namespace) -> None:
    """All of it."""
    args.study = args.study.resolve()
    expected(args.study)
    if not args.runs:
        return
    record = chosen(args)
    print(f"{args.framework} {args.precision}, batch sizes {args.batch_sizes}, slower {args.slower}, {args.budget:g} s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases(record, args.study, args, folder)
        same = copied(record, args.study, folder / "same")
        repeated("The same twice", same, same, args, folder)
        for number, share in enumerate(args.also):
            other = copied(record, args.study, folder / f"also{number}", share)
            repeated(f"A copy slowed by {share:.1%}", same, other, args, folder)


def options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Those of the command line."""
    parser = finished.parser(__doc__)
    parser.add_argument("--framework", default="onnxruntime")
    parser.add_argument("--api", default="python")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1])
    parser.add_argument("--slower", default="3%", help="the margin")
    parser.add_argument(
        "--slowed", type=float, default=0.08, help="share by which the copy that is to regress is slowed"
    )
    parser.add_argument("--budget", type=float, default=120.0, help="seconds of each measurement")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument(
        "--also", type=float, nargs="*", default=[], help="shares by which copies are slowed in as many runs"
    )
    return parser.parse_args(words)


if __name__ == "__main__":
    main(options())
