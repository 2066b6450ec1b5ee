"""Run one stage in a fresh process: alone on the machine or beside others, within a time, its output kept.

Whatever happens to the child (an error, a crash, a hang, a kill) ends in one message, a file with the reason for the
tables, and an exit status. The reason comes from the stage itself, not from its output, in which a model's file can
have anything printed. When the workflow that it works for ends, it is killed. While it runs this process sleeps.

A measurement belongs to a node. Where SLURM gives that, the supervisor runs once more, as a step on the node, and the
stage is that one's child. On the node it looks first whether that is the machine that it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

from dliflow import progress
from dliflow.errors import LONGEST, DliflowError, plain
from dliflow.files import write_json
from dliflow.machine import children, confinement, lock, node, slurm, variables
from dliflow.machine.process import groups, signal_name
from dliflow.study import paths

TAIL_LINES = 15
TAIL_BYTES = 1 << 18  # of a log are read; a model's error can be hundreds of MB
LINE = 2000  # characters of a line of output that are told
SEEN_S = 60  # by then what another machine has written is seen on a file system that both share


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--log", required=True, help="where the child's output goes")
    parser.add_argument("--timeout", type=float, required=True, help="seconds after which the child is killed")
    parser.add_argument("--exclusive", action="store_true", help="no other job of dliflow runs meanwhile")
    parser.add_argument("--node", help="the machine on which a measurement is to run")
    parser.add_argument("--environment", type=json.loads, default={}, help="JSON: variables that the child gets, too")
    parser.add_argument("--beside", type=Path, help="a file: the child may write in its folder only, where Linux can")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- STAGE and its options")


def _reason(status: int, timed_out: bool, timeout: float, told: str, lines: list[str]) -> str:
    """Why a stage ended.

    Args:
        told: what it has told itself; '' for nothing.
        lines: the last ones of its output.
    """
    if timed_out:
        return f"ran past its time bound of {timeout:g} s and was killed"
    if status < 0:
        name = signal_name(-status)
        hint = " (often: out of memory)" if name == "SIGKILL" else ""
        last_words = [line.partition("what():")[2].strip() for line in lines if "what():" in line][-1:]  # of C++
        return ": ".join([f"crashed: killed by {name}{hint}", *last_words])
    if told:
        return told
    return f"exit status {status} {f'after the line: {lines[-1]}' if lines else 'without any output'}"


def _tail(log: Path) -> list[str]:
    """The last lines of a log that are not empty, without those that the supervisor itself wrote at its top."""
    with open(log, "rb") as stream:
        stream.seek(max(0, log.stat().st_size - TAIL_BYTES))
        text = stream.read().decode("utf-8", errors="replace")
    written = (plain(line, LINE) for line in text.split("\n") if line.strip())
    return list(itertools.dropwhile(lambda line: line.startswith("# "), written))


def _told(reason: int) -> str:
    return os.pread(reason, 4 * LONGEST, 0).decode("utf-8", errors="replace")


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    """A folder for temporary files of the child alone, which is gone with all that frameworks leave in it.

    In the one that users share some look for files of usual names, which anybody can have put there: compiled code of
    PyTorch's, for instance.
    """
    folder = Path(tempfile.mkdtemp(prefix="dliflow-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _confining(beside: Optional[Path], temporary: Path) -> Callable[[], None]:
    """What the child calls before it becomes the stage: nothing, or what lets it write beside a file only."""
    if beside is None:
        return lambda: None
    beside.parent.mkdir(parents=True, exist_ok=True)
    return confinement.to([beside.parent, temporary])


def _ended(child: subprocess.Popen) -> int:
    """Wait for a child, end what it has left running, and return its status."""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # as long as it is not reaped its number is nobody else's
    kill_session(child.pid)
    return child.wait()


def _note(path: Path, value: dict[str, Any]) -> None:
    """Write a note beside the log; a full disk must not hide what it would say, which is told on the terminal too."""
    try:
        write_json(path, value)
    except OSError as error:
        print(f"dliflow supervise: {path} could not be written: {error}", file=sys.stderr, flush=True)


def _seen(path: Path) -> bool:
    """Whether a file of another machine is there, or appears after a while."""
    end = time.monotonic() + SEEN_S
    while not path.exists():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def kill_session(leader: int, number: int = signal.SIGKILL) -> None:
    """Kill a process that leads a session, with all that it has started: Ninja gives each compiler its own group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, number)  # first: it may start others
    for group in groups(leader) - {leader}:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, number)


