"""Fetch wheels by name, version and checksum, and unpack them.

Nothing of them is run, and what they depend on does not come along.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.files import payload, replacing, write_json
from dliflow.stages.environment import uv


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--packages", type=json.loads, required=True, help="JSON list of {name, version, sha256}")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the files lie in a folder beside it")


def run(args: argparse.Namespace) -> None:
    """Unpack every package into one folder.

    Raises:
        DliflowError: when one cannot be had or its checksum is not the registered one.
    """
    with replacing(payload(args.out)) as folder:
        folder.mkdir()
        for package in args.packages:
            pin = f"{package['name']}=={package['version']}"
            wanted = folder.with_name("wanted.txt")
            wanted.write_text(f"{pin} --hash=sha256:{package['sha256']}\n", encoding="utf-8")
            platform = ["--python-platform", package["platform"]] if "platform" in package else []
            version = ["--python-version", package["python"]] if "python" in package else []
            result = uv(
                *("pip", "install", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
                *(*platform, *version, "--link-mode", "copy", "--target", str(folder), "-r", str(wanted)),
            )
            print(result.stderr, flush=True)
            if result.returncode:
                hint = (
                    "the file is not the one that is registered: do not use it, or correct sha256"
                    if "Hash mismatch" in result.stderr
                    else "is the package index that uv or pip is configured for in reach?"
                )
                raise DliflowError(f"{pin} could not be fetched; {hint}\n{result.stderr.strip()}")
        (folder / ".lock").unlink(missing_ok=True)
    write_json(args.out, {"packages": args.packages})
