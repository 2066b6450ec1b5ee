"""A node that SLURM gives: one allocation holds it, and every measurement is a step in it.

SLURM itself is asked what there is, by the allocation's name; nothing about it is kept elsewhere. So whoever comes next
goes on in the same allocation, and asks for another one where it has ended. A job costs tens of seconds to get, a step
some tenths of one.

The allocation ends by itself when no step was about for some minutes, as after the crash of a workflow: who takes steps
touches a file (the lease), which the allocation's own process looks at. It sleeps otherwise.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.files import digest

IDLE_S, TOUCH_S = 300, 60  # a lease that was not touched for so long is over; it is touched so often
WAITS_S = (1, 2, 4, 8, 15, 30)  # between questions whether the allocation has begun; the last one from then on
TRIES = 3  # allocations for one step: those before were taken from it
FINDING = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_CLUSTERS", "SLURM_JWT")  # variables by which commands find SLURM
PATIENCE_S = (5, 15, 60)  # before SLURM is asked again, when it was too busy to answer

# Of the holder, in the node's shell: it ends when the lease is as old as it was a while ago.
HOLD = 'last=; while now=$(stat -c %Y {lease}) && [ "$now" != "$last" ]; do last=$now; sleep {idle}; done'


def job_name(node: str) -> str:
    """What the allocation of a node is called: one for each folder that studies are run in."""
    return f"dliflow-{node}-{digest(str(Path.cwd()), 8)}"


class Refused(DliflowError):
    """One of SLURM's commands failed."""


def ask(*words: str) -> str:
    """The answer of one of SLURM's commands.

    Raises:
        Refused: with what it said.
        DliflowError: when it is not there.
    """
    try:
        answer = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        raise DliflowError(f"{words[0]}: not found; a node with 'slurm' can be reached where SLURM is") from None
    if answer.returncode:
        raise Refused(f"{words[0]}: {answer.stderr.strip() or f'exit status {answer.returncode}'}")
    return answer.stdout.strip()


def patiently(*words: str) -> str:
    """The same, asked again for a while: a controller that is busy or restarted is no reason to fail."""
    for seconds in PATIENCE_S:
        try:
            return ask(*words)
        except Refused as error:
            print(f"{error}; asking again in {seconds} s", file=sys.stderr, flush=True)
            time.sleep(seconds)
    return ask(*words)


def held(node: str) -> list[tuple[str, str, str]]:
    """The allocations of a node that wait or run: number, state, and why one waits."""
    lines = patiently("squeue", "--me", "--noheader", f"--name={job_name(node)}", "--format=%i %T %r").splitlines()
    jobs = [line.split(maxsplit=2) for line in lines]
    return [(number, state, why) for number, state, why in jobs if state in ("PENDING", "CONFIGURING", "RUNNING")]


def submit(node: str, options: Sequence[str], lease: Path) -> None:
    """Ask for a node: all of it, alone."""
    hold = HOLD.format(lease=shlex.quote(str(lease.resolve())), idle=IDLE_S)
    ask(
        *("sbatch", "--parsable", f"--job-name={job_name(node)}", f"--output={lease.with_suffix('.log')}"),
        *("--nodes=1", "--ntasks=1", "--exclusive", "--mem=0", "--no-requeue", *options, f"--wrap={hold}"),
    )


def allocate(node: str, options: Sequence[str], lease: Path) -> str:
    """The number of the running allocation that holds a node, which is asked for and waited for where there is none.

    Args:
        options: of sbatch.
    """
    lease.parent.mkdir(parents=True, exist_ok=True)
    shown, waits = "", iter(WAITS_S)
    while True:
        lease.touch()
        jobs = held(node)
        running = [number for number, state, _ in jobs if state == "RUNNING"]
        if running:
            return running[0]
        if not jobs:
            submit(node, options, lease)
        for number, state, why in jobs:
            words = f"node '{node}': SLURM job {number} is {state} ({why})"
            if words != shown:
                print(f"waiting: {words}", file=sys.stderr, flush=True)
            shown = words
        time.sleep(next(waits, WAITS_S[-1]))


def is_running(node: str, number: str) -> bool:
    """Whether an allocation still holds its node."""
    return any((job, state) == (number, "RUNNING") for job, state, _ in held(node))


def step(number: str, options: Sequence[str]) -> list[str]:
    """The words before a command that make it a step of an allocation, with all processors and memory that this has.

    Args:
        options: further ones of srun.
    """
    placed = ["--nodes=1", "--ntasks=1", "--overlap", "--mem=0", "--cpu-bind=none", "--input=none"]
    return ["srun", f"--jobid={number}", *placed, *options]


def around_a_step(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables for srun: without those of an allocation that this process itself may run in. It would take them
    for options, and give the step as many processors as that one has.
    """
    return {name: value for name, value in environment.items() if name in FINDING or not name.startswith("SLURM")}


@contextmanager
def leased(lease: Path) -> Iterator[None]:
    """Keep the allocation while the block runs."""
    over = threading.Event()

    def touch() -> None:
        while not over.wait(TOUCH_S):
            lease.touch()

    thread = threading.Thread(target=touch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def release(node: str) -> None:
    """Give a node back, if it is held; where that fails it is given back when its lease is over."""
    try:
        ask("scancel", "--me", f"--name={job_name(node)}")
    except DliflowError as error:
        print(f"node '{node}' is not given back yet: {error}", file=sys.stderr, flush=True)
