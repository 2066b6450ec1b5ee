"""What the truth checks share: a configuration of the finished study, a worker in its environment, rounds."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.machine import variables
from dliflow.measuring import feed, session
from dliflow.stages import latency

Figures = dict[str, list[float]]
"""For each side of a check its figure in each round."""


def command(model: str, framework: str, batch_size: int) -> list[str]:
    """The command by which the study measured FP32, as its record holds it, in the framework's environment."""
    from dliflow.files import read_json
    from dliflow.study import environments, paths

    records = Path(paths.RESULTS, "latency").glob(f"*/{model}/{framework}-*-fp32-cpu-*/batch{batch_size}-run1.json")
    for record in sorted(records):
        if (content := read_json(record))["status"] == "ok":
            python = environments.folder(Path(f"envs/{framework}.yaml"), f"{paths.RESULTS}/envs") + "/bin/python"
            return [python, *content["command"][1:]]
    raise SystemExit(f"results/ holds no latency of {model} in {framework} at batch size {batch_size}; run the study")


def parsed(command: Sequence[str]) -> argparse.Namespace:
    """The configuration in a command of the latency stage."""
    parser = argparse.ArgumentParser()
    latency.arguments(parser)
    return parser.parse_args(command[command.index("latency") + 1 :])


def environment(**more: str) -> dict[str, str]:
    """What a measuring process may see, as in the study."""
    return {**variables.passed_on(os.environ, "latency")[0], **more}


def ask(script: str, command: Sequence[str], rounds: int, **more: str) -> Any:
    """What a check's own file finds in the framework's environment."""
    asking = [command[0], script, json.dumps({"command": command, "rounds": rounds})]
    output = subprocess.run(asking, env=environment(**more), stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def opened(command: Sequence[str]) -> tuple[session.Opened, list[np.ndarray]]:
    """The model as the latency stage opens it, and the batches over which its requests rotate."""
    args = parsed(command)
    return session.open_model(session.described(args), args.batch_size), feed.batches(args)


def alternate(sides: dict[str, Callable[[], float]], rounds: int) -> Figures:
    """Ask each side once in every round; who comes first changes from round to round."""
    names = list(sides)
    figures: Figures = {name: [] for name in names}
    for index in range(rounds):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            figures[name].append(sides[name]())
    return figures
