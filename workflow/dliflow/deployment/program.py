"""The program of a deployed configuration, `predict.py`: a page of plain code that does what was measured."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import jinja2
import numpy as np

from dliflow import frameworks
from dliflow.configuration import Configuration
from dliflow.deployment import words
from dliflow.images import inputs

FOLDER = Path(__file__).parent
WIDTH = 120
ENVIRONMENT = "os.environ["  # how a line of code begins that sets a variable


class Code(str):
    """What a template writes as it is; everything else is written as a Python literal."""


class Launch(NamedTuple):
    """How a configuration was launched."""

    settings: dict[str, Any]
    """What differs from the framework's defaults, `threads` among it."""
    environment: dict[str, str]
    """Variables that are set before anything is imported: those of the framework, then the config's."""
    lines: list[str]
    """Code of all other settings."""


class Deployed(NamedTuple):
    """What is deployed."""

    configuration: Configuration
    batch_size: int
    entry: dict[str, Any]
    """The `input` entry by which the model's inputs are made."""
    scores: int
    launch: Launch
    files: Sequence[str]
    """Of the converted model, by their paths in its folder."""


def launched(framework: str, settings: dict[str, Any], variables: Mapping[str, str]) -> Launch:
    """How settings are made.

    Args:
        settings: what differs from the framework's defaults.
        variables: the config's `launch.environment`.
    """
    module, options = frameworks.load(framework), {key: settings[key] for key in settings if key != "threads"}
    environment = module.environment(settings.get("threads"), options) if hasattr(module, "environment") else {}
    lines = [line for line in frameworks.code(framework, settings) if not line.startswith(ENVIRONMENT)]
    return Launch(settings, {**environment, **variables}, lines)


def literal(value: Any) -> Code:
    """A value as Python writes it; code as it is."""
    return value if isinstance(value, Code) else Code(repr(value))


def comment(text: str, indent: int = 0) -> Code:
    """A text as lines of a comment, without what could end one of them."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    start = " " * indent + "# "
    return Code(textwrap.fill(plain, WIDTH, initial_indent=start, subsequent_indent=start, break_on_hyphens=False))


def identifier(text: str) -> Code:
    """A name, as the name of an attribute."""
    if not text.isidentifier():
        raise ValueError(f"{text!r} is no name")
    return Code(text)


def _names(line: str, name: str) -> bool:
    return re.match(rf"{re.escape(name)}\b", line) is not None


def about(lines: Sequence[Code], name: str) -> list[Code]:
    """The lines of code that begin with a name."""
    return [line for line in lines if _names(line, name)]


def without(lines: Sequence[Code], name: str) -> list[Code]:
    """All others."""
    return [line for line in lines if not _names(line, name)]


def template(framework: str) -> Optional[Path]:
    """A framework's template; None where it has none."""
    path = FOLDER / f"{framework}.py.j2"
    return path if path.exists() else None


def _jinja() -> jinja2.Environment:
    """Jinja that writes texts as Python's literals."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        finalize=literal,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    jinja.filters.update(comment=comment, identifier=identifier, about=about, without=without)
    return jinja


def render(deployed: Deployed, heading: str) -> Optional[str]:
    """The program; None where the framework has no template.

    Args:
        heading: what it runs, in words.
    """
    configuration, entry, launch = deployed.configuration, deployed.entry, deployed.launch
    path = template(configuration.framework)
    if path is None:
        return None
    dtype = inputs.dtype(entry)
    limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.name in ("int8", "int16") else None
    context = {
        "heading": heading,
        "precision": configuration.precision,
        "variant": configuration.variant,
        "batch_size": deployed.batch_size,
        "scores": deployed.scores,
        "files": deployed.files,
        "settings": launch.settings,
        "environment": launch.environment,
        "lines": list(map(Code, launch.lines)),
        "entry": entry,
        "shape": list(inputs.shape(entry)),
        "dtype": dtype.name,
        "limits": limits,
        "normalised": words.normalises(entry),
        "geometry": words.geometry(entry),
        "input": words.taken(entry, deployed.batch_size),
    }
    return _jinja().get_template(path.name).render(context)
