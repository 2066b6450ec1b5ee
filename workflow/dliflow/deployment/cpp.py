"""The program of a configuration that was measured in C++: `predict.cpp`, around the very file that was measured."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from dliflow import building
from dliflow.configuration import family
from dliflow.deployment.program import Deployed
from dliflow.images import inputs
from dliflow.measuring.program import written

TEMPLATE = Path(__file__).with_name("predict.cpp.j2")
PROGRAM = "predict.cpp"
SITE = ".venv/bin/python -c \"import sysconfig; print(sysconfig.get_paths()['platlib'])\""


def files(framework: str) -> list[Path]:
    """The measured code that `predict.cpp` is compiled with."""
    return [building.FOLDER / "worker.h", building.FOLDER / f"{family(framework)}.cpp"]


def quoted(text: str) -> str:
    """A text as C++ writes it."""
    return json.dumps(text, ensure_ascii=False)


def _line(text: str) -> str:
    """A text as one line of a comment, which nothing in it ends or continues."""
    return "".join(letter if letter.isprintable() and letter != "\\" else "?" for letter in " ".join(text.split()))


def render(deployed: Deployed, heading: str) -> str:
    """The program.

    Args:
        heading: what it runs, in words.
    """
    configuration, entry = deployed.configuration, deployed.entry
    settings: dict[str, Any] = {"model": "model", "precision": configuration.precision, "scores": deployed.scores}
    for key, value in deployed.launch.settings.items():
        settings[key if key == "threads" else f"option.{key}"] = written(value)
    jinja = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return jinja.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        heading=_line(heading),
        framework=family(configuration.framework),
        batch_size=deployed.batch_size,
        scores=deployed.scores,
        entry=entry,
        layout=entry["layout"],
        order=entry["channel_order"],
        mean=_numbers(entry["mean"]),
        scale=_numbers(entry["scale"]),
        settings=[quoted(f"{key}={value}") for key, value in settings.items()],
        environment=[(quoted(name), quoted(value)) for name, value in deployed.launch.environment.items()],
        shape=f"{{{', '.join(map(str, (deployed.batch_size, *inputs.shape(entry))))}}}",
    )


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{float(value)!r}f" for value in values)


def compile_line(framework: str, built: dict[str, Any]) -> list[str]:
    """How it is compiled beside an environment of its own, `.venv`: the measured program's line, with other sources.

    Args:
        built: the manifest of the measured program.
    """
    compiler, *line = built["command"]
    places, named = {"$SITE": built["site"]}, [f"SITE=$({SITE})"]
    if "library" in built:
        places["$LIBRARY"] = built["library"]
        named.append(f"LIBRARY={shlex.quote(built['library'])}")
    kept = ("-std", "-O", "-D", "-I", "-l", "-pthread", "-Wl", *places.values())
    words = [_word(word, places) for word in line if word.startswith(kept)]
    command = [shlex.quote(compiler), PROGRAM, f"{family(framework)}.cpp", *words, "-o", "predict"]
    return [*named, " ".join(command)]


def _word(word: str, places: dict[str, str]) -> str:
    """A word for the shell, in which variables stand for folders."""
    for variable, place in places.items():
        if place in word:
            return f'"{word.replace(place, variable)}"'
    return shlex.quote(word)


def imports(built: dict[str, Any]) -> str:
    """What a program in Python would import, to have the packages that the compile line looks into."""
    inside = [word.split(f"{built['site']}/")[1] for word in built["command"] if f"{built['site']}/" in word]
    return "\n".join(f"import {name}" for name in sorted({path.split("/")[0] for path in inside}))
