"""What a container changes: a configuration in one and on the host, in rounds. Prints ratios.

    PYTHONPATH=workflow .venv/bin/python benchmarks/container.py STUDY --image dliflow-all --frameworks openvino

STUDY is finished, on the host. In each group a container is started for its one process, with this checkout's code, the
study's files and the environment of the image; two other processes run on the host as the study's did, and tell what
the same twice comes to. The latency in the container over the host's has an interval of the groups' ratios, as in a
comparison of the workflow.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import finished

from cpp import groups, median_us, options
from dliflow.analysis import comparison
from dliflow.machine import variables
from dliflow.measuring import workers
from dliflow.study import containers

INSIDE, HOST, AGAIN = "container", "host", "host again"
PAIRS = {"container / host": comparison.Pair(INSIDE, HOST, ""), "host / host": comparison.Pair(AGAIN, HOST, "")}
INPUTS = 3  # the only descriptor beyond the usual ones that podman is asked to pass on


class Member(workers.Worker):
    """One that may run in a container: what stops it and lets it go on must reach the process there."""

    pid_file: Path

    def __init__(self, name: str, *arguments: Any):
        if name == INSIDE:
            self.pid_file.unlink(missing_ok=True)
        super().__init__(name, *arguments)

    def send(self, number: signal.Signals) -> None:
        """Signal the process, inside or not."""
        if self.name != INSIDE or not self.pid_file.exists():  # it did not come up
            return super().send(number)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(self.pid_file.read_text()), number)


def contained(of: argparse.Namespace, inputs: int, args: argparse.Namespace, pid_file: Path) -> list[str]:
    """The command of a worker in a container.

    Args:
        inputs: the descriptor that `finished.measuring` gives.
    """
    code, study = str(finished.CHECKOUT / "workflow"), str(Path.cwd())
    python = containers.python(finished.CHECKOUT / "envs" / f"{of.framework}.yaml")
    seen = variables.passed_on({"PYTHONPATH": code}, "sweep")[0]
    options = [
        *("--rm", "--interactive", "--log-driver=none", "--preserve-fds=1", f"--pidfile={pid_file}"),
        *(f"--volume={code}:{code}:ro", f"--volume={study}:{study}:ro", f"--workdir={study}"),
        *(f"--env={name}={value}" for name, value in seen.items()),
    ]
    command = finished.worker(argparse.Namespace(**{**vars(of), "python": python}), INPUTS)
    passing = f'exec {INPUTS}<&{inputs} "$@"'
    return ["bash", "-c", passing, "bash", *shlex.split(args.run), *options, args.image, *command]


def main(args: argparse.Namespace) -> None:
    """Measure, print."""
    finished.enter(args.study)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # what was started must not stay behind, stopped
    for framework in args.frameworks:
        of = finished.configuration(args.model, framework, args.precision)
        with tempfile.TemporaryDirectory() as folder, finished.measuring(of) as inputs:
            Member.pid_file = Path(folder, "pid")
            plain = finished.worker(of, inputs)
            commands = {INSIDE: contained(of, inputs, args, Member.pid_file), HOST: plain, AGAIN: plain}
            for size in args.batch_sizes:
                made = groups(commands, size, args, of, inputs, Member)
                print(f"{finished.name(of)}, batch size {size}, {args.groups} groups: latency")
                for what, pair in PAIRS.items():
                    ratio = comparison.ratio(made, pair)
                    low, high = ratio.interval or (float("nan"), float("nan"))
                    print(f"  {what:16}  {ratio.ratio:.3f} [{low:.3f}, {high:.3f}]")
                print(
                    "  medians: " + ", ".join(f"{name} {median_us(made, name):.0f} µs" for name in commands), flush=True
                )


if __name__ == "__main__":
    parser = finished.parser(__doc__)
    parser.add_argument("--image", default="dliflow-all")
    parser.add_argument("--run", default="podman run", help="how a container is started, with options of your own")
    parser.add_argument("--frameworks", nargs="+", default=["onnxruntime", "openvino"])
    main(options(parser, groups=12))
