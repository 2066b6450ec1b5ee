"""How fast a model is evaluated, against the framework's own best rate on ready batches. Prints figures.

    PYTHONPATH=workflow .venv/bin/python benchmarks/evaluation.py STUDY --framework openvino --images FOLDER

A finished study left the framework's environment and the converted model. In that environment, in one process and in
alternating rounds: for each batch size a bare loop of `predict` over ready batches, and the real
function of the accuracy stage (pixels from the disk, inputs, scores checked, top 5, journal), over as many images.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import checks
import numpy as np
from checks import interval, ratio

from dliflow.images import inputs
from dliflow.measuring import session
from dliflow.records.journal import Journal
from dliflow.stages import accuracy

READY = 64  # images in ready batches


def raw(opened: session.Opened, pixels: np.ndarray, entry: dict[str, Any], batch_size: int, count: int) -> float:
    """Images in a second of nothing but requests."""
    starts = range(0, max(1, READY // batch_size) * batch_size, batch_size)
    batches = [inputs.make(pixels[start : start + batch_size], entry) for start in starts]
    opened.predict(batches[0])
    start = time.perf_counter()
    for index in range(count // batch_size):
        opened.predict(batches[index % len(batches)])
    return count // batch_size * batch_size / (time.perf_counter() - start)


def real(opened: session.Opened, configuration: argparse.Namespace, count: int, folder: Path) -> float:
    """Images in a second of the accuracy stage's own function."""
    start = time.perf_counter()
    with Journal(folder / "partial", "", accuracy.predictions(configuration.scores)) as journal:
        accuracy.predict_all(configuration, opened, journal, count)
        seconds = time.perf_counter() - start
        journal.remove()
    return count / seconds


def worker(of: argparse.Namespace, batch_sizes: list[int], count: int, rounds: int) -> None:
    """In the framework's environment: print the rates as JSON."""
    sessions = {}
    for batch_size in batch_sizes:
        opened = session.open_model(session.described(of), batch_size)
        sessions[batch_size] = opened, argparse.Namespace(**{**vars(of), "batch_size": batch_size})
    pixels = np.array(inputs.read(of.array, slice(max(READY, *batch_sizes))))
    rates: dict[str, list[dict[int, float]]] = {"raw": [], "real": []}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(rounds):
            for kind in rates:
                rates[kind].append({})
            for batch_size, (opened, configuration) in sessions.items():
                entry = configuration.input
                rates["raw"][-1][batch_size] = raw(opened, pixels, entry, batch_size, count)
                rates["real"][-1][batch_size] = real(opened, configuration, count, Path(name))
    print(json.dumps(rates))


def prepared(images: Path, count: int, entry: dict[str, Any], folder: Path) -> Path:
    """Manifest of the images' pixels, repeated up to the count."""
    from dliflow.images import dataset
    from dliflow.stages import prepare

    names = list(dataset.find(images, None))
    listed = dataset.rows(images, names, [None] * len(names))
    rows = list(itertools.islice(itertools.cycle(listed), count))
    dataset.write(folder / "images.csv", rows)
    manifest = folder / "array.json"
    prepare.run(
        argparse.Namespace(images=folder / "images.csv", geometry=inputs.geometry(entry), out=manifest),
    )
    return manifest


def main(args: argparse.Namespace) -> None:
    """Prepare, ask the framework's environment, print."""
    import finished

    images = args.images.resolve()
    finished.enter(args.study)
    of = finished.configuration(args.model, args.framework, args.precision, args.variant)
    with tempfile.TemporaryDirectory() as name:
        of.array = prepared(images, args.count, of.input, Path(name))
        asked = {"batch_sizes": args.batch_sizes, "count": args.count, "rounds": args.rounds}
        rates = finished.ask(__file__, of, **asked)
    print(f"{args.model} {finished.name(of)}, images/s, {args.rounds} rounds of {args.count}")
    columns = {
        kind: {size: [rates_by_size[str(size)] for rates_by_size in rates[kind]] for size in args.batch_sizes}
        for kind in rates
    }
    best = max(args.batch_sizes, key=lambda size: float(np.median(columns["raw"][size])))
    for size in args.batch_sizes:
        print(f"  batch {size:3}: ready batches {interval(columns['raw'][size])}")
        print(f"             evaluation    {interval(columns['real'][size])}")
        for against in sorted({size, best}):
            what = "the best, batch" if against == best else "batch"
            print(f"    of {what} {against:3}: {ratio(columns['real'][size], columns['raw'][against])}")


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    import finished

    parser = finished.parser(__doc__)
    parser.add_argument("--images", type=Path, required=True, help="a folder of images, at any depth")
    parser.add_argument("--framework", required=True)
    parser.add_argument("--variant", default="*")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--count", type=int, default=400, help="images in a round; files are repeated as needed")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1].startswith("{"):  # in the framework's environment
        OF, TOLD = checks.asked(sys.argv[1])
        worker(OF, **TOLD)
    else:
        main(parsed())
