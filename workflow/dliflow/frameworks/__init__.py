"""What runs a converted model: one file for each framework. The file's name is the framework's name in the config.

A framework may be named with a version, `openvino@2025.3`: `envs/openvino@2025.3.yaml` pins that version, the code is
that of all versions. So a file here has to work with every version that there is an environment of.

What makes the model is a file of the same name in `conversion/`, and nothing here, or of what measures, imports that:
a measurement depends on the code that runs the model, not on the code that converted it.

To add a framework, add `envs/<name>.yaml`, `conversion/<name>.py`, and `frameworks/<name>.py` with these names;
nothing is registered. Names of the converted files are constants here (`MODEL = "model.onnx"`).

`VARIANTS: tuple[str, ...]` (optional; default `("default",)`)
    Ways of running a model that deserve rows of their own, in every study.

`MORE_VARIANTS: dict[str, tuple[str, ...]]` (optional)
    Further ways, for studies whose config names them in `variants`; for each the precisions that it has, on CPUs.

`THREADS: Option`
    The number of compute threads: which ones are worth trying, and the line that sets it.

`OPTIONS: dict[str, Option]`
    The options of the config's `options.<framework>`, by name; `{}` for none. They are checked before anything runs.
    Threads and options together are the framework's *space*; *settings* are what differs from its defaults.

`TOGETHER: tuple[tuple[str, ...], ...]` (optional)
    Parameters of the space that bear on each other, so that changing several of them at once is worth trying.

`valid(settings, processors, *, precision, variant, batch_size) -> bool` (optional)
    Whether settings make sense there. It drops those without effect, and those that only make sense with another.

`version() -> str`
    The version of the framework that is installed; it imports the framework, and the time it takes is `import_ms`.

`supports(precision: str, device: str) -> str | None`
    None, or the reason why the framework cannot do it on any machine. Asked when the workflow is planned,
    in the orchestrator's environment: it must not import the framework. What only the target machine can
    tell is answered by `unavailable`, or raised as `errors.Skip` by `load` or the conversion.

`load(model: Path, *, precision, variant, device, batch_size, threads, options) -> Session`
    `model` is the folder that the conversion filled. `threads` is a number, or None for the framework's own
    default. `options` is the config's `options.<framework>`; `take_options` fills in the defaults.

`unavailable(precision: str, device: str, variant: str) -> str | None` (optional)
    None, or the reason why this machine cannot do it, or this variant cannot: asked there, also outside of the
    framework's environment, so that a configuration that is skipped costs no time. It must not import the framework.

`CONCURRENT: str` (optional; default `"processes"`)
    How its users have several requests in flight at a time: `"threads"` call one session, `"sessions"`: threads with a
    session each, `"processes"`: each on processors of its own, where a framework has no better.

`concurrent(model: Path, *, precision, variant, device, batch_size, threads, options, in_flight) -> Queue` (optional)
    In place of it, where the framework has a queue of requests itself: one with so many slots, loaded as its users
    load it for throughput.

`environment(threads: int | None, options: dict) -> dict[str, str]` (optional)
    Environment variables to be set before the framework is imported, or, those that only count then, when the
    process starts (`variables.AT_START`). It is asked on other machines too.

The framework's own package is imported inside these functions only.
"""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Optional, Protocol

import numpy as np

from dliflow import rooms
from dliflow.configuration import family as family  # which others ask for here
from dliflow.errors import DliflowError, Skip
from dliflow.machine.facts import Processors


@dataclass(frozen=True)
class Option:
    """A launch option of a framework.

    Attributes:
        type: bool, int, float (whole numbers are taken too) or str.
        default: what holds where the config does not tell; None is the framework's own choice, which the config may
            then name as null.
        meaning: what the option does, for messages.
        minimum, maximum: bounds of a number.
        choices: the values that are taken; () for all.
        tried: the values worth trying on a machine, when launch parameters are looked for; those that the machine
            cannot have are left out. None where it is not tried.
        arithmetic: whether another value may change scores, so that quality has to be looked at again.
        another_way: whether people would call it another way of running the framework, as a variant is; see
            docs/launch-parameters.md.
        device: the only one that it is for, and is tried on; None for all.
        code: the lines that set it in a user's own program, with `{value}` for the value as Python writes it and
            `{text}` for its text alone. The names in it are those of the framework's file in `deployment/`.
    """

    type: type
    default: Any
    meaning: str
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    choices: tuple[Any, ...] = ()
    tried: Optional[Callable[[Processors], Iterable[Any]]] = None
    arithmetic: bool = False
    another_way: bool = False
    device: Optional[str] = None
    code: str = ""


