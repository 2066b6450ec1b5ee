"""How fast a model is evaluated, against the framework's own best rate on ready batches. Prints figures.

    PYTHONPATH=workflow .venv/bin/python benchmarks/evaluation.py --framework openvino --images FOLDER

A finished study left the framework's environment and the converted model in `results/`. In that environment, in one
process and in alternating rounds: for each batch size a bare loop of `predict` over ready batches, and the real
function of the accuracy stage (pixels from the disk, inputs, scores checked, top 5, journal), over as many images.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dliflow import frameworks
from dliflow.images import inputs
from dliflow.machine import variables
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


def worker(args: argparse.Namespace) -> None:
    """In the framework's environment: print the rates as JSON."""
    sessions = {}
    for batch_size in args.batch_sizes:
        configuration = argparse.Namespace(**{**args.worker, "parameters": "default", "batch_size": batch_size})
        for key in ("array", "converted"):
            setattr(configuration, key, Path(getattr(configuration, key)))
        sessions[batch_size] = session.open_model(session.described(configuration), batch_size), configuration
    pixels = np.array(inputs.read(configuration.array, slice(max(READY, *args.batch_sizes))))
    rates: dict[str, list[dict[int, float]]] = {"raw": [], "real": []}
    with tempfile.TemporaryDirectory() as name:
        for _ in range(args.rounds):
            for kind in rates:
                rates[kind].append({})
            for batch_size, (opened, configuration) in sessions.items():
                entry = configuration.input
                rates["raw"][-1][batch_size] = raw(opened, pixels, entry, batch_size, args.count)
                rates["real"][-1][batch_size] = real(opened, configuration, args.count, Path(name))
    print(json.dumps(rates))


def prepared(args: argparse.Namespace, entry: dict[str, Any], folder: Path) -> Path:
    """Manifest of the images' pixels, repeated up to the count."""
    from dliflow.images import dataset
    from dliflow.stages import prepare

    names = list(dataset.find(args.images, None))
    listed = dataset.rows(args.images, names, [None] * len(names))
    rows = list(itertools.islice(itertools.cycle(listed), args.count))
    dataset.write(folder / "images.csv", rows)
    manifest = folder / "array.json"
    prepare.run(
        argparse.Namespace(images=folder / "images.csv", geometry=inputs.geometry(entry), out=manifest),
    )
    return manifest


def main(args: argparse.Namespace) -> None:
    """Prepare, ask the framework's environment, print."""
    from harness import interval, ratio

    from dliflow.files import payload, read_json
    from dliflow.study import config, environments, paths

    entry = config.model(Path("config/models"), args.model, "--model", "--model")["input"]
    variant = args.variant or frameworks.variants(args.framework)[0]
    names = {"model": args.model, "framework": args.framework, "precision": args.precision}
    interchange = read_json(payload(paths.INTERCHANGE.format(**names)) / "interchange.json")
    python = environments.folder(Path(f"envs/{args.framework}.yaml"), "results/envs") + "/bin/python"
    with tempfile.TemporaryDirectory() as name:
        configuration = {
            **{**names, "variant": variant, "device": "cpu", "threads": None, "options": {}, "input": entry},
            "converted": paths.CONVERTED.format(**names),
            "array": str(prepared(args, entry, Path(name))),
            "scores": interchange["scores"],
        }
        command = [python, __file__, "--worker", json.dumps(configuration), "--framework", args.framework]
        command += ["--count", str(args.count), "--rounds", str(args.rounds)]
        command += ["--batch-sizes", *map(str, args.batch_sizes)]
        environment = variables.passed_on(os.environ, "latency")[0]
        output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    rates = json.loads(output.splitlines()[-1])
    print(f"{args.model} {args.framework} {variant} {args.precision}, images/s, {args.rounds} rounds of {args.count}")
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="a folder of images, at any depth")
    parser.add_argument("--framework", required=True)
    parser.add_argument("--variant", help="the framework's first one unless told")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--count", type=int, default=400, help="images in a round; files are repeated as needed")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", type=json.loads, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.worker:
        worker(chosen)
    elif chosen.images is None:
        sys.exit("--images FOLDER is missing")
    else:
        main(chosen)
