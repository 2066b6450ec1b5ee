"""Run one stage in a fresh process: alone on the machine or beside others, within a time, its output kept.

Whatever happens to the child (an error, a crash, a hang, a kill) ends in one message, a file with the reason for the
tables, and an exit status. The reason comes from the stage itself, not from its output, in which a model's file can
have anything printed. When the workflow that it works for ends, it is killed. While it runs this process sleeps.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shlex
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
from dliflow.errors import LONGEST, plain
from dliflow.files import write_json
from dliflow.machine import children, confinement, lock, variables
from dliflow.machine.process import signal_name
from dliflow.study import paths

TAIL_LINES = 15
TAIL_BYTES = 1 << 18  # of a log are read; a model's error can be hundreds of MB
LINE = 2000  # characters of a line of output that are told


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--log", required=True, help="where the child's output goes")
    parser.add_argument("--timeout", type=float, required=True, help="seconds after which the child is killed")
    parser.add_argument("--exclusive", action="store_true", help="no other job of dliflow runs meanwhile")
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
def _confined(beside: Optional[Path], environment: dict[str, str]) -> Iterator[Callable[[], None]]:
    """What the child calls before it becomes the stage: nothing, or what lets it write beside a file only.

    Args:
        environment: the child's; its temporary folder becomes one of its own.
    """
    if beside is None:
        yield lambda: None
        return
    beside.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dliflow-") as folder:
        environment["TMPDIR"] = folder
        yield confinement.to([beside.parent, Path(folder)])


def _ended(child: subprocess.Popen) -> int:
    """Wait for a child, end what it has left running, and return its status."""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # as long as it is not reaped its number is nobody else's
    kill_group(child.pid)
    return child.wait()


def _note(path: Path, value: dict[str, Any]) -> None:
    """Write a note beside the log; a full disk must not hide what it would say, which is told on the terminal too."""
    try:
        write_json(path, value)
    except OSError as error:
        print(f"dliflow supervise: {path} could not be written: {error}", file=sys.stderr, flush=True)


def kill_group(leader: int) -> None:
    """Kill a process that leads a group, with all that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def end_with_workflow(running: list[subprocess.Popen], log: Path) -> None:
    """End this process, and the child in `running`, when Snakemake does, killed or not: nobody wants the result then.

    Another run may make the same file meanwhile. Without a workflow (a stage that was started by hand) nothing happens.
    """
    workflow = os.environ.get(children.WORKFLOW)
    if workflow is None:
        return

    def watch() -> None:
        children.wait_for_end(workflow)
        for child in running:
            kill_group(child.pid)
        with open(log, "a", encoding="utf-8") as output:
            output.write(f"killed: the workflow (process {workflow.split()[0]}) that this job worked for has ended\n")
        os._exit(128 + signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def run(args: argparse.Namespace) -> int:
    """Run the stage after `--`; returns its exit status, 124 after the time bound, 128 + signal after a crash."""
    stage = args.command[1:] if args.command[:1] == ["--"] else args.command
    log, failure, timing = Path(args.log), Path(paths.failure(args.log)), Path(paths.timing(args.log))
    failure.unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "dliflow", *stage]
    environment, withheld = variables.passed_on(os.environ, stage[0], args.environment)
    terminal = os.dup(sys.stderr.fileno())  # where long jobs tell their progress, beside the log
    environment[progress.DESCRIPTOR] = str(terminal)

    running: list[subprocess.Popen] = []

    def stop(number, frame):
        for each in running:
            kill_group(each.pid)
        reason = f"was stopped from outside ({signal_name(number)})"
        _note(failure, {"stage": stage[0], "reason": reason, "command": command, "log": str(log)})
        sys.exit(128 + number)

    # Both from now on, since the machine may have to be waited for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    end_with_workflow(running, log)

    with contextlib.ExitStack() as stack:
        descriptor = stack.enter_context(lock.hold(args.exclusive))
        confine = stack.enter_context(_confined(args.beside, environment))
        reason_file = stack.enter_context(tempfile.TemporaryFile())
        output = stack.enter_context(open(log, "w", encoding="utf-8"))
        environment[progress.REASON] = progress.place_of(reason_file.fileno())
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
        timer = threading.Timer(args.timeout, kill_group, [child.pid])
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
    _note(
        failure,
        {
            "stage": stage[0],
            "reason": reason,
            "output_tail": lines[-TAIL_LINES:],
            "command": command,
            "log": str(log),
            "seconds": seconds,
        },
    )
    message = progress.cleared(f"dliflow {stage[0]}: {reason}\n  log: {log}", sys.stderr.fileno())
    print(message, file=sys.stderr, flush=True)
    return 124 if timed_out else 128 - status if status < 0 else status