class Session(Protocol):
    """A loaded model, ready for requests."""

    threads: Optional[int]
    """Compute threads in effect, as the framework itself tells; None where it has no say."""

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """One request: C-contiguous float32 (batch, *input shape*) in, float32 (batch, scores) out.

        A model that runs as it is gets the dtype and layout of its entry; its scores are float32 all the same.
        The scores lie in host memory when it returns. This call is what is timed.
        """


class Queue(Protocol):
    """A loaded model of which several requests are in flight at a time, one in each slot."""

    threads: Optional[int]
    """Compute threads in effect, of all slots together; None where the framework has no say."""

    def free(self) -> int:
        """Wait until a slot is free, and tell which."""

    def start(self, batch: np.ndarray, done: Callable[[np.ndarray], None]) -> None:
        """Begin a request in the slot that `free` has told of, and return.

        `done` is called once with the scores, float32 (batch, scores) of the caller's own in host memory; in another
        thread, and before the slot is free again.
        """

    def wait(self) -> None:
        """Until all slots are free; raises what went wrong in one."""


def names() -> list[str]:
    """Every framework that has a file here."""
    return rooms.modules(__path__)


NAME = r"[a-z0-9_]+(?:@[a-z0-9_.]+)?"
"""A regular expression of a framework's name, with a version or without; it stands in paths."""


def line(name: str) -> str:
    """Of what a name tells the version: `openvino` of `openvino` and `openvino@2025.3`, which are older and newer.

    What has no digit behind its `@` is another build, `onnxruntime@cuda`. It is neither, and so a line by itself.
    """
    return name if re.search(r"@\D", name) else family(name)


def age(name: str) -> tuple[bool, list[int]]:
    """What sorts the names of a line, the newest last: by the numbers of the version, today's (without one) last."""
    version = name.partition("@")[2]
    return not version, [int(number) for number in re.findall(r"\d+", version)]


def load(name: str) -> ModuleType:
    """The module of a framework, by its name, with a version or without."""
    if family(name) not in names():
        raise DliflowError(f"unknown framework '{name}'; there are {', '.join(names())}")
    return importlib.import_module(f"dliflow.frameworks.{family(name)}")


def variants(name: str, named: Optional[Mapping[str, Iterable[str]]] = None) -> tuple[str, ...]:
    """The variants of a framework that a study has.

    Args:
        named: the config's `variants`; None for those that every study has.
    """
    usual = getattr(load(name), "VARIANTS", ("default",))
    return tuple((named or {}).get(name, (named or {}).get(family(name), usual)))


def more_variants(name: str) -> dict[str, tuple[str, ...]]:
    """The variants of a framework that a study has only where its config names them, and the precisions of each."""
    return getattr(load(name), "MORE_VARIANTS", {})


def concurrency(name: str) -> str:
    """How several requests of a framework are in flight at a time: `queue`, `threads`, `sessions` or `processes`."""
    module = load(name)
    return "queue" if hasattr(module, "concurrent") else getattr(module, "CONCURRENT", "processes")


def options(name: str) -> dict[str, Option]:
    """The launch options that a framework knows."""
    return getattr(load(name), "OPTIONS", {})


def right(option: Option) -> str:
    """What would be a right value of an option."""
    if option.choices:
        text = " or ".join(map(str, option.choices))
    else:
        text = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[option.type]
    least = "" if option.minimum is None else f" of at least {option.minimum:g}"
    most = "" if option.maximum is None else f" of at most {option.maximum:g}"
    null = ", or null for the framework's own choice" if option.default is None else ""
    return text + " and".join(bound for bound in (least, most) if bound) + null


def fits(value: Any, option: Option) -> bool:
    """Whether an option can have a value."""
    if value is None:
        return option.default is None
    kinds: tuple[Any, ...] = (int, float) if option.type is float else (option.type,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and option.type is not bool):
        return False
    if option.choices and value not in option.choices:
        return False
    below = option.minimum is not None and not value >= option.minimum  # NaN is below everything
    return not below and not (option.maximum is not None and not value <= option.maximum)


def known_ones(word: str, known: Iterable[str]) -> str:
    """The end of a message on an unknown word."""
    return f"; known ones: {', '.join(known) or 'none'}"