def end_with_workflow(running: list[subprocess.Popen], log: Path, number: int = signal.SIGKILL) -> None:
    """End this process, and the child in `running`, when Snakemake does, killed or not: nobody wants the result then.

    Another run may make the same file meanwhile. Without a workflow (a stage that was started by hand) nothing happens.

    Args:
        number: the signal that the child gets.
    """
    workflow = os.environ.get(children.WORKFLOW)
    if workflow is None:
        return

    def watch() -> None:
        children.wait_for_end(workflow)
        for child in running:
            kill_session(child.pid, number)
        with open(log, "a", encoding="utf-8") as output:
            output.write(f"killed: the workflow (process {workflow.split()[0]}) that this job worked for has ended\n")
        os._exit(128 + signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def stop_when_asked(running: list[subprocess.Popen], failed: Callable[[str], None], kill: int) -> None:
    """From now on SIGTERM and SIGINT end the child in `running`, with the signal `kill`, and this process."""

    def stop(number, frame):
        for each in running:
            kill_session(each.pid, kill)
        failed(f"was stopped from outside ({signal_name(number)})")
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def run(args: argparse.Namespace) -> int:
    """Run the stage after `--`; returns its exit status, 124 after the time bound, 128 + signal after a crash."""
    stage = args.command[1:] if args.command[:1] == ["--"] else args.command
    log, failure = Path(args.log), Path(paths.failure(args.log))

    def failed(reason: str, **more: Any) -> None:
        command = [sys.executable, "-m", "dliflow", *stage]
        _note(failure, {"stage": stage[0], "reason": reason, "command": command, "log": str(log), **more})

    try:
        failure.unlink(missing_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        known = node.described(args.node) if args.node else None
        if known is not None and node.is_elsewhere(args.node, known):
            return there(args, known["slurm"], failed)
        return here(args, stage, known, failed)
    except (DliflowError, PermissionError) as error:  # it did not begin
        failed(str(error))
        with contextlib.suppress(PermissionError), open(log, "a", encoding="utf-8") as output:
            output.write(f"{error}\n")
        print(f"dliflow {stage[0]}: {error}", file=sys.stderr, flush=True)
        return 1


def there(args: argparse.Namespace, options: dict[str, list[str]], failed: Callable[[str], None]) -> int:
    """Run this very command on its node: as a step of the allocation that holds it, which is waited for.

    Where the allocation ended meanwhile (its time was over, somebody took the node away), that is no failure of what
    ran: it goes on in the next one.

    Args:
        options: of `allocation` and of each `step`, as `study.nodes.reached` tells.
    """
    first, lease = (Path(pattern.format(node=args.node)) for pattern in (paths.NODE, paths.LEASE))
    environment = {**slurm.around_a_step(os.environ), node.REACHED: args.node}
    environment.pop(children.WORKFLOW, None)  # a process of this machine, which the node cannot see; this one looks
    running: list[subprocess.Popen] = []
    stop_when_asked(running, failed, signal.SIGTERM)  # upon which srun ends the step
    end_with_workflow(running, Path(args.log), signal.SIGTERM)
    for _ in range(slurm.TRIES):
        name = node.slurm_name(first)
        same = [] if name is None else [f"--nodelist={name}"]  # of several that fit, the one that it was before
        number = slurm.allocate(args.node, [*options["allocation"], *same], lease)
        command = [*slurm.step(number, options["step"]), sys.executable, "-m", "dliflow", *sys.argv[1:]]
        with slurm.leased(lease):
            child = subprocess.Popen(
                command,
                env=environment,
                start_new_session=True,
                preexec_fn=children.dying_with_parent(signal.SIGTERM),
            )
            running.append(child)
            status = child.wait()
            running.clear()
        if status == 0:
            return 0
        if slurm.is_running(args.node, number):
            if not _seen(Path(paths.failure(args.log))):
                failed(f"srun could not run it on node '{args.node}': exit status {status}; see what it said")
            return status
        print(f"node '{args.node}': its allocation, SLURM job {number}, has ended; again", file=sys.stderr, flush=True)
    log = lease.with_suffix(".log")
    raise DliflowError(f"node '{args.node}': {slurm.TRIES} allocations ended before it did; see {log}")


def here(
    args: argparse.Namespace, stage: list[str], known: Optional[node.Described], failed: Callable[..., None]
) -> int:
    """Run the stage on this machine.

    Args:
        known: of the node that a measurement belongs to.
    """
    log, timing = Path(args.log), Path(paths.timing(args.log))
    command = [sys.executable, "-m", "dliflow", *stage]
    environment, withheld = variables.passed_on(os.environ, stage[0], args.environment)
    terminal = os.dup(sys.stderr.fileno())  # where long jobs tell their progress, beside the log
    environment[progress.DESCRIPTOR] = str(terminal)
    running: list[subprocess.Popen] = []
    # Both from now on, since the machine may have to be waited for.
    stop_when_asked(running, failed, signal.SIGKILL)
    end_with_workflow(running, log)

    with contextlib.ExitStack() as stack:
        descriptor = stack.enter_context(lock.hold(args.exclusive))
        temporary = stack.enter_context(_temporary())
        environment["TMPDIR"] = str(temporary)
        confine = _confining(args.beside, temporary)
        reason_file = stack.enter_context(tempfile.TemporaryFile())
        output = stack.enter_context(open(log, "w", encoding="utf-8"))
        environment[progress.REASON] = progress.place_of(reason_file.fileno())
        if known is not None:
            node.check(args.node, known["machine"], Path(paths.NODE.format(node=args.node)))
        set_here = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **args.environment}
        assigned = " ".join(f"{name}={shlex.quote(value)}" for name, value in set_here.items())
        output.write(f"# {assigned} {shlex.join(command)}\n")
        output.write(f"# not passed on: {', '.join(withheld) or 'nothing'}\n")
        if args.beside is not None:
            output.write(f"# {confinement.described()}\n")
        output.flush()
        die = children.dying_with_parent()

        def begin() -> None:
            die()
            confine()

        started, clock = time.time(), time.monotonic()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a kill reaches its own children too
            preexec_fn=begin,
            pass_fds=[descriptor, terminal, reason_file.fileno()],
        )
        running.append(child)

        # A timer and a blocking wait: Popen.wait(timeout=...) would wake up every few milliseconds.
        timer = threading.Timer(args.timeout, kill_session, [child.pid])
        timer.daemon = True
        timer.start()
        status = _ended(child)
        running.clear()  # its number may be another process's from now on
        seconds = time.monotonic() - clock
        timed_out = seconds >= args.timeout and status == -signal.SIGKILL
        timer.cancel()
        told = _told(reason_file.fileno())

    _note(timing, {"stage": stage[0], "started": started, "seconds": seconds, "status": status})
    if status == 0:
        return 0
    lines = _tail(log)
    reason = _reason(status, timed_out, args.timeout, told, lines)
    failed(reason, output_tail=lines[-TAIL_LINES:], seconds=seconds)
    message = progress.cleared(f"dliflow {stage[0]}: {reason}\n  log: {log}", sys.stderr.fileno())
    print(message, file=sys.stderr, flush=True)
    return 124 if timed_out else 128 - status if status < 0 else status
