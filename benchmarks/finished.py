"""What benchmarks on a finished study share: its configurations, their workers, and differences of estimates."""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional
from unittest import mock

from dliflow.analysis import comparison, intervals
from dliflow.analysis.comparison import Ratio
from dliflow.analysis.state import Estimate
from dliflow.files import read_json
from dliflow.machine import lock, variables
from dliflow.measuring import anchor, feed, turns, workers
from dliflow.stages import sweep
from dliflow.study import arguments as command_line
from dliflow.study import paths, yaml_files

CHECKOUT = Path(__file__).resolve().parent.parent


def parser(doc: str) -> argparse.ArgumentParser:
    """Of the options that all have."""
    made = argparse.ArgumentParser(description=doc.splitlines()[0])
    made.add_argument("study", type=Path, help="the folder that it was made in")
    made.add_argument("--model", default="efficientnet_lite0")
    return made


def enter(study: Path) -> None:
    """Go on in a study's folder, from which its records name files; processes that are started get this code."""
    os.environ["PYTHONPATH"] = str(CHECKOUT / "workflow")
    os.chdir(study)


def configuration(
    model: str, framework: str, precision: str = "fp32", variant: str = "*", **changed: Any
) -> argparse.Namespace:
    """The options by which the study swept a configuration; of several records' those of the newest.

    Args:
        framework: `*` is any, and so it is with the next ones.
        changed: options that are to differ, such as `threads`.
    """
    others = dict.fromkeys(("node", "device", "parameters", "environment", "group"), "*") | {"api": "python"}
    pattern = paths.SWEEP.format(**others, model=model, framework=framework, precision=precision, variant=variant)
    records = [record for record in map(read_json, Path().glob(pattern)) if record["status"] == "ok"]
    if not records:
        sys.exit(f"{Path.cwd() / pattern}: nothing was measured; finish the study first")
    command = max(records, key=lambda record: record["finished_at"])["command"]
    asked = argparse.ArgumentParser()
    sweep.arguments(asked)
    parsed = asked.parse_args(command[command.index("sweep") + 1 :])
    return argparse.Namespace(**{**vars(parsed), **changed})


def name(of: argparse.Namespace) -> str:
    """What a configuration is called, with its threads where they are chosen."""
    return comparison.name(vars(of)) + (f" on {of.threads}" if of.threads else "")


def worker(of: argparse.Namespace, inputs: int) -> list[str]:
    """The command of a configuration's worker.

    Args:
        inputs: the descriptor that `measuring` gives.
    """
    return command_line.worker(workers.python(of.python), inputs, **{key: getattr(of, key) for key in sweep.HELD})


def of_anchor(of: argparse.Namespace) -> list[str]:
    """The command of the anchor's worker."""
    return anchor.asked(of)


def settings() -> dict[str, Any]:
    """The default study's."""
    return yaml_files.mapping(CHECKOUT / "config/config.yaml")


@contextmanager
def measuring(of: argparse.Namespace) -> Iterator[int]:
    """Alone on the machine, with the variables of a process that measures, and the inputs' descriptor for workers."""
    passed_on = variables.passed_on(os.environ, "sweep")[0]
    with lock.hold(True), mock.patch.dict(os.environ, passed_on, clear=True), feed.shared(feed.images(of)) as inputs:
        yield inputs


def ask(script: str, of: argparse.Namespace, path: str = "", **more: Any) -> Any:
    """What a check's own file prints in the framework's environment, where `checks.asked` reads what it is told.

    Args:
        path: folder with more packages.
    """
    environment = variables.passed_on(os.environ, "sweep")[0]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [path, environment["PYTHONPATH"]]))
    asking = [workers.python(of.python), script, told(of, **more)]
    with lock.hold(True):
        output = subprocess.run(asking, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def told(of: argparse.Namespace, **more: Any) -> str:
    """A configuration, and what else there is to say, as the one word that `checks.asked` reads."""
    return json.dumps({"of": vars(of), **more}, default=str)


def half(interval: Optional[tuple[float, float]]) -> float:
    """Half the width of an interval, of the logarithm; not a number where there is none."""
    return math.nan if interval is None else intervals.half_width(interval)


def ratio(first: Estimate, second: Estimate) -> Ratio:
    """Of two latencies at the reference state that are known independently of each other."""
    middle = first.reference / second.reference
    return Ratio(middle, intervals.ratio_interval(middle, first.reference_interval, second.reference_interval), 0.0)


def swept(
    entries: Mapping[str, tuple[Sequence[str], Sequence[int]]],
    of: argparse.Namespace,
    inputs: int,
    order: random.Random,
    budget_s: Optional[float],
) -> dict[str, dict[str, Any]]:
    """A group of each entry, as the sweep makes it, one after another in shuffled order.

    Args:
        entries: for each the command of its worker, and its batch sizes.
        of: whose settings are taken.
        budget_s: for each batch size.
    """
    groups = {}
    for called in order.sample(sorted(entries), len(entries)):
        command, sizes = entries[called]
        wanted = turns.Sweep(turns.points(sizes), of.sessions, budget_s)
        (groups[called],), broken = turns.sweep(
            "measured", command, of_anchor(of), inputs, wanted, turns.Pace.of(of), order
        )
        if broken:
            raise SystemExit(f"{called}: {broken}")
    return groups