def wrong_options(
    name: str, given: dict[str, Any], hint: Callable[[str, Iterable[str]], str] = known_ones
) -> Iterator[str]:
    """Each problem with a framework's part of the config's `options`: key, value, what would be right.

    Args:
        hint: ends the message on an option that is unknown.
    """
    known = options(name)
    for key, value in given.items():
        if key not in known:
            yield f"options.{name}.{key}: unknown option{hint(str(key), known)}"
        elif not fits(value, known[key]):
            yield f"options.{name}.{key}: {value!r}. Right would be: {right(known[key])} ({known[key].meaning})"


def take_options(framework: str, given: dict[str, Any], device: Optional[str] = None) -> dict[str, Any]:
    """The launch options with the defaults filled in.

    Args:
        device: what is about to run; None for what is the same on all.

    Raises:
        DliflowError: for an option that the framework does not know, or a value that it cannot have.
        Skip: for one that is for another device: without effect it would be in the record all the same.
    """
    problems = list(wrong_options(framework, given))
    if problems:
        raise DliflowError("\n".join(problems))
    known = options(framework)
    for key, value in given.items():
        if device and known[key].device not in (None, device) and value != known[key].default:
            there, here = ("on the CPU" if one == "cpu" else "on a GPU" for one in (known[key].device, device))
            raise Skip(f"options.{framework}.{key}: {value} is for rows {there}; this one is {here}")
    return {**{key: option.default for key, option in known.items()}, **given}


def space(name: str) -> dict[str, Option]:
    """Everything that can be set in a framework, by name: `threads`, and its options."""
    return {"threads": load(name).THREADS, **options(name)}


def settings(name: str, threads: Optional[int], given: dict[str, Any]) -> dict[str, Any]:
    """What of threads and options differs from the framework's defaults, in the order of its space.

    Args:
        given: the config's `options.<framework>`.
    """
    asked = {"threads": threads, **take_options(name, given)}
    return {key: asked[key] for key, parameter in space(name).items() if asked[key] != parameter.default}


def apart(chosen: dict[str, Any]) -> tuple[Optional[int], dict[str, Any]]:
    """Threads and options of settings, as `load` takes them."""
    return chosen.get("threads"), {key: value for key, value in chosen.items() if key != "threads"}


def code(name: str, chosen: dict[str, Any]) -> list[str]:
    """The lines that make settings in a user's own program, in the order of the space."""
    lines = []
    for key, parameter in space(name).items():
        if key in chosen:
            text = parameter.code.replace("{value}", repr(chosen[key])).replace("{text}", str(chosen[key]))
            lines += text.splitlines()
    return lines


def values(name: str, processors: Processors, device: str = "cpu") -> dict[str, list[Any]]:
    """The values that are worth trying on a machine, beside the default, for each parameter that has some."""
    every = {
        key: [value for value in parameter.tried(processors) if value != parameter.default]
        for key, parameter in space(name).items()
        if parameter.tried is not None and parameter.device in (None, device)
    }
    return {key: tried for key, tried in every.items() if tried}


def valid(
    name: str, chosen: dict[str, Any], precision: str, variant: str, batch_size: int, processors: Processors
) -> bool:
    """Whether settings make sense for a configuration, on a machine."""
    if (chosen.get("threads") or 0) > processors.cpus:
        return False
    rule = getattr(load(name), "valid", None)
    return rule is None or rule(chosen, processors, precision=precision, variant=variant, batch_size=batch_size)


def candidates(
    name: str, precision: str, variant: str, batch_size: int, processors: Processors, device: str = "cpu"
) -> list[dict[str, Any]]:
    """All settings worth trying: the defaults (`{}`), then one parameter changed, then those that go together.

    The order is that of the space, so that who takes the first ones only has changed each parameter alone.
    """
    tried = values(name, processors, device)
    groups = [
        keys
        for together in getattr(load(name), "TOGETHER", ())
        for size in range(2, len(together) + 1)
        for keys in itertools.combinations([key for key in tried if key in together], size)
    ]
    every: list[dict[str, Any]] = [{}]
    for keys in sorted([*((key,) for key in tried), *groups], key=len):
        for chosen in itertools.product(*(tried[key] for key in keys)):
            one = dict(zip(keys, chosen))
            if one not in every and valid(name, one, precision, variant, batch_size, processors):
                every.append(one)
    return every


def counts(most: int) -> list[int]:
    """Numbers of threads worth trying, up to so many: powers of two, and that number itself."""
    return sorted({most, *(1 << power for power in range(most.bit_length()) if 1 << power <= most)})
