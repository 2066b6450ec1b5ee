"""Try source formats on files, in the formats' own environment; cases.py tells how it is asked and answers.

A case: `path`, `source` (that of a model's entry), `out` (gets the interchange files, and `batch.npy` with
`scores.npy`), `dtype` of the images, and `steps`: predict, export or both, for formats that do these in different
environments.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cases import each

from dliflow import architectures, sources
from dliflow.errors import DliflowError

SHAPE = (3, 64, 64)
ARCHITECTURES = str(Path(__file__).parents[1] / "data" / "architectures")


def tried(
    path: str, source: dict, out: str, steps: tuple[str, ...] = ("predict", "export"), dtype: str = "float32"
) -> dict:
    """Load, predict, export: what was found, or the error that the file is refused with.

    `ran` tells whether code in the file was run: the files that bring some make a file `ran` beside themselves.
    """
    mark = Path(path).with_name("ran")
    if source.get("architecture") == "shufflenet" and ARCHITECTURES not in architectures.__path__:
        architectures.__path__.append(ARCHITECTURES)
    module = sources.load(source["format"])
    source = {"options": {}, "layout": module.LAYOUT, **source}
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(5, *SHAPE)) if dtype == "float32" else rng.integers(0, 256, (5, *SHAPE))
    seen = {}
    Path(out).mkdir(exist_ok=True)
    try:
        network = module.load(Path(path), source)
        if "predict" in steps:
            pixels = batch.transpose(0, 2, 3, 1) if source["layout"] == "NHWC" else batch
            scores = module.predict(network, np.ascontiguousarray(pixels.astype(dtype)))
            np.save(f"{out}/batch.npy", batch.astype(np.float32))
            np.save(f"{out}/scores.npy", scores)
            seen = {"shape": list(scores.shape), "dtype": str(scores.dtype)}
        if "export" in steps:
            seen["count"] = module.export(network, SHAPE, Path(out))
    except DliflowError as error:
        seen = {"error": str(error)}
    ran = mark.exists()
    mark.unlink(missing_ok=True)
    return {**seen, "ran": ran}


if __name__ == "__main__":
    each(tried)
