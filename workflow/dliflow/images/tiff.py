"""TIFF holds kinds of samples that Pillow does not know, or reads wrongly without a word.

Those that lie in the file as they are (uncompressed, in strips) are read here; the others are refused by name.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Optional

import numpy as np
from PIL import TiffImagePlugin

from dliflow.errors import DliflowError

BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # of a file; the last two are of BigTIFF
WIDTH, HEIGHT, BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262  # tags
STRIPS, ORIENTATION, SAMPLES_PER_PIXEL, STRIP_BYTES, PLANES, SAMPLE_FORMAT = 273, 274, 277, 279, 284, 339
WHOLE, SIGNED, FLOAT = 1, 2, 3  # sample formats
KINDS = {WHOLE: "whole numbers", SIGNED: "signed numbers", FLOAT: "float"}
COLOURS = {0: 1, 1: 1, 2: 3}  # by photometric: white is 0, black is 0, RGB
OF_PILLOW = {1: {(16, WHOLE), (16, SIGNED), (32, WHOLE), (32, SIGNED), (32, FLOAT)}, 3: {(16, WHOLE)}}
"""What Pillow reads rightly beyond 8 bits: bits and kind of a sample, by the number of colours."""


def tags(path: Path) -> Any:
    """What a TIFF tells of its first picture; None of another file, and of one whose table is broken or cut off."""
    with open(path, "rb") as stream:
        start = stream.read(8)
        if not start.startswith(BEGINS):
            return None
        try:
            table = TiffImagePlugin.ImageFileDirectory_v2(start + (stream.read(8) if b"+" in start[:4] else b""))
            stream.seek(table.next)
            table.load(stream)
        except Exception:  # of several kinds
            return None
        return table


def refusal(path: Path, samples: Optional[str] = None) -> DliflowError:
    """The error for a TIFF with such samples, or with those that it has."""
    shown = samples or _described(tags(path))
    return DliflowError(f"{path}: a TIFF of {shown}, which is not read; save it with 8 or 16 bits, as RGB or grey")


def _described(table: Any) -> str:
    try:
        bits, kind = table[BITS_PER_SAMPLE], table.get(SAMPLE_FORMAT, (WHOLE,))[0]
        packed = "" if table.get(COMPRESSION, 1) == 1 else ", compressed"
        count = table.get(SAMPLES_PER_PIXEL, len(bits))
    except Exception:  # there is none, or it does not tell them
        return "unknown samples"
    return f"{count} samples of {bits[0]} bits, {KINDS.get(kind, 'of another kind')}{packed}"


def check(file: Any, path: Path) -> None:
    """Refuse what Pillow 13 has opened and would read wrongly."""
    table = getattr(file, "tag_v2", None)
    if table is None:
        return
    bits, packed = max(table.get(BITS_PER_SAMPLE, (1,))), table.get(COMPRESSION, 1) != 1
    wrong = {
        f"planes of {bits} bits, one for each colour": table.get(PLANES) == 2 and bits > 8 and not packed,
        f"compressed big-endian samples of {bits} bits": packed and table.prefix == b"MM" and file.mode in ("I", "F"),
        "samples of 8 bits with a sign": bits == 8 and table.get(SAMPLE_FORMAT, (WHOLE,))[0] == SIGNED,
    }
    for samples in (samples for samples, is_so in wrong.items() if is_so):
        raise refusal(path, samples)


def is_plain(table: Any) -> bool:
    """Whether Pillow does not read the samples, or not rightly, and they lie in the file as they are, for `values`."""
    colours, count = COLOURS.get(table.get(PHOTOMETRIC)), table.get(SAMPLES_PER_PIXEL, 1)
    kinds = set(itertools.product(table.get(BITS_PER_SAMPLE, (1,)), table.get(SAMPLE_FORMAT, (WHOLE,))))
    if len(kinds) > 1 or colours is None or count not in (colours, colours + 1):
        return False
    (kind,) = kinds
    as_it_is = table.get(COMPRESSION, 1) == 1 and {WIDTH, HEIGHT, STRIPS, STRIP_BYTES} <= set(table)
    of_pillow = kind in OF_PILLOW[colours] and (count == 1 or table.get(PLANES, 1) == 1)
    return kind[0] in (16, 32, 64) and kind[1] in KINDS and as_it_is and not of_pillow


def values(path: Path, table: Any) -> np.ndarray:
    """The samples of such a file: (height, width) or (height, width, 3), in its own dtype, without transparency.

    Raises:
        ValueError: when its strips are not what its pixels take.
    """
    bits, kind = table[BITS_PER_SAMPLE][0], table.get(SAMPLE_FORMAT, (WHOLE,))[0]
    dtype = np.dtype(f"{'<' if table.prefix == b'II' else '>'}{'uif'[kind - 1]}{bits // 8}")
    height, width, count = table[HEIGHT], table[WIDTH], table.get(SAMPLES_PER_PIXEL, 1)
    needed, strips = height * width * count * dtype.itemsize, sum(table[STRIP_BYTES])
    if strips != needed or strips > path.stat().st_size:  # the same part of the file, again and again, is none either
        raise ValueError(f"its pixels take {needed} bytes, and its strips have {strips}")
    parts = []
    with open(path, "rb") as stream:
        for start, size in zip(table[STRIPS], table[STRIP_BYTES]):
            stream.seek(start)
            parts.append(stream.read(size))
    samples = np.frombuffer(b"".join(parts), dtype)
    if table.get(PLANES, 1) == 1:
        samples = samples.reshape(height, width, count)
    else:
        samples = np.moveaxis(samples.reshape(count, height, width), 0, 2)
    return samples[..., :3] if COLOURS[table[PHOTOMETRIC]] == 3 else samples[..., 0]
