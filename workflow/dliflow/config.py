"""The study's config and the registries of models and datasets, checked against their schemas.

Each problem is told with the file, the key, the value and what would be right.
"""

from __future__ import annotations

import copy
import difflib
import pkgutil
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from dliflow import architectures, frameworks, sources
from dliflow.errors import DliflowError

SCHEMAS = Path(__file__).parents[1] / "schemas"


def schema(name: str) -> dict[str, Any]:
    """A schema of `workflow/schemas`, by its name."""
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))


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
    problems = sorted(jsonschema.Draft202012Validator(described).iter_errors(value), key=lambda e: str(e.path))
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
    return {"name": name, **validated(entry, kind, str(path))}


def model(folder: Path, name: str, origin: str, key: str) -> dict[str, Any]:
    """A model's registry entry, whose source format and architecture exist too."""
    entry = registered(folder, "model", name, origin, key)
    for field, package in (("format", sources), ("architecture", architectures)):
        known = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
        value = entry["source"][field]
        if value not in known:
            raise DliflowError(f"{folder / name}.yaml: source.{field}: '{value}' is unknown{_suggest(value, known)}")
    return entry


def class_names(path: Path, model: str) -> list[str]:
    """The class names of a model, one on each line.

    Raises:
        DliflowError: when the file is missing or empty.
    """
    if not path.exists():
        raise DliflowError(f"config/models/{model}.yaml: classes: there is no file {path}")
    names = path.read_text(encoding="utf-8").split("\n")
    names = names[:-1] if names[-1] == "" else names
    if not names:
        raise DliflowError(f"config/models/{model}.yaml: classes: {path} is empty")
    return names
