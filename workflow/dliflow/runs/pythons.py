"""Fetch the Pythons that a study's environments need: older versions of frameworks need older ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from dliflow import conversion
from dliflow.errors import DliflowError
from dliflow.fetching import uv
from dliflow.study import config as configuration
from dliflow.study import environments

PATIENCE_S = 300


def fetch(given: dict[str, Any], origin: str) -> None:
    """Let uv fetch what is not installed. Where it cannot, that is told, and the plan skips what needs it.

    Args:
        given: the config as it was read.

    Raises:
        DliflowError: when the config is wrong, or an environment file.
    """
    config = configuration.study(given, origin)
    named, kinds = config["frameworks"], config["precisions"]
    used = {*named, *(conversion.converter(name, kind) for name in named for kind in kinds)}
    files = [Path(f"envs/{name}.yaml") for name in used]
    for version in sorted(environments.unmade_pythons(files, config["environments"]["folder"])):
        if not uv.has_python(version):
            _say(f"Fetching Python {version} ...")
            problem = _fetched(version)
            if problem:
                _say(f"Python {version} could not be fetched; what needs it is skipped. {problem}")


def _fetched(version: str) -> str:
    """Fetch a version; what went wrong in a line, or '' where nothing did."""
    try:
        result = uv.run("python", "install", version, timeout=PATIENCE_S)
    except (DliflowError, subprocess.TimeoutExpired) as error:
        return str(error)
    told = result.stderr.strip().splitlines() or [f"uv ended with status {result.returncode}"]
    return told[-1] if result.returncode else ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
