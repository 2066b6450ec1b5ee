"""The study's config and the registries of models and datasets, checked against their schemas.

Each problem is told with the file, the key, the value and what would be right.
"""

from __future__ import annotations

import contextlib
import copy
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Optional

import jsonschema
import numpy as np
import referencing
import yaml

from dliflow import architectures, building, frameworks, rooms, sources
from dliflow.errors import DliflowError
from dliflow.fetching.archive import is_archive
from dliflow.fetching.download import file_name
from dliflow.study import environments, known, yaml_files
from dliflow.wording import suggestion

SCHEMAS = Path(__file__).parents[2] / "schemas"
LOCAL = "local"  # what this machine is called where the config names none
LONGEST_NAME = 100  # of a registry's entry: names of files, of 255 letters at most, are made of it and of others
DEEPEST = 20  # mappings and lists inside of each other


@cache
def schema(name: str) -> dict[str, Any]:
    """A schema of `workflow/schemas`, by its name; it is shared, and must not be changed."""
    return yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text(encoding="utf-8"))


def _pattern(validator: Any, pattern: str, value: Any, of: Any) -> Iterator[jsonschema.ValidationError]:
    """The keyword `pattern` as the standard means it: Python's `$` stands before a line break at the end, too."""
    if isinstance(value, str) and re.search(pattern.replace("$", r"\Z"), value) is None:
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


VALIDATOR = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"pattern": _pattern})


def _validator(name: str) -> Any:
    shared = referencing.Resource.from_contents(schema("files"))
    registry = referencing.Registry().with_resource("files.schema.yaml", shared)
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return VALIDATOR(schema(name), registry=registry, format_checker=checker)


