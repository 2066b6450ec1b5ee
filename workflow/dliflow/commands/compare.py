"""Did it get slower? Measure what two finished studies have in common, by turns, and tell by the exit status.

BEFORE and AFTER are folders of finished studies on this machine, or frameworks of one study: `openvino@2025.3 openvino`
(versions side by side), `openvino==2025.3.0 openvino` (the version before an upgrade in place, and today's). What both
still have of environments and converted models is measured anew: figures of another hour decide nothing.

Exit status: 0 passed, 3 regressed, 4 undecided, 5 not measured; 2 when the command is wrong, 1 when it crashed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from dliflow.analysis import changes, doubts, gate
from dliflow.analysis.rows import Rows
from dliflow.commands import CHECKOUT
from dliflow.errors import DliflowError
from dliflow.files import read_json, replacing, write_json, write_text
from dliflow.machine import children, facts
from dliflow.records import notes, pairs, runnable
from dliflow.records.pairs import AFTER, BEFORE, Pair, Side
from dliflow.records.runnable import Swept
from dliflow.report import gate as texts
from dliflow.report import read
from dliflow.study import arguments as command_line
from dliflow.study import config, options, paths, plan
from dliflow.version import __version__

SCHEMA_VERSION = 1
EXIT = {gate.PASSED: 0, gate.REGRESSED: 3, gate.UNDECIDED: 4, gate.NOT_MEASURED: 5}
# Tables that tell of what else has changed, and what of it is told.
TABLES = ("performance", "measurements", "throughput", "accuracy")
TOLD = tuple(
    quantity.name
    for quantity in (changes.TOP1, changes.AGREEMENT, changes.STATUS, changes.PEAK_RSS, changes.MODEL_BYTES)
)
LOG, RECORD = "gate.log", "record.json"
FOLDER = CHECKOUT / paths.RESULTS / "gate"
SAME = "BEFORE and AFTER are the same: what differs is this machine from one moment to the next"
BESIDE_S = 1800  # seconds that a measurement may take beyond its budgets: the last groups, starting, hanging


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("before", metavar="BEFORE", help="folder of a study, or FRAMEWORK, or FRAMEWORK==VERSION")
    parser.add_argument("after", metavar="AFTER", help="of the same kind")
    parser.add_argument("--slower", type=share, required=True, help="how much longer a request may take, such as 3%%")
    parser.add_argument(
        "--budget", type=seconds, default=600.0, help="seconds of measuring; to confirm a regression as many again; 600"
    )
    parser.add_argument(
        "--confidence", type=confidence, default=0.95, help="with which all intervals hold at once; 95%%"
    )
    parser.add_argument("--study", type=Path, default=CHECKOUT, help="folder of the study that frameworks are of")
    for key in plan.IDENTITY:
        parser.add_argument(f"--{key}", nargs="+", help="only rows of these")
    parser.add_argument("--batch-size", type=int, nargs="+", help="likewise")
    parser.add_argument(
        "--on-busy-machine", action="store_true", help="decide also while others take much of the processors' time"
    )
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], help="whose `compare` and `latency` say how is measured"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the order of the turns")
    parser.add_argument("--json", type=Path, help="write the result to this file")
    parser.add_argument("--markdown", type=Path, help="write a summary for a pull request to this file")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="for the log, and the record with every burst; results/gate"
    )


def share(text: str) -> float:
    """`3%` as 0.03."""
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", text.strip())
    if number is None:
        raise argparse.ArgumentTypeError(f"'{text}': right would be per cent, such as 3%")
    return float(number[1]) / 100


def confidence(text: str) -> float:
    """`95%` as 0.95; nothing is ever sure, and no interval holds at 0 %."""
    if not 0 < share(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': right would be above 0% and below 100%, such as 95%")
    return share(text)


def seconds(text: str) -> float:
    """A time that can be spent."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}': right would be a number of seconds above 0, such as 600")
    return number


class Unmeasured(Exception):
    """Measuring failed as a whole, and why."""


def measure(able: Sequence[Pair], args: argparse.Namespace) -> dict[str, Any]:
    """The record of measuring pairs, in a process of its own that has the machine to itself.

    Another run may wait for the machine meanwhile: each has files of its own, until it ends.

    Raises:
        Unmeasured: when it failed.
    """
    folder = args.folder.resolve()
    with replacing(folder / RECORD) as out:
        log = out.with_name(LOG)
        try:
            _measure(able, args, out, log)
        finally:
            if log.exists():
                log.replace(folder / LOG)
        return read_json(out)


