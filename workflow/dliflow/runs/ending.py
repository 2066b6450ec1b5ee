"""The last thing on the terminal: what went wrong, whole, and what to type next."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Optional

from dliflow.records import notes
from dliflow.study import paths

LOGS = 3  # so many of the logs with the same reason are named


def again(command: Sequence[str]) -> str:
    """The command that started this run, as it was typed: a program that the PATH has by its name alone.

    Args:
        command: `sys.orig_argv`: the interpreter, then the program or `-m` and its name, and the options.
    """
    if command[1:2] == ["-m"]:
        return shlex.join(command)
    program, *options = command[1:]
    name = Path(program).name
    return shlex.join([name if shutil.which(name) == program else program, *options])


def _indented(text: str) -> list[str]:
    first, *others = text.splitlines() or [""]
    return [f"  {first}", *(f"    {line}" for line in others)]


def failures(logs: Iterable[str]) -> list[str]:
    """Every reason once, whole, with the logs of the jobs that failed for it.

    Args:
        logs: those of the jobs that failed.
    """
    reasons: dict[str, list[str]] = {}
    for log in logs:
        note = notes.failure(Path(paths.failure(log)))
        lost = "a job ended without a reason (killed from outside?)"
        reasons.setdefault(lost if note is None else f"{note['stage']}: {note['reason']}", []).append(log)
    lines = []
    for reason, same in reasons.items():
        more = f" and {len(same) - LOGS} more" if len(same) > LOGS else ""
        lines += [*_indented(reason), f"    log: {', '.join(same[:LOGS])}{more}"]
    return lines


def failed(logs: Sequence[str], waiting: int, summary: Optional[str], command: str) -> str:
    """What a run that failed, or was stopped, ends with.

    Args:
        logs: those of the jobs that failed; none when the run was stopped.
        waiting: how many jobs did not come to run.
        summary: the summary of what there is; None when it could not be made, or was not asked for.
        command: what to type next.
    """
    # The summary tells failures in a line each; here they follow whole.
    parts = [part for part in (summary or "").strip().split("\n\n") if part and not part.startswith("FAILED\n")]
    jobs = "1 job" if waiting == 1 else f"{waiting} jobs"
    if logs:
        rest = [f"  {jobs} that need what failed did not run."] if waiting else []
        parts += ["\n".join(["FAILED", *failures(sorted(logs)), *rest])]
        next_step = "When the cause is mended, this goes on where it stopped:"
    else:
        parts += [f"STOPPED before the end: {jobs} did not run."]
        next_step = "This goes on where it stopped:"
    return "\n\n".join(["", *parts, f"{next_step}\n  {command}"])


def refused(message: str, command: str) -> str:
    """What a run ends with in which nothing was run."""
    return f"\n{message}\n\nNothing was run. When that is mended:\n  {command}"
