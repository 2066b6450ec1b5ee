"""docs/launch-parameters.md, made of what the frameworks' files declare; a test fails where the file is another one.

PYTHONPATH=workflow .venv/bin/python -m dliflow.study.launch_parameters > docs/launch-parameters.md
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dliflow import frameworks
from dliflow.frameworks import Option
from dliflow.machine.facts import Processors

LONGEST = 25  # characters of a value that are shown
TEXTS = Path(__file__).with_suffix(".md")  # what stands around the tables
VNNI = frozenset({"avx2", "avx512f", "avx512_vnni"})
MACHINES = {
    "2 cores": Processors(2, 2, VNNI, hybrid=False),
    "8 cores with SMT": Processors(8, 16, VNNI, hybrid=False),
    "6 fast cores with SMT and 8 slow ones": Processors(14, 20, frozenset({"avx2", "avx_vnni"}), hybrid=True),
}


def written(value: Any) -> str:
    """A value as the config has it."""
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if isinstance(value, bool) or value is None else str(value)
    return f"`{text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'}`"


def tried(option: Option) -> str:
    """The values that are tried, on each of the machines where they are others than on those before."""
    if option.tried is None:
        return "not tried"
    on: dict[str, list[str]] = {}
    for machine, processors in MACHINES.items():
        values = [value for value in option.tried(processors) if value != option.default]
        text = ", ".join(written(value) for value in values) or "none"
        on.setdefault(text, []).append(machine)
    where = "" if option.device is None else f"on a {option.device.upper()}: "
    if len(on) == 1:
        return where + next(iter(on))
    return where + "<br>".join(f"{', '.join(machines)}: {text}" for text, machines in on.items())


def parameter(name: str, option: Option) -> str:
    """A parameter's line of a framework's table."""
    marks = [mark for mark, holds in (("scores", option.arithmetic), ("way", option.another_way)) if holds]
    code = "<br>".join(f"`{line}`" for line in option.code.splitlines())
    cells = (f"`{name}`", written(option.default), option.meaning, tried(option), ", ".join(marks), code)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def of(name: str) -> str:
    """A framework's table."""
    head = ["| parameter | default | meaning | tried | marks | in one's own program |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(parameter(key, option) for key, option in frameworks.space(name).items())])


def counts() -> str:
    """How many candidates there are, by configuration and machine."""
    lines = [f"| configuration | {' | '.join(MACHINES)} |", f"|---|{'---|' * len(MACHINES)}"]
    for name in studied():
        for variant in frameworks.variants(name):
            for precision in ("fp32", "int8"):
                if frameworks.load(name).supports(precision, "cpu") is None:
                    numbers = [
                        str(len(frameworks.candidates(name, precision, variant, 8, machine)))
                        for machine in MACHINES.values()
                    ]
                    shown = name if variant == "default" else f"{name} {variant}"
                    lines.append(f"| {shown} {precision} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def studied() -> list[str]:
    """The frameworks that have something to set: all but the one that computes nothing."""
    return [name for name in frameworks.names() if frameworks.load(name).THREADS.code]


def text() -> str:
    """The whole page."""
    tables = "\n\n".join(f"## {name}\n\n{of(name)}" for name in studied())
    page = TEXTS.read_text(encoding="utf-8")
    return page.replace("<!-- frameworks -->", tables).replace("<!-- counts -->", counts())


if __name__ == "__main__":
    sys.stdout.write(text())
