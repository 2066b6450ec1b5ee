"""Convert a model to a framework's older version, or try that one against the contract; cases.py tells how it is asked.

A case: `framework`, `precision`, `model` (its folder), `array` (manifest of pixels), `entry` (the model's input). To be
converted it has `source` (the folder of interchange files) and `calibration` (manifest of pixels), to be tried
`reference` (a file with the scores of the first images).
"""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import contract
import numpy as np
from cases import each

from dliflow import conversion, frameworks
from dliflow.errors import Skip
from dliflow.images import inputs
from dliflow.measuring import metrics


def tried(
    framework: str,
    precision: str,
    model: str,
    array: str,
    entry: dict,
    source: Optional[str] = None,
    calibration: Optional[str] = None,
    reference: Optional[str] = None,
) -> dict:
    """What the contract's script tells, and how far scores are from the reference's; of a conversion nothing."""
    if source is not None:
        images = inputs.make(inputs.read(Path(calibration)), entry) if precision == "int8" else None
        Path(model).mkdir(parents=True)
        try:
            conversion.load(framework).convert(Path(source), Path(model), precision, images)
        except Skip as skip:
            return {"skip": str(skip)}
        return {}
    variant = frameworks.variants(framework)[-1]
    told = contract.tried(framework, variant, precision, model, array, entry, 1)
    if "skip" in told:
        return told
    expected = np.load(reference)
    images = inputs.make(inputs.read(Path(array), slice(len(expected))), entry)
    asked = {"precision": precision, "variant": variant, "device": "cpu", "threads": 1, "options": {}}
    scores = frameworks.load(framework).load(Path(model), batch_size=len(images), **asked).predict(images)
    return {**told, **metrics.compare(np.array(scores), expected)}


if __name__ == "__main__":
    each(tried)
