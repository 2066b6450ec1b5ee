"""The study's config and the registries of models and datasets, checked against their schemas.

Each problem is told with the file, the key, the value and what would be right.
"""

from __future__ import annotations

import copy
import difflib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import referencing
import yaml

from dliflow import architectures, frameworks, sources
from dliflow.errors import DliflowError

SCHEMAS = Path(__file__).parents[1] / "schemas"


def schema(name: str) -> dict[str, Any]:
    """A schema of `workflow/schemas`, by its name."""
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def _validator(name: str) -> jsonschema.Draft202012Validator:
    shared = referencing.Resource.from_contents(schema("files"))
    registry = referencing.Registry().with_resource("files.schema.yaml", shared)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(schema(name), registry=registry, format_checker=checker)


def _key(path: list[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "(top level)"


def _suggest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known ones: {', '.join(known)}"


def _explain(error: Any) -> str:
    """One problem as `key: value: what would be right`."""
    key = _key(list(error.absolute_path))
    hint = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))[0]
        return f"{key}: unknown key '{unknown}'{_suggest(unknown, known)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{key}: the key '{missing}' is missing"
    if error.validator == "enum":
        known = [str(value) for value in error.validator_value]
        return f"{key}: {error.instance!r} is unknown{_suggest(str(error.instance), known)}"
    if error.validator in ("oneOf", "anyOf"):
        return f"{key}: {error.instance!r} is not valid. Right would be: {hint}"
    message = f"{key}: {error.instance!r}: {error.message}"
    return f"{message}. Right would be: {hint}" if hint else message


def _fill_defaults(value: Any, described: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, entry in described.get("properties", {}).items():
            if "default" in entry:
                value.setdefault(key, copy.deepcopy(entry["default"]))
            if key in value:
                _fill_defaults(value[key], entry)


def validated(value: Any, schema_name: str, origin: str) -> Any:
    """A copy of `value` with the schema's defaults filled in.

    Raises:
        DliflowError: naming `origin`, the key, the value and what would be right, for every problem found.
    """
    value = copy.deepcopy(value)
    described = schema(schema_name)
    _fill_defaults(value, described)
    problems = sorted(_validator(schema_name).iter_errors(value), key=lambda e: str(e.path))
    if problems:
        raise DliflowError("\n".join(f"{origin}: {_explain(problem)}" for problem in problems))
    return value


def _known(names: list[str], known: list[str], origin: str, key: str, adding: str) -> None:
    for index, name in enumerate(names):
        if name not in known:
            raise DliflowError(
                f"{origin}: {key}[{index}]: '{name}' is unknown{_suggest(name, known)}. To add it: {adding}"
            )


def study(config: dict[str, Any], origin: str) -> dict[str, Any]:
    """The checked config of a study, defaults filled in.

    Raises:
        DliflowError: with one line for each problem.
    """
    config = validated(config, "config", origin)
    known = frameworks.names()
    _known(config["frameworks"], known, origin, "frameworks", "docs/add-a-framework.md")
    for name in config["options"]:
        _known([name], known, origin, "options", "docs/add-a-framework.md")
    latency = config["latency"]
    if latency["mode"] == "adaptive" and latency["requests"] < latency["least"]:
        raise DliflowError(
            f"{origin}: latency.requests: {latency['requests']}: adaptive mode needs at least latency.least = "
            f"{latency['least']} to decide on. Right would be: more, or 'mode: fixed' for exactly so many"
        )
    return config


def registered(folder: Path, kind: str, name: str, origin: str, key: str) -> dict[str, Any]:
    """One entry of a registry (`config/models`, `config/datasets`), checked, with its name.

    Args:
        folder: the registry's folder, one YAML file for each entry.
        kind: `model` or `dataset`, which is also the schema's name.
        origin: where the name stands, for the message when there is no such entry.
        key: the key there.
    """
    known = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in known:
        adding = f"write {folder}/{name}.yaml (docs/add-a-{kind}.md)"
        raise DliflowError(f"{origin}: {key}: '{name}' is unknown{_suggest(name, known)}. To add it: {adding}")
    path = folder / f"{name}.yaml"
    try:
        entry = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise DliflowError(f"{path}: not valid YAML: {error}") from error
    if isinstance(entry, dict) and isinstance(entry.get("source"), str):
        entry["source"] = {"from": [{"path": entry["source"]}]}
    return {"name": name, "title": name, **validated(entry, kind, str(path))}


def _modules(package: ModuleType) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__))


