"""Ask libraries for known networks, each in its own environment, and write what they tell as models' entries."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from dliflow.errors import DliflowError
from dliflow.fetching.checksums import wanted
from dliflow.files import read_json, write_text
from dliflow.machine import variables
from dliflow.study import config as configuration
from dliflow.study import environments, known
from dliflow.study.study import MODELS
from dliflow.wording import suggestion


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _run(python: str, *arguments: str) -> None:
    """Run a stage.

    Raises:
        DliflowError: with what the stage has to say.
    """
    search = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    result = subprocess.run(
        [python, "-m", "dliflow", *arguments],
        env={**os.environ, **variables.SET, "PYTHONPATH": search},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if result.returncode:
        message = result.stderr.partition(f"dliflow {arguments[0]}: error: ")[2]
        raise DliflowError((message or result.stderr).strip())


def _environment(library: str, folder: str) -> str:
    """The Python of a library's environment, which is made where it is missing: by uv, in studies with conda too.

    Args:
        folder: of the environments, as the config names it.
    """
    file = known.environment_file(library)
    marker = Path(environments.folder(file, folder), "environment.json")
    if not marker.exists():
        _say(f"Making the environment of {file}, in which {library} is asked for its networks ...")
        try:
            _run(sys.executable, "environment", "--file", str(file), "--out", str(marker))
        except DliflowError as error:
            raise DliflowError(
                f"{library}: is asked for its networks in an environment of its own, which could not be made; "
                f"models of your own need none (docs/add-a-model.md)\n{error}"
            ) from None
    return str(marker.with_name("bin") / "python")


def ask(library: str, networks: Sequence[str], folder: str, every: bool = False) -> dict[str, Any]:
    """A library's `names`, what it tells of these networks by name (`described`), and what is wrong (`problems`).

    Args:
        networks: names without the library's; those that it does not have get no answer.
        every: of all its networks.
    """
    python = _environment(library, folder)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "answer.json")
        which = ["--every"] if every else ["--network", *networks] if networks else []
        _run(python, "describe", "--library", library, "--out", str(out), *which)
        return read_json(out)


def complete(name: str, described: dict[str, Any], sha256: str = "") -> dict[str, Any]:
    """A description whose weights can be verified.

    Args:
        sha256: the user's own, which stands before the library's.

    Raises:
        DliflowError: when nobody tells a checksum of the weights.
    """
    (location,) = described["entry"]["source"]["from"]
    if sha256:
        location = {"url": location["url"], "sha256": sha256}
        described["entry"]["source"]["from"] = [location]
        described["untold"] = [line for line in described["untold"] if "checksum" not in line]
    if not wanted(location):
        why = next((line for line in described["untold"] if "checksum" in line), "the weights' checksum")
        raise DliflowError(
            f"{name}: {described['version']} does not tell {why}. Weights are used only when theirs is known. Fetch "
            f"{location['url']} in a way that you trust, and type: ./dliflow known {name} --sha256 HEX --write"
        )
    return described


def write(name: str, described: dict[str, Any], path: Path) -> None:
    """Write an entry, and the names of its classes beside it where no file of `resources/` has them.

    Raises:
        DliflowError: when it would be none, for instance since the checksum is no checksum.
    """
    names = path.with_suffix(".classes.txt")
    entry = {"classes": str(names), **described["entry"]}
    configuration.validated(entry, "model", name)
    if described["categories"]:
        write_text(names, "\n".join(described["categories"]) + "\n")
    untold = [f"# It does not tell {line}." for line in described["untold"]]
    lines = [f"# {name}, as {described['version']} tells it.", *untold]
    text = yaml.safe_dump(entry, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    write_text(path, "\n".join([*lines, text]))


def entries(names: Iterable[str], key: str, folder: str, sha256: str = "") -> dict[str, dict[str, Any]]:
    """Complete descriptions by name; what is wrong with any of them is told at once.

    Args:
        names: `LIBRARY/NETWORK`.
        key: where they stand, for the messages.

    Raises:
        DliflowError: for names that are unknown, and networks that the library does not tell enough of.
    """
    by_library: dict[str, list[str]] = {}
    for name in names:
        library, network = known.split(name, key)
        by_library.setdefault(library, []).append(network)
    described, problems = {}, []
    for library, networks in by_library.items():
        answer = ask(library, networks, folder)
        for network in networks:
            name = f"{library}/{network}"
            if network not in answer["names"]:
                more = suggestion(network, answer["names"]) if _close(network, answer["names"]) else ""
                listing = f"./dliflow known --list '{library}/*' lists those that have weights"
                problems.append(f"{key}: '{name}' is unknown to {library}{more}; {listing}")
            elif network in answer["problems"]:
                problems.append(f"{key}: {answer['problems'][network]}")
            else:
                try:
                    described[name] = complete(name, answer["described"][network], sha256)
                except DliflowError as error:
                    problems.append(f"{key}: {error}")
    if problems:
        raise DliflowError("\n".join(problems))
    return described


def _close(network: str, names: list[str]) -> bool:
    return "did you mean" in suggestion(network, names)  # else it would list a thousand


def ensure(given: dict[str, Any], origin: str) -> None:
    """Write the entries of a study's known networks that are not there yet.

    Args:
        given: the config as it was read.

    Raises:
        DliflowError: when the config is wrong, or a network's entry cannot be had.
    """
    config = configuration.study(given, origin)
    missing = [name for name in config["models"] if known.unanswered(name, MODELS, f"{origin}: models")]
    for name, described in entries(missing, f"{origin}: models", config["environments"]["folder"]).items():
        write(name, described, known.answer(name))
        _say(f"{name}: {described['version']} told its entry, {known.answer(name)}")
        for line in described["untold"]:
            _say(f"  it does not tell {line}")
