"""What containers of environments are built of: a Containerfile, made of environment files and of nothing else.

It begins with the image of `containers/Containerfile`, in which the checkout and the orchestrator's environment lie,
and lets the stage `environment` make each framework's as it does without containers: by the same code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dliflow.study import environments

# In an image: where environments lie, and the orchestrator's Python.
FOLDER = "/opt/environments"
PYTHON = "/opt/dliflow/.venv/bin/python"


def python(file: Path) -> str:
    """The Python of an environment in an image."""
    return f"{environments.folder(file, FOLDER)}/bin/python"


def containerfile(files: Sequence[Path]) -> str:
    """The text of one whose image has these environments.

    Args:
        files: `envs/<name>.yaml`, relative to the checkout.
    """
    head = [
        f"# Made by `./dliflow containers` of {', '.join(map(str, files))}. Do not edit it.",
        "ARG DLIFLOW=dliflow",
        "FROM ${DLIFLOW}",
        "ARG SSL_CERT_FILE",  # as in containers/Containerfile
    ]
    return "\n".join([*head, *(line for file in files for line in _layer(file))]) + "\n"


def _layer(file: Path) -> list[str]:
    """What makes one environment. Its file and its lock are copied anew, since the image below may have older ones."""
    marker = f"{environments.folder(file, FOLDER)}/environment.json"
    locks = [lock] if (lock := environments.lock(file)).is_file() else []
    return [
        *(f"COPY {path} {path}" for path in (file, *locks)),
        f"RUN PYTHONPATH=workflow {PYTHON} -m dliflow environment --file {file} --out {marker}",
        f'LABEL dliflow.{file.stem}="{environments.digest(file)}"',
    ]
