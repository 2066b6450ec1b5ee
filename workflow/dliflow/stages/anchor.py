"""The anchor, which measuring stages start: make its network, or answer with bursts of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.files import payload, replacing, sha256, write_json
from dliflow.measuring import anchor


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--network", type=Path, help="its file: answer requests until the input ends")
    what.add_argument("--out", type=Path, help="make it: the manifest to write, beside a folder with the file")
    parser.add_argument("--device", choices=(anchor.CPU, anchor.GPU), default=anchor.CPU, help="what answers run on")


def run(args: argparse.Namespace) -> None:
    """Answer, or write the network and its checksum."""
    if args.network is not None:
        anchor.serve(args.network, args.device)
        return
    network = payload(args.out) / anchor.NETWORK
    network.parent.mkdir(parents=True, exist_ok=True)
    with replacing(network) as scratch:
        anchor.write_network(scratch)
    write_json(args.out, {"sha256": sha256(network)})