def _file_name(source: dict[str, Any]) -> str:
    """The name of a model's file, as far as the entry tells."""
    first = source["from"][0]
    return str(source.get("file") or first.get("path") or first.get("url") or "")


def _format(source: dict[str, Any], origin: str) -> str:
    """The source format that the file's name ends like; the longest ending wins."""
    name = _file_name(source)
    known = {suffix: module for module in _modules(sources) for suffix in getattr(sources.load(module), "SUFFIXES", ())}
    endings = [suffix for suffix in known if name.endswith(suffix)]
    if not endings:
        formats = ", ".join(_modules(sources))
        raise DliflowError(f"{origin}: source.format: cannot be told from the name '{name}'; name one of {formats}")
    return known[max(endings, key=len)]


def _completed_source(source: dict[str, Any], origin: str) -> dict[str, Any]:
    """The source with its format, whose module exists and has all keys that it needs."""
    source = {**source, "format": source.get("format") or _format(source, origin)}
    for field, package in (("format", sources), ("architecture", architectures)):
        value = source.get(field)
        if value is not None and value not in _modules(package):
            raise DliflowError(f"{origin}: source.{field}: '{value}' is unknown{_suggest(value, _modules(package))}")
    for field in getattr(sources.load(source["format"]), "REQUIRED", ()):
        if field not in source:
            raise DliflowError(f"{origin}: source.{field}: the format {source['format']} needs this key")
    return source


def _completed_input(taken: dict[str, Any], layout: str, origin: str) -> dict[str, Any]:
    """The input with `height` and `width` for `size`, three numbers each for `mean` and `scale`, and all keys."""
    size = taken["size"]
    height, width = size if isinstance(size, list) else (size, size)
    channels = {
        key: taken[key] if isinstance(taken[key], list) else [taken[key]] * 3  # one number stands for all three
        for key in ("mean", "scale")
    }
    if 0 in channels["scale"]:
        raise DliflowError(f"{origin}: input.scale: {taken['scale']}: pixels are divided by it, so it must not be 0")
    if any(0 < value < 1 for value in channels["mean"]):
        example = [round(value * 255, 3) for value in channels["mean"]]
        raise DliflowError(
            f"{origin}: input.mean: {taken['mean']} looks like a share of 255; mean and scale are in units of pixels "
            f"from 0 to 255, so multiply both by 255 (mean: {example})"
        )
    rest = {key: value for key, value in taken.items() if key != "size"}
    crop = {"layout": layout, "resize": {"short_side": round(max(height, width) / 0.875)}}
    return {"height": height, "width": width, **crop, **rest, **channels}


def model(folder: Path, name: str, origin: str, key: str) -> dict[str, Any]:
    """A model's registry entry, completed: `docs/add-a-model.md` tells what may be left out."""
    entry = registered(folder, "model", name, origin, key)
    path = f"{folder / name}.yaml"
    source = _completed_source(entry["source"], path)
    layout = getattr(sources.load(source["format"]), "LAYOUT", "NCHW")
    return {**entry, "source": source, "input": _completed_input(entry["input"], layout, path)}


def lines(path: str, key: str) -> list[str]:
    """The lines of a file of names.

    Args:
        key: where the path stands (`config/models/x.yaml: classes`), for the message.

    Raises:
        DliflowError: when the file is missing or empty.
    """
    if not Path(path).is_file():
        raise DliflowError(f"{key}: there is no file {path}")
    names = Path(path).read_text(encoding="utf-8").split("\n")
    names = names[:-1] if names[-1] == "" else names
    if not names:
        raise DliflowError(f"{key}: {path} is empty")
    return names


def class_names(path: Path, model: str) -> list[str]:
    """The class names of a model, one on each line.

    Raises:
        DliflowError: when the file is missing or empty.
    """
    return lines(str(path), f"config/models/{model}.yaml: classes")
