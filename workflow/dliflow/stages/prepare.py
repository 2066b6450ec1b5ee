"""Decode, resize and crop images once for each geometry, into an array that all frameworks map into memory."""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import PIL
from PIL import Image

from dliflow import progress
from dliflow.errors import DliflowError
from dliflow.files import digest, payload, write_json
from dliflow.images import crops, dataset, inputs
from dliflow.images.preprocess import decode, preprocess
from dliflow.records.journal import Journal
from dliflow.study import source_code
from dliflow.wording import listed

# An image that is done: its place in the array, the SHA-256 of its file and the fingerprint of its pixels.
DONE = np.dtype([("index", "<i8"), ("file", "V32"), ("sum", "<u8")])
LOOKED_AT = 256  # images at a time


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--images", type=Path, required=True, help="image list")
    parser.add_argument("--geometry", type=json.loads, required=True, help="JSON: what decides the pixels")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the array is a .npy file beside it")


def usable(array: Path, shape: tuple[int, ...]) -> bool:
    """Whether an interrupted run has left a whole array of this shape."""
    try:
        return np.load(array, mmap_mode="r").shape == shape
    except (FileNotFoundError, ValueError, EOFError):
        return False


def allocate(path: Path, shape: tuple[int, ...]) -> int:
    """Offset of the pixels in the .npy file, which is made where it is missing, with its place on the disk.

    Raises:
        DliflowError: when the disk is too small.
    """
    if not path.exists():
        scratch = path.with_name(f"{path.name}.new")
        try:
            np.lib.format.open_memmap(scratch, "w+", np.uint8, shape)
            with open(scratch, "r+b") as stream:
                os.posix_fallocate(stream.fileno(), 0, scratch.stat().st_size)
        except OSError as error:
            scratch.unlink(missing_ok=True)
            raise DliflowError(f"{path}: no place for {math.prod(shape):,} bytes: {error.strerror}") from error
        scratch.replace(path)
    return np.load(path, mmap_mode="r").offset


def _part(image: Image.Image, box: Optional[crops.Box]) -> Image.Image:
    if box is None:
        return image
    left, top, width, height = box
    return image.crop((left, top, left + width, top + height))


def decoded(
    rows: list[dict[str, Any]], indices: Iterable[int], geometry: dict[str, Any], descriptor: int, offset: int
) -> Iterator[tuple[int, Union[np.uint64, DliflowError]]]:
    """Write the pixels of the given images to their places; yields each index with their fingerprint or the error.

    On all usable cores: Pillow decodes and resizes without the interpreter's lock.
    """
    size = geometry["height"] * geometry["width"] * 3
    cores = len(os.sched_getaffinity(0))

    def one(index: int) -> Union[np.uint64, DliflowError]:
        file, box = crops.split(rows[index]["file"])
        try:
            image = preprocess(_part(decode(Path(file)), box), geometry)
            if hashlib.sha256(Path(file).read_bytes()).hexdigest() != rows[index]["sha256"]:
                raise DliflowError(f"{file}: was changed or damaged after the images had been listed")
        except DliflowError as error:
            return error
        except Exception as error:  # whatever an image does to the library, it is that image's fault
            return DliflowError(f"{file}: cannot be resized: {type(error).__name__}: {error}")
        pixels = image.tobytes()
        if os.pwrite(descriptor, pixels, offset + index * size) != size:
            raise DliflowError(f"{file}: its pixels could not be written; is the disk full?")
        return inputs.fingerprints(image[None])[0]

    pending, ahead = iter(indices), 512 * cores  # enough to keep the cores busy while the disk is waited for
    with ThreadPoolExecutor(cores) as pool:
        queue: deque[tuple[int, Future]] = deque()
        while True:
            for index in itertools.islice(pending, ahead - len(queue)):
                queue.append((index, pool.submit(one, index)))
            if not queue:
                return
            index, future = queue.popleft()
            yield index, future.result()


def begin(journal: Journal, contents: np.ndarray, array: Path) -> np.ndarray:
    """What was done of the images as they are now and is still in the array: their records, one each."""
    records = journal.records()
    last = np.full(len(contents), -1)
    last[records["index"]] = np.arange(len(records))
    known = records[last[last >= 0]]
    right = contents[known["index"]] == known["file"]
    pixels = np.load(array, mmap_mode="r")
    for start in range(0, len(known), LOOKED_AT):
        part = slice(start, start + LOOKED_AT)
        right[part] &= inputs.fingerprints(pixels[known["index"][part]]) == known["sum"][part]
    # Their pixels are about to be overwritten, whatever becomes of this run.
    journal.add(np.array([(index, bytes(32), 0) for index in known["index"][~right]], DONE))
    journal.sync()
    return known[right]


def run(args: argparse.Namespace) -> None:
    """Write uint8 (images, height, width, 3), in the order of the list. An interrupted run goes on where it stopped.

    Raises:
        DliflowError: naming the images that cannot be used, after all others were done.
    """
    rows = dataset.read(args.images)
    contents = np.array([bytes.fromhex(row["sha256"]) for row in rows], "V32")
    shape = (len(rows), args.geometry["height"], args.geometry["width"], 3)
    code = source_code.digest("stages.prepare")
    key = digest({"shape": shape, "geometry": args.geometry, "code": code, "pillow": PIL.__version__}, 64)
    partial = payload(args.out, ".partial")
    array = partial / "pixels.npy"
    broken = []
    with Journal(partial, key, DONE) as journal:
        if not usable(array, shape):
            if journal.count:
                journal.restart(f"{array.name} is gone or damaged")
            array.unlink(missing_ok=True)
        offset = allocate(array, shape)
        known = begin(journal, contents, array)
        done = np.zeros(len(rows), DONE)
        done[known["index"]] = known
        todo = np.setdiff1d(np.arange(len(rows)), known["index"]).tolist()
        count = len(known)
        if count:
            print(f"goes on where it stopped: {count} of {len(rows)} images are done", flush=True)
        report = progress.meter(f"prepare {args.out.parent.name}", len(rows), count)
        with open(array, "r+b", buffering=0) as stream:
            for index, outcome in decoded(rows, todo, args.geometry, stream.fileno(), offset):
                if isinstance(outcome, DliflowError):
                    broken.append(str(outcome))
                else:
                    done[index] = (index, contents[index], outcome)
                    journal.add(done[index : index + 1])
                count += 1
                report(count)
                if journal.due():
                    os.fdatasync(stream.fileno())
                    journal.sync()
            os.fdatasync(stream.fileno())
        if broken:
            raise DliflowError(
                f"{len(broken)} of {len(rows)} images cannot be used; replace or remove them:{listed(broken)}"
            )
        array.replace(payload(args.out, ".npy"))
        write_json(
            args.out,
            {
                "images": len(rows),
                "shape": shape,
                "geometry": args.geometry,
                "list_sha256": dataset.list_sha256(args.images),
                **inputs.seal(args.out, done["sum"]),
            },
        )
        journal.remove()