def _key(path: list[Any]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "(top level)"


def _unknown(key: str, value: dict[str, Any], known: list[str]) -> Iterator[str]:
    for name in value:
        if name not in known:
            yield f"{key}: unknown key '{name}'{suggestion(str(name), known)}"


def _explain(error: Any) -> Iterator[str]:
    """A problem, or the problems that stand behind it, each as `key: value: what would be right`."""
    key = _key(list(error.absolute_path))
    hint = error.schema.get("description", "") if isinstance(error.schema, dict) else ""
    if error.validator == "additionalProperties":
        yield from _unknown(key, error.instance, sorted(error.schema.get("properties", {})))
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield f"{key}: the key '{name}' is missing"
    elif error.validator == "enum":
        known = [str(value) for value in error.validator_value]
        yield f"{key}: {error.instance!r} is unknown{suggestion(str(error.instance), known)}"
    elif error.validator in ("oneOf", "anyOf"):
        inner = list(_alternative(key, error))
        yield from inner or [f"{key}: {error.instance!r} is not valid. Right would be: {hint}"]
    else:
        value = repr(error.instance)
        problem = f"{value}: {error.message.removeprefix(f'{value} ')}"  # with which jsonschema's messages begin
        message = f"{key}: {'is empty' if error.instance is None else problem}"
        yield f"{message}. Right would be: {hint}" if hint else message


def _alternative(key: str, error: Any) -> Iterator[str]:
    """What is wrong with a mapping that fits none of its alternatives, as far as it is plain which one is meant."""
    if not isinstance(error.instance, dict):
        return
    properties = [set(branch.get("properties", {})) for branch in error.validator_value]
    known = sorted(set().union(*properties))
    unknown = list(_unknown(key, error.instance, known)) if known else []
    if unknown:
        yield from unknown
        return
    fitting = [index for index, names in enumerate(properties) if names and set(error.instance) <= names]
    if len(fitting) == 1:
        for cause in error.context:
            if cause.relative_schema_path[0] == fitting[0] and cause.relative_path:
                yield from _explain(cause)


def _fill_defaults(value: Any, described: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, entry in described.get("properties", {}).items():
            if "default" in entry:
                value.setdefault(key, copy.deepcopy(entry["default"]))
            if key in value:
                _fill_defaults(value[key], entry)
    elif isinstance(value, list):
        for item in value:
            _fill_defaults(item, described.get("items", {}))


def validated(value: Any, schema_name: str, origin: str) -> Any:
    """A copy of `value` with the schema's defaults filled in.

    Raises:
        DliflowError: naming `origin`, the key, the value and what would be right, for every problem found.
    """
    _raise(origin, _no_json(value, []))
    value = copy.deepcopy(value)
    described = schema(schema_name)
    _fill_defaults(value, described)
    errors = sorted(_validator(schema_name).iter_errors(value), key=lambda e: str(e.path))
    _raise(origin, (problem for error in errors for problem in _explain(error)))
    return value


def _no_json(value: Any, path: list[Any]) -> Iterator[str]:
    """What YAML can say and no config means: keys that are no texts, endless numbers, dates, lists in themselves."""
    if len(path) > DEEPEST:
        yield f"{_key(path[:3])}: is nested without end"
    elif isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(key, str):
                yield from _no_json(inner, [*path, key])
            else:
                yield f"{_key(path)}: the key {key!r} is no text; write it in quotes"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _no_json(inner, [*path, index])
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{_key(path)}: {value} is no number that can be meant here"
    elif not isinstance(value, (str, int, float, bool, type(None))):
        yield f"{_key(path)}: {value!r} is neither a text nor a number; write it in quotes"


def _raise(origin: str, problems: Iterable[str]) -> None:
    messages = dict.fromkeys(f"{origin}: {problem}" for problem in problems)
    if messages:
        raise DliflowError("\n".join(messages))


def together(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """The results of all calls.

    Raises:
        DliflowError: with the messages of all that fail.
    """
    results, problems = [], []
    for call in calls:
        try:
            results.append(call())
        except DliflowError as error:
            problems.append(str(error))
    if problems:
        raise DliflowError("\n".join(dict.fromkeys(problems)))
    return results


def readable(files: Iterable[str | Path]) -> None:
    """Refuse config files that are no YAML, or in which a key stands twice; whether they exist is not asked here."""
    together(partial(yaml_files.mapping, Path(file)) for file in files if Path(file).exists())


def given(files: Iterable[Path]) -> dict[str, Any]:
    """What several config files say together, the later ones first, as Snakemake reads them.

    Raises:
        DliflowError: when a file is missing, is no YAML, or holds what is no config.
    """
    config: dict[str, Any] = {}
    for file in files:
        config = merged(config, yaml_files.mapping(file))
    return config


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Mappings are merged and everything else is replaced, as Snakemake does with several config files."""
    result = copy.copy(base)
    for key, value in changes.items():
        inner = isinstance(value, dict) and isinstance(base.get(key), dict)
        result[key] = merged(base[key], value) if inner else value
    return result


def of_files(files: Sequence[Path], checkout: Path) -> dict[str, Any]:
    """The checked config of a checkout's default study with the changes of these files, wherever both lie.

    Raises:
        DliflowError: when a file is missing, is no YAML, or holds what is no config.
    """
    origin = ", ".join(map(str, files)) or "config/config.yaml"
    return study(given([checkout / "config/config.yaml", *files]), origin, checkout)


def _misfits(config: dict[str, Any], checkout: Path) -> Iterator[str]:
    """What no schema can tell of a study."""
    named = {f"frameworks[{index}]": name for index, name in enumerate(config["frameworks"])}
    for key, name in {**named, **{f"options.{name}": name for name in config["options"]}}.items():
        unknown = _unknown_framework(name, checkout)
        if unknown:
            yield f"{key}: {unknown}"
        elif key not in named:
            yield from frameworks.wrong_options(name, config["options"][name], suggestion)
    yield from _misfit_variants(config, checkout)
    for name, place in config["cpp"].items():
        if place not in (None, building.BUILD) and not (checkout / place).is_dir():
            yield f"cpp.{name}: there is no folder {place}; right would be {building.BUILD}, or one with its library"
    goal, sizes = config["goal"], config["latency"]["batch_sizes"]
    if goal["loss"] is not None and goal["disagreement"] is not None:
        yield "goal.disagreement: goal.loss is set, too, and one of them bounds quality; set the other one to null"
    if goal["objective"] == "throughput":
        sizes = config["throughput"]["batch_sizes"]
        if not config["throughput"]["in_flight"]:
            yield "goal.objective: throughput is not measured; set throughput.in_flight, such as [1, 2, 4]"
    if goal["batch_size"] not in (None, *sizes):
        known_sizes = ", ".join(map(str, sizes))
        yield f"goal.batch_size: {goal['batch_size']} is not measured; there are {known_sizes}"
    tunable = {key: config[key] for key in ("frameworks", "precisions")}
    for key, whole in {**tunable, "batch_sizes": config["latency"]["batch_sizes"]}.items():
        for index, value in enumerate((config["tune"] or {}).get(key) or []):
            if value not in whole:
                yield f"tune.{key}[{index}]: {value!r} is not in the study; name some of {', '.join(map(str, whole))}"
    if config["agreement"]["dataset"] == config["dataset"]:
        yield f"agreement.dataset: '{config['dataset']}' is the study's dataset; name one of other images, or null"
    yield from _misfit_profiles(config)


def _misfit_variants(config: dict[str, Any], checkout: Path) -> Iterator[str]:
    """Entries of `variants` that name no framework, or what it does not have."""
    for name, chosen in config["variants"].items():
        unknown = _unknown_framework(name, checkout)
        if unknown:
            yield f"variants: {unknown}"
            continue
        known_ones = [*frameworks.variants(name), *frameworks.more_variants(name)]
        for index, variant in enumerate(chosen):
            if variant not in known_ones:
                yield f"variants.{name}[{index}]: '{variant}' is unknown{suggestion(variant, known_ones)}"


def _unknown_framework(name: str, checkout: Path) -> Optional[str]:
    """Why a framework's name, with a version or without, can stand in no config."""
    known, family = frameworks.names(), frameworks.family(name)
    if family not in known:
        return f"'{name}' is unknown{suggestion(family, known, 'docs/add-a-framework.md')}"
    there = environments.names(family, checkout)
    if "@" not in name or name in there:
        return None
    if not re.fullmatch(frameworks.NAME, name):
        return f"'{name}' has no version behind its @, such as 1.2: small letters, digits, dots and underscores"
    return (
        f"'{name}' has no environment file {environments.FOLDER}/{name}.yaml; there are {', '.join(there) or 'none'}. "
        "To add it: docs/upgrades.md"
    )


def _misfit_profiles(config: dict[str, Any]) -> Iterator[str]:
    """Entries of `profile` that name what the study does not have."""
    models = [known.plain(name) for name in config["models"]]
    for index, entry in enumerate(config["profile"]):
        of_study = {"framework": config["frameworks"], "precision": config["precisions"], "device": config["devices"]}
        known_one = frameworks.family(entry["framework"]) in frameworks.names()
        variants = frameworks.variants(entry["framework"], config["variants"]) if known_one else ()
        for key, names in {**of_study, "model": models, "variant": variants}.items():
            if entry[key] not in (None, *names):
                yield f"profile[{index}].{key}: '{entry[key]}' is not of this study{suggestion(entry[key], names)}"


def study(config: dict[str, Any], origin: str, checkout: Path = Path()) -> dict[str, Any]:
    """The checked config of a study, defaults filled in.

    Args:
        origin: where it stands, for messages.
        checkout: whose environment files say which versions there are.

    Raises:
        DliflowError: with one line for each problem.
    """
    config = _with_nodes(config, origin)
    config = validated({**config, "tune": _switched(config.get("tune", False))}, "config", origin)
    for entry in config["profile"]:
        entry["model"] = entry["model"] and known.plain(entry["model"])
    _raise(origin, _misfits(config, checkout))
    return config


def _with_nodes(config: dict[str, Any], origin: str) -> dict[str, Any]:
    """`node: NAME` is short for one node. Beside `nodes` it picks one of them, as on the command line."""
    if "node" not in config:
        return config
    name, several = config["node"], config.get("nodes", [LOCAL])
    if not isinstance(several, list):
        return {key: value for key, value in config.items() if key != "node"}  # the schema tells what is wrong with it
    if several != [LOCAL] and name not in several:
        named = ", ".join(map(str, several))
        raise DliflowError(f"{origin}: node: {name!r} is none of nodes: [{named}]; name one of them, or leave it out")
    return {**{key: value for key, value in config.items() if key != "node"}, "nodes": [name]}


def _switched(tune: Any) -> Any:
    """`on` is a mapping in which nothing differs; on the command line, `on` and `off` are texts."""
    known = {"off": False, "on": {}, True: {}}
    return known.get(tune, tune) if isinstance(tune, (str, bool)) else tune


def registered(
    folder: Path, kind: str, name: str, origin: str, key: str, guide: str = "docs/add-a-{}.md"
) -> dict[str, Any]:
    """One entry of a registry (`config/models`, `config/datasets`, `config/nodes`), checked, with its name.

    Args:
        folder: the registry's folder, one YAML file for each entry.
        kind: `model`, `dataset` or `node`, which is also the schema's name.
        origin: where the name stands, for the message when there is no such entry.
        key: the key there.
        guide: the page that says how an entry is written.
    """
    there = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in there:
        adding = f"write {folder}/{name}.yaml ({guide.format(kind)})"
        raise DliflowError(f"{origin}: {key}: '{name}' is unknown{suggestion(name, there, adding)}")
    if len(name) > LONGEST_NAME:
        raise DliflowError(
            f"{origin}: {key}: '{name}' has {len(name)} letters, and files are called after it; right would be "
            f"{LONGEST_NAME} at most"
        )
    return _entry(folder / f"{name}.yaml", kind, name)


def _entry(path: Path, kind: str, name: str) -> dict[str, Any]:
    """What the file of an entry holds, checked, with its name and the file's."""
    entry = yaml_files.mapping(path)
    if isinstance(entry.get("source"), str):
        entry["source"] = {"from": [{"path": entry["source"]}]}
    return {"name": name, "file": str(path), "title": name, **validated(entry, kind, str(path))}


def _file_names(source: dict[str, Any]) -> list[str]:
    """What the model's file is called, as far as the entry tells; by several locations perhaps differently."""
    if "file" in source:
        return [source["file"]]
    names = [file_name(place["url"]) if "url" in place else place.get("path", "") for place in source["from"]]
    return [name for name in names if name and not is_archive(name)]


def _format(source: dict[str, Any], origin: str) -> str:
    """The source format that the file's name ends like; the longest ending wins."""
    known = {
        suffix: module
        for module in rooms.modules(sources.__path__)
        for suffix in getattr(sources.load(module), "SUFFIXES", ())
    }
    names = _file_names(source)
    if not names:
        raise DliflowError(
            f"{origin}: source.file: is missing; name the model's path inside the archive or the packages"
        )
    formats = {}
    for name in names:
        endings = [suffix for suffix in known if name.endswith(suffix)]
        formats[name] = known[max(endings, key=len)] if endings else None
    problem = ""
    if len(set(formats.values())) > 1:
        guesses = ", ".join(f"{name} by {format or 'no known format'}" for name, format in formats.items())
        problem = f"the locations differ in it: {guesses}"
    elif None in formats.values():
        problem = f"cannot be told from the name '{names[0]}'"
    if problem:
        raise DliflowError(
            f"{origin}: source.format: {problem}; name one of {', '.join(rooms.modules(sources.__path__))}"
        )
    return str(next(iter(formats.values())))


def _completed_source(source: dict[str, Any], origin: str) -> dict[str, Any]:
    """The source with its format, whose module exists and has all keys that it needs."""
    source = {**source, "format": source.get("format") or _format(source, origin)}
    if "output" in source:
        source["output"] = str(source["output"])
    problems = []
    for field, package in (("format", sources), ("architecture", architectures)):
        value, known = source.get(field), rooms.modules(package.__path__)
        if value is not None and value not in known:
            problems.append(f"source.{field}: '{value}' is unknown{suggestion(value, known)}")
    _raise(origin, problems)
    for field in getattr(sources.load(source["format"]), "REQUIRED", ()):
        if field not in source:
            problems.append(f"source.{field}: the format {source['format']} needs this key")
    if "architecture" in source:
        with contextlib.suppress(ImportError, AttributeError):  # one that needs its framework is asked where that is
            problems += architectures.wrong_options(source["architecture"], source["options"])
    _raise(origin, problems)
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
    small = [value for value in channels["scale"] if 0 < value < 1]
    if small and taken["dtype"] == "float32":
        raise DliflowError(
            f"{origin}: input.scale: {taken['scale']}: pixels from 0 to 255 are divided by it, so it is not below 1: "
            f"as a share of 255 {small[0]:g} is {small[0] * 255:g} here, as a factor {1 / small[0]:g}"
        )
    if taken["dtype"] in ("int8", "int16"):
        limits = np.iinfo(taken["dtype"])
        ends = [
            (pixel - mean) / scale for mean, scale in zip(channels["mean"], channels["scale"]) for pixel in (0, 255)
        ]
        if min(ends) < limits.min - 1 or max(ends) > limits.max + 1:
            raise DliflowError(
                f"{origin}: input.dtype: {taken['dtype']}: (pixel - mean) / scale goes from {min(ends):g} to "
                f"{max(ends):g}, beyond {limits.min} to {limits.max}; for pixels - 128 write mean: 128, scale: 1"
            )
    rest = {key: value for key, value in taken.items() if key != "size"}
    crop = {"layout": layout, "resize": {"short_side": round(max(height, width) / 0.875)}}
    completed = {"height": height, "width": width, **crop, **rest, **channels}
    _check_crop(completed["resize"], max(height, width), origin)
    return completed


def _check_crop(resize: Any, longest: int, origin: str) -> None:
    """Refuse a short side from which the model's input cannot be cut; Pillow would fill it up with black."""
    short_side = resize.get("short_side", longest) if isinstance(resize, dict) else longest
    if short_side < longest:
        raise DliflowError(
            f"{origin}: input.resize.short_side: {short_side} is smaller than input.size: {longest}, which is cut "
            f"out of the resized image; set it to {longest} or more, or set resize: squash"
        )


def model(folder: Path, name: str, origin: str, key: str) -> dict[str, Any]:
    """A model's registry entry, completed: `docs/add-a-model.md` tells what may be left out."""
    if known.is_known(name):
        entry = _entry(known.entry(name, folder, f"{origin}: {key}"), "model", known.plain(name))
    else:
        entry = registered(folder, "model", name, origin, key)
    path = entry["file"]
    source = _completed_source(entry["source"], path)
    layout = getattr(sources.load(source["format"]), "LAYOUT", "NCHW")
    return {**entry, "source": source, "input": _completed_input(entry["input"], layout, path)}


def models(folder: Path, names: list[str], origin: str) -> dict[str, dict[str, Any]]:
    """The study's models, by what they are called in paths; what is wrong with any of them is told at once."""
    entries = together(partial(model, folder, name, origin, f"models[{i}]") for i, name in enumerate(names))
    return {entry["name"]: entry for entry in entries}


def datasets(folder: Path, names: dict[str, str], origin: str) -> dict[str, dict[str, Any]]:
    """Datasets by name, which are given by the keys where they stand."""
    entries = together(partial(registered, folder, "dataset", name, origin, key) for key, name in names.items())
    return dict(zip(names.values(), entries))


def lines(path: str, key: str) -> list[str]:
    """The lines of a file of names.

    Args:
        key: where the path stands (`config/models/x.yaml: classes`), for the message.

    Raises:
        DliflowError: when the file is missing or empty.
    """
    if not Path(path).is_file():
        raise DliflowError(f"{key}: there is no file {path}")
    try:
        names = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise DliflowError(f"{key}: {path} is no text in UTF-8: {error}") from error
    while names and not names[-1].strip():
        names.pop()
    if not names:
        raise DliflowError(f"{key}: {path} is empty")
    if names[0].lstrip().startswith(("{", "[") if path.endswith(".json") else "{"):
        raise DliflowError(
            f"{key}: {path} is JSON or Python; a text with one name on each line is wanted, in class order"
        )
    return names


def class_names(path: Path, entry: str) -> list[str]:
    """The class names of a model, one on each line.

    Raises:
        DliflowError: when the file is missing or empty.
    """
    return lines(str(path), f"{entry}: classes")
