"""The program of a deployed configuration, `predict.py`: a page of plain code that does what was measured."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Optional

import jinja2
import numpy as np
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dliflow import frameworks
from dliflow.configuration import Configuration
from dliflow.deployment import words
from dliflow.images import inputs

FOLDER = Path(__file__).parent
WIDTH = 120
NEEDS = re.compile(r"\{# needs ([^ ]+) #\}")  # at a template's beginning, where older versions need another program


class Code(str):
    """What a template writes as it is; everything else is written as a Python literal."""


class Launch(NamedTuple):
    """How a configuration was launched."""

    settings: dict[str, Any]
    """What differs from the framework's defaults, `threads` among it."""
    environment: dict[str, str]
    """Variables, whatever the settings: those of the framework's file, then the config's."""
    blocks: list[str]
    """The code of each setting, as the framework declares it."""


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
    module = frameworks.load(framework)
    environment = module.environment(None, {}) if hasattr(module, "environment") else {}
    ordered = [key for key in frameworks.space(framework) if key in settings]
    blocks = ["\n".join(frameworks.code(framework, {key: settings[key]})) for key in ordered]
    return Launch(settings, {**environment, **variables}, [block for block in blocks if block])


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


def _names(code: str) -> set[str]:
    """The names that a piece of code mentions."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def about(blocks: Sequence[Code], objects: Sequence[str], name: str = "") -> list[Code]:
    """The pieces of code that come behind an object, since it is the last that they mention; without a name those that
    come first, since they mention none.

    Args:
        objects: of a program, in the order in which it makes them.
    """
    last = {block: [each for each in objects if each in _names(block)][-1:] for block in blocks}
    return [block for block in blocks if last[block] == ([name] if name else [])]


def lacks(blocks: Sequence[Code], module: str) -> bool:
    """Whether a piece of code mentions a module that it does not import."""
    return any(module in _names(block) and f"import {module}\n" not in block for block in blocks)


def template(framework: str, pins: Collection[str] = ()) -> Optional[Path]:
    """A framework's template; None where it has none, or none for versions as old as these.

    Args:
        pins: the packages that it is to run with; none for today's.
    """
    path = FOLDER / f"{frameworks.family(framework)}.py.j2"
    if not path.exists():
        return None
    needs = NEEDS.match(path.read_text(encoding="utf-8"))
    return None if needs and pins and not _among(Requirement(needs[1]), pins) else path


def _among(wanted: Requirement, pins: Collection[str]) -> bool:
    """Whether pinned packages have what is required."""
    there = {canonicalize_name(name): version for name, _, version in (pin.partition("==") for pin in pins)}
    version = there.get(canonicalize_name(wanted.name))
    return version is not None and version in wanted.specifier


@cache
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
    jinja.filters.update(comment=comment, identifier=identifier, about=about, lacks=lacks)
    return jinja


def render(deployed: Deployed, heading: str, pins: Collection[str] = ()) -> Optional[str]:
    """The program; None where the framework has no template.

    Args:
        heading: what it runs, in words.
        pins: the packages that it is to run with; none for today's.
    """
    configuration, entry, launch = deployed.configuration, deployed.entry, deployed.launch
    path = template(configuration.framework, pins)
    if path is None:
        return None
    dtype = inputs.dtype(entry)
    limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.name in ("int8", "int16") else None
    defaults = {key: parameter.default for key, parameter in frameworks.space(configuration.framework).items()}
    context = {
        "heading": heading,
        "precision": configuration.precision,
        "variant": configuration.variant,
        "device": configuration.device,
        "batch_size": deployed.batch_size,
        "scores": deployed.scores,
        "files": deployed.files,
        "settings": {**defaults, **launch.settings},
        "environment": launch.environment,
        "code": list(map(Code, launch.blocks)),
        "entry": entry,
        "shape": list(inputs.shape(entry)),
        "dtype": dtype.name,
        "limits": limits,
        "normalised": words.normalises(entry),
        "geometry": words.geometry(entry),
        "input": words.taken(entry, deployed.batch_size),
    }
    return _jinja().get_template(path.name).render(context)
