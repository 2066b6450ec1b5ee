"""How fast images are prepared, against plain decoding and resizing by the same library. Prints figures.

    PYTHONPATH=workflow .venv/bin/python benchmarks/preprocessing.py --images FOLDER

The real stage (decode, resize, crop, checksum, write, and the journal that lets it go on) and a bare loop of Pillow's
`open`, `convert` and `resize`, both on all cores, in alternating rounds over the same files.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from checks import interval, ratio
from PIL import Image

from dliflow.images import dataset, inputs
from dliflow.stages import prepare
from dliflow.study import config


def plain(files: list[str], geometry: dict) -> float:
    """Images in a second when nothing is done but to decode and resize."""
    resample = Image.Resampling[geometry["interpolation"].upper()]

    def decode_and_resize(file: str) -> None:
        with Image.open(file) as image:
            rgb = image.convert("RGB")
        ratio = geometry["resize"]["short_side"] / min(rgb.size)
        rgb.resize((round(rgb.width * ratio), round(rgb.height * ratio)), resample)

    start = time.perf_counter()
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(decode_and_resize, files):
            pass
    return len(files) / (time.perf_counter() - start)


def real(images: Path, count: int, geometry: dict, folder: Path) -> float:
    """Images in a second of the stage."""
    arguments = argparse.Namespace(images=images, geometry=geometry, out=folder / "array.json")
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        prepare.run(arguments)
    return count / (time.perf_counter() - start)


def main() -> None:
    """Alternate the two."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, required=True, help="a folder of images, at any depth")
    parser.add_argument("--model", default="efficientnet_lite0", help="whose geometry is taken; it has a short_side")
    parser.add_argument("--count", type=int, default=1200, help="images in a round; files are repeated as needed")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    entry = config.model(Path("config/models"), args.model, "--model", "--model")["input"]
    geometry = inputs.geometry(entry)
    names = list(dataset.find(args.images, None))
    listed = dataset.rows(args.images, names, [None] * len(names))
    rows = list(itertools.islice(itertools.cycle(listed), args.count))
    files = [row["file"] for row in rows]
    rates: dict[str, list[float]] = {"plain": [], "real": []}
    with tempfile.TemporaryDirectory() as name:
        dataset.write(Path(name, "images.csv"), rows)
        for _ in range(args.rounds):
            rates["plain"].append(plain(files, geometry))
            rates["real"].append(real(Path(name, "images.csv"), args.count, geometry, Path(name)))
    print(
        f"Preparation, images/s, {args.rounds} alternating rounds of {args.count} images, {os.cpu_count()} processors"
    )
    print(f"  plain decode and resize  {interval(rates['plain'])}")
    print(f"  the stage                {interval(rates['real'])}")
    print(f"  ratio in a round         {ratio(rates['real'], rates['plain'])}")


if __name__ == "__main__":
    main()
