"""What Python costs: a framework's program in C++ against Python, of the same configuration, in rounds. Prints ratios.

    PYTHONPATH=workflow .venv/bin/python benchmarks/cpp.py STUDY --framework openvino --batch-sizes 1 8

STUDY is finished, in Python; the program is built in the environment that the study made, in a temporary folder. Its
latency over Python's has an interval of the groups' ratios, as in a comparison of the workflow; below 1 the program is
faster.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Optional

import finished
import numpy as np

from dliflow import building
from dliflow.analysis import comparison
from dliflow.files import read_json
from dliflow.measuring import turns, workers

PAIR = comparison.Pair("cpp", "python", "api")


def build(framework: str, python: str, folder: Path, library: Optional[Path]) -> Path:
    """The manifest of a framework's program; the time that compiling took is printed."""
    out = folder / f"{framework}.json"
    sources = [str(finished.CHECKOUT / source) for source in building.sources(framework)]
    began = time.monotonic()
    command = [python, "-m", "dliflow", "build", "--framework", framework, "--sources", *sources, "--out", str(out)]
    command += ["--library", str(library)] if library else []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    manifest = read_json(out)
    if manifest["status"] != "ok":
        raise SystemExit(f"{framework}: {manifest['reason']}")
    print(f"{framework}: built in {time.monotonic() - began:.1f} s with {manifest['compiler']}", flush=True)
    return out


def groups(
    commands: dict[str, Sequence[str]],
    size: int,
    args: argparse.Namespace,
    of: argparse.Namespace,
    inputs: int,
    kind: Callable[..., workers.Worker] = workers.Worker,
) -> list[dict[str, Any]]:
    """So many groups of rounds of all."""
    pace = turns.Pace.of(of)._replace(rounds=args.rounds, burst={"requests": of.burst_requests, "limit_s": args.burst})
    order = random.Random(args.seed)
    made = []
    for _ in range(args.groups):
        with turns.group(commands, finished.of_anchor(of), inputs, pace.hang_s, kind) as running:
            sizes = dict.fromkeys(commands, size)
            made.append({"sessions": [turns.session(running, sizes, pace, order) for _ in range(args.sessions)]})
    return made


def median_us(made: Sequence[dict[str, Any]], member: str) -> float:
    """Of all requests, as measured."""
    sessions = (session for group in made for session in group["sessions"])
    return (
        float(np.median([ns for one in sessions for round_ in one["rounds"] for ns in round_["latency_ns"][member]]))
        / 1e3
    )


def main(args: argparse.Namespace) -> None:
    """Build, measure, print."""
    finished.enter(args.study)
    of = finished.configuration(args.model, args.framework, args.precision, args.variant, api="python")
    with tempfile.TemporaryDirectory() as folder, finished.measuring(of) as inputs:
        built = build(args.framework, workers.python(of.python), Path(folder), args.library)
        in_cpp = argparse.Namespace(**{**vars(of), "api": "cpp", "built": built})
        commands = {"cpp": finished.worker(in_cpp, inputs), "python": finished.worker(of, inputs)}
        print(f"{finished.name(of)}: latency in C++ / in Python", flush=True)
        for size in args.batch_sizes:
            made = groups(commands, size, args, of, inputs)
            found = comparison.ratio(made, PAIR)
            low, high = found.interval or (float("nan"), float("nan"))
            medians = ", ".join(f"{name} {median_us(made, name):.0f} µs" for name in commands)
            print(f"  batch size {size:3}: {found.ratio:.3f} [{low:.3f}, {high:.3f}], {args.groups} groups; {medians}")


def options(parser: argparse.ArgumentParser, groups: int) -> argparse.Namespace:
    """What is asked for, with the options of `groups` added to the others."""
    usual = finished.settings()["compare"]
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1])
    parser.add_argument("--groups", type=int, default=groups, help="of new processes")
    parser.add_argument("--sessions", type=int, default=usual["sessions"], help="in each group")
    parser.add_argument("--rounds", type=int, default=usual["rounds"], help="in each session")
    parser.add_argument("--burst", type=float, default=usual["burst_s"], help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    parser = finished.parser(__doc__)
    parser.add_argument("--framework", default="openvino")
    parser.add_argument(
        "--variant", default="default", help="for tflite: compiled_model; for pytorch in fp32: compiled"
    )
    parser.add_argument(
        "--library", type=Path, help="for opencv: a folder of an installed one, or the manifest of a compiled one"
    )
    main(options(parser, groups=8))
