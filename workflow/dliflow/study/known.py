"""Known networks by name, `LIBRARY/NETWORK` in a study's `models`: what their entries are called and where they lie.

A library is asked once (`runs/known.py`). Its answer lies in `results/known`, under a digest of the library's pins and
of the code that asks it; an entry of the same name in `config/models` stands before it.
"""

from __future__ import annotations

import re
from pathlib import Path

from dliflow import libraries
from dliflow.errors import DliflowError
from dliflow.files import digest
from dliflow.study import environments, paths, source_code
from dliflow.wording import suggestion


def is_known(name: str) -> bool:
    """Whether a model's name is that of a library's network."""
    return "/" in name


def plain(name: str) -> str:
    """What the model is called in paths and tables: `torchvision-resnet50`."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)


def split(name: str, key: str) -> tuple[str, str]:
    """The library and the network of a name.

    Args:
        key: where the name stands, for the message.

    Raises:
        DliflowError: when there is no such library.
    """
    library, _, network = name.partition("/")
    if library not in libraries.names():
        raise DliflowError(
            f"{key}: '{name}': there is no library '{library}'{suggestion(library, libraries.names())}; a name with a "
            "slash is LIBRARY/NETWORK; that of a file in config/models has none"
        )
    return library, network


def environment_file(library: str, root: Path = Path()) -> Path:
    """The file of the environment in which a library is asked.

    Args:
        root: the checkout.
    """
    return root / f"envs/{libraries.load(library).ENVIRONMENT}.yaml"


def answer(name: str, root: Path = Path()) -> Path:
    """Where the entry lies that the library's answer was made into."""
    library = name.partition("/")[0]
    asked = digest([environments.digest(environment_file(library, root)), source_code.digest(f"libraries.{library}")])
    return root / paths.KNOWN.format(model=plain(name), digest=asked)


def registered(name: str, folder: Path) -> Path:
    """Where an entry lies that the user has, or would have, for the network.

    Args:
        folder: the registry of models.
    """
    return folder / f"{plain(name)}.yaml"


def _places(name: str, folder: Path) -> tuple[Path, Path]:
    return registered(name, folder), answer(name, folder.parents[1])  # config/models lies in the checkout


def unanswered(name: str, folder: Path, key: str) -> bool:
    """Whether a name is that of a known network whose library was not asked yet.

    Raises:
        DliflowError: when there is no such library.
    """
    return is_known(name) and bool(split(name, key)) and not any(path.exists() for path in _places(name, folder))


def entry(name: str, folder: Path, key: str) -> Path:
    """The entry that counts: the user's, else the library's answer.

    Raises:
        DliflowError: when there is none, since the library was not asked yet.
    """
    split(name, key)
    for path in _places(name, folder):
        if path.exists():
            return path
    raise DliflowError(f"{key}: '{name}': its library was not asked for it yet; type: ./dliflow known {name}")
