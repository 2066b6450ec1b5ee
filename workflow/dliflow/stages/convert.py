"""Convert a model's interchange files to a framework's own format."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dliflow import conversion, integrity
from dliflow.errors import DliflowError, Skip
from dliflow.files import payload, read_json, replacing, sha256, write_json
from dliflow.images import inputs


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--framework", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--variant", help="of the framework, which runs files of its own; when absent all others")
    taken = parser.add_mutually_exclusive_group(required=True)
    taken.add_argument("--source", type=Path, help="manifest of the interchange files")
    taken.add_argument("--adopt", type=Path, help="a model's file that runs as it is")
    parser.add_argument("--fetched", type=Path, help="with --adopt: manifest of that file")
    parser.add_argument("--ends", type=json.loads, default={}, help="JSON, with --adopt: input and output where named")
    parser.add_argument("--calibration", type=Path, help="manifest of the calibration images' pixels")
    parser.add_argument("--input", type=json.loads, help="JSON: the model's input entry, which makes inputs of them")
    parser.add_argument("--calibration-set", type=json.loads, help="JSON: dataset, number and seed, to be recorded")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the files lie in a folder beside it")


def run(args: argparse.Namespace) -> None:
    """Convert, and write the manifest; a skip is written there too, with its reason."""
    converter = conversion.load(args.framework)
    calibration = None
    if args.calibration:
        calibration = inputs.make(inputs.read(args.calibration), args.input)
    target = payload(args.out)
    manifest = {"framework": args.framework, "precision": args.precision, "status": "ok", "reason": None}
    if args.calibration:
        manifest["calibration"] = {"chosen": args.calibration_set, "input": args.input, **read_json(args.calibration)}
    try:
        with replacing(target) as folder:
            folder.mkdir()
            if args.adopt is None:
                again = f"delete {args.source} to export the model again"
                integrity.verify(payload(args.source), read_json(args.source)["files"], again)
                convert = converter.VARIANTS[args.variant] if args.variant else converter.convert
                convert(payload(args.source), folder, args.precision, calibration)
            elif hasattr(converter, "adopt"):
                integrity.verify_fetched(args.adopt, args.fetched)
                converter.adopt(args.adopt, folder, args.ends)
            else:
                raise DliflowError(f"{args.framework} takes no file as it is; remove source.precision from the entry")
    except Skip as skip:
        write_json(args.out, {**manifest, "status": "skipped", "reason": str(skip), "files": {}})
        return
    files = sorted(path for path in target.rglob("*") if path.is_file())
    manifest["files"] = {
        str(path.relative_to(target)): {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files
    }
    write_json(args.out, manifest)
