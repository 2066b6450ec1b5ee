"""Show what a library tells of a known network, and write it as a model's entry.

A known network is LIBRARY/NETWORK: torchvision/resnet50, timm/mobilenetv4_conv_small.e2400_r224_in1k, keras/ResNet50.
In a study's `models` the name is enough; an entry in config/models stands before what the library tells.

Exit status: 0 when all was told, 2 when a name is unknown or its library does not tell enough.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from dliflow import libraries
from dliflow.commands import CHECKOUT
from dliflow.errors import DliflowError
from dliflow.runs import known as asking
from dliflow.study import config, known
from dliflow.study.study import MODELS


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="a known network, LIBRARY/NETWORK")
    parser.add_argument("--write", action="store_true", help="write the entry into config/models, not results/known")
    parser.add_argument(
        "--sha256", default="", help="checksum of the weights: where a library tells none, or of others"
    )
    parser.add_argument("--list", metavar="PATTERN", help="list the names that fit, such as 'torchvision/*net*'")
    parser.add_argument("--check-all", metavar="LIBRARY", help="count the networks of a library that have an entry")
    parser.add_argument(
        "--configfile", type=Path, nargs="+", default=[], help="the study that names the folder of environments"
    )


def _list(pattern: str, folder: str) -> None:
    """Print the names that fit, of the libraries that can have any.

    Raises:
        DliflowError: when there is none.
    """
    beginning = pattern.partition("/")[0]
    wanted = pattern if "/" in pattern else f"{pattern}/*"
    fitting = []
    for library in fnmatch.filter(libraries.names(), beginning):
        fitting += fnmatch.filter((f"{library}/{name}" for name in asking.ask(library, [], folder)["names"]), wanted)
    if not fitting:
        like = " or ".join(f"'{library}/*'" for library in libraries.names())
        raise DliflowError(f"--list: '{pattern}' fits no network; right would be a pattern of names, such as {like}")
    print("\n".join(fitting))


def _check_all(library: str, folder: str) -> None:
    """Print how many networks of a library are told completely, and why others are not."""
    known.split(f"{library}/", "--check-all")
    answer = asking.ask(library, [], folder, every=True)
    reasons: Counter[str] = Counter()
    for network, described in answer["described"].items():
        try:
            asking.complete(f"{library}/{network}", described)
        except DliflowError:
            (url,) = (location["url"] for location in described["entry"]["source"]["from"])
            reasons[f"no checksum of the weights told for {url.split('/')[2]}"] += 1
    for network, problem in answer["problems"].items():
        reasons[problem.removeprefix(f"{library}/{network}: ")] += 1
    total = len(answer["names"])
    print(f"{library}: {total - sum(reasons.values())} of {total} names have a complete entry")
    for reason, count in reasons.most_common():
        print(f"{count:>6}  {reason}")


def _check_places(names: Iterable[str]) -> None:
    """Refuse to write over entries, which people change."""
    there = [str(path) for name in names if (path := known.registered(name, MODELS)).exists()]
    if there:
        raise DliflowError(
            f"{', '.join(there)}: is there already, perhaps with changes of yours; delete it first, or leave out "
            "--write to see what would be written"
        )


def run(args: argparse.Namespace) -> None:
    """Print or write."""
    folder = config.of_files(args.configfile, CHECKOUT)["environments"]["folder"]
    os.chdir(CHECKOUT)
    if args.list:
        _list(args.list, folder)
    if args.check_all:
        _check_all(args.check_all, folder)
    if args.sha256 and not (args.write and len(args.names) == 1):
        raise DliflowError(f"--sha256: {args.sha256}: is for one entry; right would be one NAME and --write beside it")
    if not (args.names or args.list or args.check_all):
        raise DliflowError("NAME is missing; right would be LIBRARY/NETWORK, or --list 'torchvision/*'")
    if args.write:
        _check_places(args.names)
    for name, described in asking.entries(args.names, "NAME", folder, args.sha256).items():
        path = known.registered(name, MODELS) if args.write else known.answer(name)
        asking.write(name, described, path)
        print(f"{path} holds now:\n\n{path.read_text(encoding='utf-8')}")
