"""Try a source format on a file, in the format's own environment; prints what was found as JSON.

Usage: python source.py FILE SOURCE-JSON CHANNELS,HEIGHT,WIDTH OUT

SOURCE-JSON is the `source` of a model's entry. OUT gets the interchange files, and `batch.npy` with `scores.npy`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from dliflow import architectures, sources
from dliflow.errors import DliflowError


def main(path: Path, source: dict, shape: tuple[int, ...], out: Path) -> dict:
    """Load, predict, export; or the error that the file is refused with."""
    if source.get("architecture") == "shufflenet":
        architectures.__path__.append(str(Path(__file__).parents[1] / "data" / "architectures"))
    module = sources.load(source["format"])
    source = {"options": {}, "layout": module.LAYOUT, **source}
    batch = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    try:
        network = module.load(path, source)
        scores = module.predict(network, batch)
        count = module.export(network, shape, out)
    except DliflowError as error:
        return {"error": str(error)}
    np.save(out / "batch.npy", batch)
    np.save(out / "scores.npy", scores)
    return {"count": count, "shape": list(scores.shape), "dtype": str(scores.dtype)}


if __name__ == "__main__":
    file, source, shape, out = sys.argv[1:]
    print(json.dumps(main(Path(file), json.loads(source), tuple(map(int, shape.split(","))), Path(out))))