def _measure(able: Sequence[Pair], args: argparse.Namespace, out: Path, log: Path) -> None:
    """Have the record written; what else it takes lies beside."""
    request = out.with_name("pairs.json")
    like = able[0].after  # in its launch settings, which all of them have
    write_json(request, [_asked(pair) for pair in able])
    words = command_line.words(
        pairs=request,
        out=out,
        launch=like.held["launch"],
        anchor=like.anchor,
        anchor_python=like.anchor_python,
        **{key: getattr(args, key) for key in ("slower", "confidence", "budget", "seed")},
        **_pace(args.configfile),
    )
    supervise = ["supervise", "--exclusive", "--timeout", str(2 * args.budget + BESIDE_S), "--log", str(log)]
    variables = ["--environment", json.dumps(like.held["launch"]["environment"])]
    command = [sys.executable, "-m", "dliflow", *supervise, *variables, "--", "gate", *words]
    search = os.pathsep.join(filter(None, [str(CHECKOUT / "workflow"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": search, children.WORKFLOW: children.written(os.getpid())}
    # What it prints goes where messages go: the answer alone is the output.
    if subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=sys.stderr).returncode != 0:
        failure = notes.failure(Path(paths.failure(str(log))))
        raise Unmeasured("measuring failed" if failure is None else failure["reason"])


def _asked(pair: Pair) -> dict[str, Any]:
    """What the stage is told of a pair."""
    sides = {name: {"python": of.python, "held": of.held} for name, of in _sides(pair).items()}
    return {"name": pair.name, "batch_sizes": pair.batch_sizes, "fed": pair.after.fed, **sides}


def _sides(pair: Pair) -> dict[str, Swept]:
    return {BEFORE: pair.before, AFTER: pair.after}


def _pace(files: Sequence[Path]) -> dict[str, Any]:
    """How sessions are measured: as in the comparisons of the study that these config files describe."""
    study = config.of_files(files, CHECKOUT)
    turns, latency = study["compare"], study["latency"]
    warm_up = {"warmup_requests": latency["warmup_requests"], "warmup_limit": latency["warmup_limit_s"]}
    burst = dict(zip(("rounds", "burst_requests", "burst_limit"), options.bursts(turns)))
    kept = {key: turns[key] for key in ("sessions", "groups")}
    return {**warm_up, **burst, **kept, "hang": latency["hang_s"]}


def decided(pair: Pair, row: Mapping[str, Any], on_busy_machine: bool) -> dict[str, Any]:
    """A row of the result.

    Args:
        row: what became of it, as the stage's record has it.
        on_busy_machine: whether it counts also where others took much of the processors' time.
    """
    verdict, reason = row["verdict"], row["reason"]
    doubtful = doubts.doubtful(row["warnings"])
    if doubtful and verdict != gate.NOT_MEASURED and not on_busy_machine:
        verdict, reason = gate.NOT_MEASURED, f"{doubtful[0]}, or decide all the same with --on-busy-machine"
    last = row["measurements"][-1] if row["measurements"] else {}
    return {
        "row": pairs.row_name(pair.name, row["batch_size"]),
        **pair.identity,
        "batch_size": row["batch_size"],
        "verdict": verdict,
        "reason": reason,
        **{key: last.get(key) for key in ("ratio", "ratio_ci_low", "ratio_ci_high", "more_s")},
        **{name: _told(of) for name, of in _sides(pair).items()},
        "differs": runnable.differences(pair.before, pair.after),
        "measurements": row["measurements"],
        "warnings": row["warnings"],
    }


def _told(of: Swept) -> dict[str, str]:
    return {"study": str(of.study), "framework": of.identity["framework"], "version": of.version}


def undone(pair: Pair, reason: str) -> list[dict[str, Any]]:
    """The rows of a pair that was not measured."""
    nothing = {"verdict": gate.NOT_MEASURED, "reason": reason, "measurements": [], "warnings": []}
    return [decided(pair, {**nothing, "batch_size": size}, True) for size in pair.batch_sizes]


def rows(wanted: Sequence[Pair], args: argparse.Namespace) -> list[dict[str, Any]]:
    """What becomes of every row."""
    problems = pairs.problems(wanted)
    able = {pair.name: pair for pair in wanted if problems[pair.name] is None}
    done: list[dict[str, Any]] = []
    if able:
        try:
            record = measure(list(able.values()), args)
            done = [decided(able[row["name"]], row, args.on_busy_machine) for row in record["rows"]]
        except Unmeasured as failed:
            problems |= dict.fromkeys(able, str(failed))
    return [*done, *(row for pair in wanted if (why := problems[pair.name]) for row in undone(pair, why))]


def changed(before: Side, after: Side, chosen: Mapping[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """What else than the latency has changed, by the tables of both, and why that cannot be told; empty if it can.

    Args:
        chosen: the values that are wanted, as `pairs.matched` takes them.
    """
    if before.version or after.version:
        return [], "the tables of a study tell of today's versions only"
    try:
        old, new = (
            {name: _of_side(read.table(side.study / paths.TABLES[name]), side, chosen) for name in TABLES}
            for side in (before, after)
        )
    except FileNotFoundError as error:
        return [], f"{error.filename} is not there"
    except DliflowError:
        return [], "tables that are not whole, or of another version of dliflow"
    renamed = {before.framework: after.framework} if before.framework and after.framework else {}
    every = changes.changes(old, new, renamed=renamed)
    return [row for row in every if row["quantity"] in TOLD and (changes.shown(row) or changes.likely(row))], ""


def _of_side(table: Rows, side: Side, chosen: Mapping[str, Any]) -> Rows:
    """The rows of a table that are wanted, of a side's framework where it is one."""
    rows = [row for row in table if side.framework in (None, row["framework"])]
    keys = [key for key, values in chosen.items() if values is not None]
    return [row for row in rows if all(row.get(key) in (None, *chosen[key]) for key in keys)]


def result(args: argparse.Namespace) -> dict[str, Any]:
    """All that is told, whatever becomes of it."""
    started = datetime.datetime.now(datetime.timezone.utc)
    chosen = {key: getattr(args, key) for key in (*plan.IDENTITY, "batch_size")}
    before, after = (pairs.side(text, args.study) for text in (args.before, args.after))
    matched = pairs.matched(before, after, chosen)
    if matched.pairs and all(pair.before == pair.after for pair in matched.pairs):
        print(SAME, file=sys.stderr, flush=True)
    every = rows(matched.pairs, args)
    others, untold = changed(before, after, chosen)
    ended = datetime.datetime.now(datetime.timezone.utc)
    verdict = gate.gravest([row["verdict"] for row in every])
    return {
        "schema": SCHEMA_VERSION,
        "verdict": verdict,
        "exit_status": EXIT[verdict],
        "reason": _nothing(before, after, every) or texts.reason(verdict, every, args.slower, args.budget),
        "before": args.before,
        "after": args.after,
        **{key: getattr(args, key) for key in ("slower", "confidence")},
        "budget_s": args.budget,
        "wall_s": (ended - started).total_seconds(),
        "log": str(args.folder.resolve() / LOG),
        "rows": every,
        "only_before": matched.only_before,
        "only_after": matched.only_after,
        "changes": others,
        "changes_untold": untold,
        "machine": facts.describe(),
        "dliflow": __version__,
        "finished_at": ended.isoformat(timespec="seconds"),
    }


def _nothing(before: Side, after: Side, every: Sequence[Any]) -> Optional[str]:
    """Why there is no row; None where there is one."""
    problems = list(dict.fromkeys(side.problem for side in (before, after) if side.problem))
    none = "both have no such row in common; look at what each of them measured, and at --framework and its like"
    return None if every else "; ".join(problems) or none


def run(args: argparse.Namespace) -> int:
    """Measure, tell, and give the exit status of the verdict.

    Raises:
        DliflowError: when a file cannot be written; what it was to hold is told before.
    """
    known = result(args)
    print(texts.text(known), end="", flush=True)
    try:
        if args.json:
            write_json(args.json, known)
        if args.markdown:
            write_text(args.markdown, texts.markdown(known))
    except OSError as error:
        raise DliflowError(f"--json, --markdown: {error}; the result stands above, and in no such file") from error
    return known["exit_status"]
