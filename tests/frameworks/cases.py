"""Many cases in one process of a framework's Python, each with an outcome of its own.

Loading a framework takes seconds, so a script tries all of its cases one after another. It is started as
`SCRIPT CASES.json OUTCOMES.jsonl`, where CASES is `{name: {argument: value}}`, and ends in `each(function)`. Both sides
are in this file; a framework's Python may be 3.9.
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Callable

TIMEOUT_S = 1500  # of one process
TAIL = 6000  # characters of a process's output that are shown


def each(function: Callable[..., Any]) -> None:
    """Call the function for each case; an exception is that case's outcome, under `broken`, and the others go on."""
    cases, outcomes = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2]
    with open(outcomes, "a") as stream:
        for name, arguments in cases.items():
            print(f"--- {name}", flush=True)
            try:
                outcome = function(**arguments)
            except (Exception, SystemExit):
                outcome = {"broken": traceback.format_exc()}
            stream.write(json.dumps([name, outcome]) + "\n")
            stream.flush()


def outcomes(python: str, script: Path, cases: dict, folder: Path, **options) -> dict[str, Any]:
    """The outcome of each case. A case in which the process crashes or hangs breaks alone: a fresh one does the rest.

    Args:
        folder: an empty one for what the two sides tell each other.
        options: of `subprocess.run`.
    """
    told: dict[str, Any] = {}
    left = dict(cases)
    while left:
        process = len(list(folder.iterdir()))
        asked, answers = folder / f"cases{process}.json", folder / f"outcomes{process}.jsonl"
        asked.write_text(json.dumps(left))
        answers.touch()
        command = [python, str(script), str(asked), str(answers)]
        with open(folder / f"output{process}.txt", "w+", errors="replace") as output:
            try:
                status = subprocess.run(
                    command, stdout=output, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, **options
                ).returncode
                ending = f"the process ended with status {status}" if status else ""
            except subprocess.TimeoutExpired:
                ending = f"the process ran past {TIMEOUT_S} s and was killed"
        told.update(map(json.loads, answers.read_text().splitlines()))
        unanswered = {name: arguments for name, arguments in left.items() if name not in told}
        if unanswered or ending:  # the process broke in the first case without an answer, or behind the last one
            broken = next(iter(unanswered), list(left)[-1])
            text = (folder / f"output{process}.txt").read_text(errors="replace")[-TAIL:]
            told[broken] = {"broken": f"{broken}: {ending or 'the process left without an answer'}\n{text}"}
            unanswered.pop(broken, None)
        left = unanswered
    return told


def answer(outcome: dict) -> dict:
    """What the script found of a case; a case that broke fails here."""
    assert "broken" not in outcome, outcome["broken"]
    return outcome
