"""YAML files that people write: what is wrong with one is told with its name and the line.

A key that stands twice is refused: PyYAML would take the last one without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dliflow.errors import DliflowError
from dliflow.wording import listed


def mapping(path: Path) -> dict[Any, Any]:
    """The mapping that a YAML (or JSON) file holds at its top level.

    Raises:
        DliflowError: with the file, the line and what would be right, when the file cannot be read, is no YAML, is
            empty or holds something else, or when a key stands twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise DliflowError(f"{path}: line {line}: is no text in UTF-8") from error
    except OSError as error:
        raise DliflowError(f"{path}: cannot be read as a config: {error.strerror}") from error
    value = _json(path, text) if text.lstrip().startswith("{") else None
    if value is None:
        value = _yaml(path, text)
    if value is None:
        raise DliflowError(f"{path}: is empty; right would be lines of 'key: value'")
    if not isinstance(value, dict):
        kind = "a list" if isinstance(value, list) else "a text" if isinstance(value, str) else "a single value"
        raise DliflowError(f"{path}: line 1: holds {kind}; right would be lines of 'key: value'")
    return value


def typed(value: Any) -> Any:
    """What the command line gives, read as a file would be: inside lists and mappings Snakemake takes all for text.

    Args:
        value: as Snakemake has it; `{"in_flight": ["1", "2"]}` becomes `{"in_flight": [1, 2]}`.
    """
    if isinstance(value, Mapping):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    if not isinstance(value, str) or not value:
        return value
    try:
        scalar = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    return scalar if scalar is None or isinstance(scalar, (bool, int, float)) else value


def _json(path: Path, text: str) -> Any:
    """The value of a JSON file, in which tabs may indent; None when it is none (a YAML file may begin like one)."""
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in items]
        twice.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(items)

    try:
        value = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return None
    if twice:
        raise DliflowError("\n".join(f"{path}: the key '{key}' stands twice in one object" for key in twice))
    return value


def _yaml(path: Path, text: str) -> Any:
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        twice = [] if node is None else list(_twice(node, set()))
        if twice:
            raise DliflowError(f"{path}: keys stand twice, of which only one would count:{listed(twice)}")
        return None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        context = f" {error.context}" if error.context else ""
        begun = error.context_mark
        since = f" that begins in line {begun.line + 1}" if begun and mark and begun.line != mark.line else ""
        tab = "; indent with blanks, not with tabs" if r"'\t'" in (error.problem or "") else ""
        raise DliflowError(f"{path}: {where}not valid YAML: {error.problem}{context}{since}{tab}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DliflowError(f"{path}: line {line}: not valid YAML: {error.reason}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that is none, brackets without end
        raise DliflowError(f"{path}: not valid YAML: {error}") from error


def _twice(node: yaml.Node, seen: set[int]) -> Iterator[str]:
    """Each key of a mapping, at any depth, that stands there a second time, with the lines."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        lines: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            name, line = (key.tag, str(key.value)), key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode) and name in lines:
                yield f"line {line}: '{key.value}' stands in line {lines[name]} already"
            lines.setdefault(name, line)
            yield from _twice(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item, seen)
