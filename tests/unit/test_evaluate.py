"""Evaluation streams: exact for every batch size, in memory that does not grow with the number of images."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from project import ROOT, converted, prepared

from dliflow.files import sha256, write_json
from dliflow.images import dataset, inputs
from dliflow.stages import accuracy

ENTRY = {
    "height": 8,
    "width": 8,
    "layout": "NCHW",
    "channel_order": "RGB",
    "mean": [10, 20, 30],
    "scale": [50, 60, 70],
    "resize": "squash",
    "interpolation": "nearest",
}
WEIGHTS = np.random.default_rng(1).normal(size=(192, 20)).astype(np.float32)


@pytest.fixture
def array(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (700, 8, 8, 3), np.uint8)
    return prepared(tmp_path / "array.json", pixels)


@pytest.mark.parametrize("batch_size", [1, 4, 33, 1000])
@pytest.mark.parametrize("batches", [0, 5])
def test_every_image_once_and_in_order(array, batch_size, batches):
    asked = []

    def predict(batch):
        asked.append(len(batch))
        return batch.reshape(len(batch), -1).astype(np.float64) @ WEIGHTS.astype(np.float64)

    first = min(700, batches * batch_size)
    found = list(accuracy.evaluate(predict, array, ENTRY, batch_size=batch_size, scores=20, first=first))
    scores = predict(inputs.make(np.load(array.with_suffix(".npy")), ENTRY))[first:]
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :5]
    joined = np.concatenate([np.empty(0, accuracy.predictions(20)), *found])
    assert np.array_equal(joined["class"], expected)
    assert np.allclose(joined["score"], np.take_along_axis(scores, expected, 1), rtol=1e-6)
    assert set(asked[:-1]) <= {batch_size}


STAGE = """
import resource, sys
from dliflow.__main__ import main
status = main(sys.argv[1:])
print("peak KiB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""


def test_peak_memory_does_not_grow_with_the_number_of_images(tmp_path):
    """1.8 GB of pixels through the real stage, with a framework that needs no memory of its own."""
    entry = {**ENTRY, "height": 100, "width": 100}
    images = 60_000
    converted(tmp_path / "model.json", {"classes.json": "10"})
    peaks = {}
    for count in (1000, images):
        np.lib.format.open_memmap(tmp_path / "array.npy", "w+", np.uint8, (count, 100, 100, 3))  # sparse
        rows = [(f"folder/of/images/{index:08}.JPEG", 0, f"{index:064x}") for index in range(count)]
        dataset.write(tmp_path / "images.csv", [dict(zip(dataset.FIELDS, row)) for row in rows])
        sums = np.zeros(count, np.uint64)  # of black images
        listed = {"list_sha256": dataset.list_sha256(tmp_path / "images.csv")}
        write_json(tmp_path / "array.json", {**listed, **inputs.seal(tmp_path / "array.json", sums)})
        options = {
            **{
                "model": "none",
                "framework": "null",
                "api": "python",
                "variant": "default",
                "precision": "fp32",
                "device": "cpu",
            },
            **{"options": "{}", "input": json.dumps(entry), "scores": 10, "dataset": "zeros"},
            **{"converted": tmp_path / "model.json", "array": tmp_path / "array.json", "out": tmp_path / "record.json"},
            **{"images": tmp_path / "images.csv", "label-offset": 0, "batch-size": 32},
        }
        stage = ["accuracy", *(str(part) for key, value in options.items() for part in (f"--{key}", value))]
        result = subprocess.run(
            # A process of its own between: the peak of a child begins with that of its parent.
            ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", STAGE, *stage],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
            capture_output=True,
            text=True,
            timeout=1500,
        )
        assert result.returncode == 0, result.stderr
        peaks[count] = int(result.stdout.split()[-1]) / 1024
        figures = json.loads((tmp_path / "record.json").read_text())["figures"]
        assert 0 < figures.pop("peak_rss_mib") < 400
        assert figures.pop("predictions_sha256") == sha256(tmp_path / "record.csv")
        assert figures == {
            "images": count,
            "top1_right": count,
            "top5_right": count,
            "predictions": "record.csv",
        }
        assert not (tmp_path / "record.partial").exists()
    (tmp_path / "array.npy").unlink()
    assert peaks[images] < 400  # MiB, with Python, numpy, the image list and the labels
    assert peaks[images] - peaks[1000] < 250
