"""Add a finished study to a collection, a folder that keeps studies by machine: docs/collection.md.

Nothing in a collection is overwritten, and publishing a study again changes nothing.

Exit status: 0 when the study is in the collection, 2 when it cannot be.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.collection import publish
from dliflow.commands import CHECKOUT


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("collection", type=Path, metavar="COLLECTION", help="folder; made where there is none")
    parser.add_argument(
        "study",
        type=Path,
        nargs="?",
        default=CHECKOUT,
        metavar="STUDY",
        help="the folder in which the study ran, with results/ in it; without it that of this checkout",
    )
    parser.add_argument("--name", help="of the study's folder; without it date and a digest of config and versions")
    parser.add_argument(
        "--unfinished", action="store_true", help="publish a study of which jobs failed, too; it is marked as such"
    )


def run(args: argparse.Namespace) -> None:
    """Publish, and say what became of it."""
    for each in publish.publish(args.collection, args.study, args.name, args.unfinished):
        print(f"{each.folder}: {'published' if each.added else 'is there already; nothing was changed'}")
