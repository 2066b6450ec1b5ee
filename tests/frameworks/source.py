"""Try a source format on a file, in the format's own environment; prints what was found as JSON.

Usage: python source.py FILE SOURCE-JSON CHANNELS,HEIGHT,WIDTH OUT [STEPS]

SOURCE-JSON is the `source` of a model's entry. OUT gets the interchange files, and `batch.npy` with `scores.npy`. STEPS
is `predict`, `export` or both (the default), for formats that do these in different environments.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from dliflow import architectures, sources
from dliflow.errors import DliflowError


def main(path: Path, source: dict, shape: tuple[int, ...], out: Path, steps: str) -> dict:
    """Load, predict, export; or the error that the file is refused with."""
    if source.get("architecture") == "shufflenet":
        architectures.__path__.append(str(Path(__file__).parents[1] / "data" / "architectures"))
    module = sources.load(source["format"])
    source = {"options": {}, "layout": module.LAYOUT, **source}
    batch = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    try:
        network = module.load(path, source)
        found = {}
        if "predict" in steps:
            own = batch.transpose(0, 2, 3, 1) if source["layout"] == "NHWC" else batch
            scores = module.predict(network, np.ascontiguousarray(own))
            np.save(out / "batch.npy", batch)
            np.save(out / "scores.npy", scores)
            found = {"shape": list(scores.shape), "dtype": str(scores.dtype)}
        if "export" in steps:
            found["count"] = module.export(network, shape, out)
    except DliflowError as error:
        return {"error": str(error)}
    return found


if __name__ == "__main__":
    file, source, shape, out, *steps = sys.argv[1:]
    print(
        json.dumps(
            main(
                Path(file),
                json.loads(source),
                tuple(map(int, shape.split(","))),
                Path(out),
                (steps or ["predict,export"])[0],
            )
        )
    )
