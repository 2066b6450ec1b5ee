"""List the studies of a collection, make a static site of it, or mark a study invalid: docs/collection.md.

Exit status: 0 when that was done, 2 when it could not be.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.collection import shelf, site


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be done, and the options of each."""
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    listed = what.add_parser("list", help="list the studies, from the oldest on")
    listed.set_defaults(do=_list)
    made = what.add_parser("site", help="make a static site, which opens from disk and from any web server")
    made.add_argument("--title", default="Collection of studies", help="heading of the first page")
    made.set_defaults(do=_site)
    marked = what.add_parser("invalid", help="say why a study is not to be used; it stays, and counts nowhere")
    marked.set_defaults(do=_invalid)
    for one in (listed, made, marked):
        one.add_argument("collection", type=Path, metavar="COLLECTION", help="folder that ./dliflow publish made")
    made.add_argument("out", type=Path, metavar="SITE", help="folder; a site that is there is replaced")
    marked.add_argument("study", metavar="STUDY", help="as it is listed, or its name alone")
    marked.add_argument("reason", metavar="REASON", help="a sentence, shown wherever the study is listed")


def _list(args: argparse.Namespace) -> None:
    for each in shelf.entries(args.collection):
        content, why = each.content, "" if each.invalid is None else f", invalid: {each.invalid}"
        cpu, models = content["machine"]["cpu"], ", ".join(content["models"])
        print(f"{each.path}  {content['last']}  {cpu}  {models}  {content['status']}{why}")


def _site(args: argparse.Namespace) -> None:
    pages = site.write(args.collection, args.out, args.title)
    print(f"{pages[0]}: the first of {len(pages)} pages")


def _invalid(args: argparse.Namespace) -> None:
    study = shelf.chosen(args.collection, args.study)
    marked = shelf.mark_invalid(study, args.reason)
    print(f"{study.folder}: {'is marked invalid' if marked else 'was marked so already; nothing was changed'}")


def run(args: argparse.Namespace) -> None:
    """Do it."""
    args.do(args)
