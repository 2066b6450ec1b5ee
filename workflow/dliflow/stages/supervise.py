"""Run one stage in a fresh process: alone on the machine or beside others, within a time, its output kept.

Whatever happens to the child (an error, a crash, a hang, a kill) ends in one message, a file with the reason for the
tables, and an exit status. When the workflow that it works for ends, it is killed. While it runs this process sleeps.
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
import threading
import time
from pathlib import Path

from dliflow import progress
from dliflow.files import write_json
from dliflow.machine import children, lock, variables
from dliflow.study import paths

TAIL_LINES = 15


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--log", required=True, help="where the child's output goes")
    parser.add_argument("--timeout", type=float, required=True, help="seconds after which the child is killed")
    parser.add_argument("--exclusive", action="store_true", help="no other job of dliflow runs meanwhile")
    parser.add_argument("--environment", type=json.loads, default={}, help="JSON: variables that the child gets, too")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- STAGE and its options")


def _reason(status: int, timed_out: bool, timeout: float, lines: list[str]) -> str:
    if timed_out:
        return f"ran past its time bound of {timeout:g} s and was killed"
    if status < 0:
        name = signal.Signals(-status).name
        hint = " (often: out of memory)" if name == "SIGKILL" else ""
        last_words = [line.partition("what():")[2].strip() for line in lines if "what():" in line][-1:]  # of C++
        return ": ".join([f"crashed: killed by {name}{hint}", *last_words])
    # Messages of dliflow itself may take several lines, from the one that is marked to the end.
    marked = [index for index, line in enumerate(lines) if line.startswith("dliflow ") and ": error: " in line]
    if marked:
        message = "\n".join(lines[marked[-1] :])
        return message.partition(": error: ")[2]
    return _exception(lines) or (lines[-1] if lines else f"exit status {status} without any output")


def _exception(lines: list[str]) -> str:
    """The message of the last exception that Python showed, with all of its lines; '' when there was none.

    Frames are indented, the exception's first line is not; what follows belongs to its message.
    """
    shown = [index for index, line in enumerate(lines) if line.startswith("Traceback (most recent call last):")]
    after = lines[shown[-1] + 1 :] if shown else []
    message = list(itertools.dropwhile(lambda line: line.startswith(" "), after))
    return "\n".join(message[:TAIL_LINES])


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
        reason = f"was stopped from outside ({signal.Signals(number).name})"
        write_json(failure, {"stage": stage[0], "reason": reason, "command": command, "log": str(log)})
        sys.exit(128 + number)

    # Both from now on, since the machine may have to be waited for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    end_with_workflow(running, log)

    with lock.hold(args.exclusive) as descriptor, open(log, "w", encoding="utf-8") as output:
        set_here = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **args.environment}
        assigned = " ".join(f"{name}={shlex.quote(value)}" for name, value in set_here.items())
        output.write(f"# {assigned} {shlex.join(command)}\n")
        output.write(f"# not passed on: {', '.join(withheld) or 'nothing'}\n")
        output.flush()
        started, clock = time.time(), time.monotonic()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # a kill reaches its own children too
            preexec_fn=children.dying_with_parent(),
            pass_fds=[descriptor, terminal],
        )
        running.append(child)

        # A timer and a blocking wait: Popen.wait(timeout=...) would wake up every few milliseconds.
        timer = threading.Timer(args.timeout, kill_group, [child.pid])
        timer.daemon = True
        timer.start()
        status = child.wait()
        running.clear()  # its number may be another process's from now on
        seconds = time.monotonic() - clock
        timed_out = seconds >= args.timeout and status == -signal.SIGKILL
        timer.cancel()

    write_json(timing, {"stage": stage[0], "started": started, "seconds": seconds, "status": status})
    if status == 0:
        return 0
    text = log.read_text(encoding="utf-8", errors="replace")
    written = (line for line in text.splitlines() if line.strip())
    lines = list(itertools.dropwhile(lambda line: line.startswith("# "), written))  # what the supervisor itself wrote
    reason = _reason(status, timed_out, args.timeout, lines)
    write_json(
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
