"""What a framework's program in C++ does beside Python, on the same converted model; run in its environment.

A case: `framework`, `precision`, `converted` and `built` (manifests), `array` (manifest of pixels), `entry` (the
model's input), `variant`, `threads`, `options`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cases import each

from dliflow.configuration import Configuration
from dliflow.errors import Skip
from dliflow.images import inputs
from dliflow.measuring import program, session

IMAGES = 4


def tried(framework, precision, converted, built, array, entry, threads, options, variant="default"):
    """Scores in both languages at two batch sizes, and the threads in effect."""
    images = inputs.make(inputs.read(Path(array), slice(IMAGES)), entry)
    found = {}
    for api, of in (("python", None), ("cpp", Path(built))):
        configuration = Configuration("m", framework, api, variant, precision, "cpu")
        description = session.Description(configuration, threads, options, Path(converted), 1000, of)
        scores = []
        for size in (1, IMAGES):
            try:
                with program.opened(description, size, entry) as opened:
                    parts = [opened.predict(images[start : start + size]).copy() for start in range(0, IMAGES, size)]
                    scores.append(np.concatenate(parts))
            except Skip as skip:
                return {"skip": f"{api}: {skip}"}
        found[api] = scores
        found[f"threads of {api}"] = opened.identity["threads_in_effect"]
    pairs = list(zip(found.pop("python"), found.pop("cpp")))
    differences = [float(np.abs(one - other).max() / np.abs(one).max()) for one, other in pairs]
    return {**found, "difference": max(differences)}


if __name__ == "__main__":
    each(tried)
