"""Adopt a file as it is and compare its session with the source's own scores; cases.py tells how it is asked.

A case: `path`, `framework`, `source`, `dtype` of the images, and `out`, a folder to be made.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cases import each

from dliflow import conversion, frameworks, sources
from dliflow.errors import DliflowError
from dliflow.images import inputs

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
NORMALISED = {"float32": (127.5, 127.5), "uint8": (0, 1), "int8": (127.5, 1), "int16": (127.5, 127.5 / 32767)}


def adopted(path: str, framework: str, source: dict, dtype: str, out: str) -> dict:
    """The scores, their shape, dtype and largest value, the largest difference, the input; or the error."""
    mean, scale = NORMALISED[dtype]
    entry = {"height": 8, "width": 8, "layout": source["layout"], "channel_order": "RGB", "dtype": dtype}
    entry |= {"mean": [mean] * 3, "scale": [scale] * 3}
    batch = inputs.make(PIXELS, entry)
    module = sources.load(source["format"])
    Path(out).mkdir()
    try:
        expected = module.predict(module.load(Path(path), {"precision": "int8", **source}), batch)
        ends = {key: source[key] for key in ("input", "output") if key in source}
        conversion.load(framework).adopt(Path(path), Path(out), ends)
    except DliflowError as error:
        return {"error": str(error)}
    settings = {"precision": "int8", "variant": "default", "device": "cpu", "threads": 1, "options": {}}
    session = frameworks.load(framework).load(Path(out), batch_size=1, **settings)
    scores = np.concatenate([np.array(session.predict(image[None])) for image in batch])
    difference = float(abs(scores - expected).max()) if scores.shape == expected.shape else None
    return {
        "shape": list(scores.shape),
        "dtype": str(scores.dtype),
        "difference": difference,
        "largest": float(abs(expected).max()),
        "scores": scores.tolist(),
        "pixels": PIXELS.tolist(),
        "entry": entry,
    }


if __name__ == "__main__":
    each(adopted)
