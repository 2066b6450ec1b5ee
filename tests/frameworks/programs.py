"""Small programs that run a model as a user's own would, with lines of `frameworks.code` in them; and what each
framework then tells of its settings. `programs_of` has the programs.
"""

from __future__ import annotations

import re

import programs_of

LOADED = """
from pathlib import Path
from dliflow import frameworks
session = frameworks.load(FRAMEWORK).load(
    Path(MODEL), precision="fp32", variant=VARIANT, device="cpu", batch_size=BATCH_SIZE, threads=THREADS,
    options=OPTIONS,
)
session.predict(batch)
scores = session.predict(batch)
"""
ASKED = """
try:
    told[{key!r}] = {expression}
except RuntimeError as error:  # ONNX Runtime has no entry of that name
    told[{key!r}] = error
"""
SHELL = """
{start}
import json
import numpy as np
batch = np.load(BATCH)
BATCH_SIZE = len(batch)
{program}
told = {{}}
{told}
np.save(SCORES, scores)
print(json.dumps({{key: str(value) for key, value in told.items()}}))
"""


def _told(framework: str) -> str:
    return "".join(
        ASKED.format(key=key, expression=expression) for key, expression in programs_of.load(framework).TOLD.items()
    )


def with_lines(framework: str, blocks: list[str], **constants: object) -> str:
    """A program of the user's own.

    Args:
        blocks: the lines of each parameter.
        constants: MODEL, BATCH and SCORES.
    """
    text = programs_of.load(framework).PROGRAM
    places = [name for name in re.findall(r"(?<!\{)\{(\w+)\}", text) if name != "start"]
    filled: dict[str, list[str]] = {name: [] for name in ("start", *places)}
    for block in blocks:
        later = (name for name in reversed(places) if re.search(rf"\b{name}\b", block))
        at_start = "os.environ" in block or "CDLL" in block
        filled["start" if at_start else next(later)].append(block)
    start = "\n".join(["import os", *filled.pop("start")])
    program = text.format(start="", **{name: "\n".join(lines) for name, lines in filled.items()})
    return _whole(start, program, framework, constants)


def as_loaded(framework: str, **constants: object) -> str:
    """A program that loads the framework's file instead, as the workflow does.

    Args:
        constants: these, VARIANT, THREADS and OPTIONS.
    """
    program = f"{LOADED}\n{programs_of.load(framework).OBJECTS}"
    return _whole("", program, framework, {**constants, "FRAMEWORK": framework})


def _whole(start: str, program: str, framework: str, constants: dict[str, object]) -> str:
    named = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    return SHELL.format(start=f"{start}\n{named}", program=program, told=_told(framework))
