"""What it costs to see that models and pixels are what was made. Prints milliseconds, and shares of an evaluation.

    PYTHONPATH=workflow .venv/bin/python benchmarks/verifying.py STUDY

A finished default study left models, pixels and tables in its folder. Files are in the page cache, as they are when
they have just been written, and in all but the first of the processes that measure a configuration.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import finished
import numpy as np
import pandas as pd

from dliflow import integrity
from dliflow.files import payload, read_json
from dliflow.images import inputs
from dliflow.study import paths

TIMES = 30


def milliseconds(work: Callable[[], object]) -> float:
    """Processor time of one call: the median of many, after one that fills the caches."""
    work()
    durations = []
    for _ in range(TIMES):
        started = time.process_time()
        work()
        durations.append(time.process_time() - started)
    return 1e3 * float(np.median(durations))


def main(model: str) -> None:
    """Time both checks, and set that of an image beside an inference."""
    for framework in ("openvino", "onnxruntime"):
        of = finished.configuration(model, framework)
        manifest = of.converted
        digests = {name: entry["sha256"] for name, entry in read_json(manifest)["files"].items()}
        size = sum((payload(manifest) / name).stat().st_size for name in digests)
        spent = milliseconds(partial(integrity.verify, payload(manifest), digests, ""))
        print(f"{framework} fp32, {size / 1e6:.1f} MB: {spent:.1f} ms")
    pixels = np.array(inputs.read(of.array))
    each = milliseconds(lambda: inputs.fingerprints(pixels)) / len(pixels)
    print(f"pixels, {pixels[0].nbytes / 1e3:.0f} kB an image: {each:.3f} ms an image")
    table = pd.read_csv(paths.TABLES["performance"])
    fastest = table[(table.status == "ok") & (table.model == model)].sort_values("fps").iloc[-1]
    name = f"{fastest.framework} {fastest.precision} at batch size {fastest.batch_size}"
    print(f"that is {each * fastest.fps / 1e3:.1%} of an image's time in {name}, the fastest of the study")


if __name__ == "__main__":
    args = finished.parser(__doc__).parse_args()
    finished.enter(args.study)
    main(args.model)
