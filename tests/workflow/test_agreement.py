"""Images without labels, on the real workflow: evaluated by the same stage, only when they must be, or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from PIL import Image
from project import Project
from test_reruns import derived

from dliflow.images import dataset
from dliflow.study import paths


@pytest.fixture
def photographed(finished) -> Project:
    """The finished project with two photographs more, in parts, which its config does not name yet."""
    folder = finished.folder / "data/photographs"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for name in "ab":
        Image.fromarray(rng.integers(0, 256, (24, 36, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    entry = {"source": "data/photographs", "crops": {"sides": [1, 0.5], "smallest": 10}}
    (finished.folder / "config/datasets/parts.yaml").write_text(yaml.safe_dump(entry))
    return finished


def test_without_a_dataset_nothing_is_evaluated_and_nothing_is_said(photographed):
    assert photographed.pending() == set()
    assert {path.parent.name for path in photographed.records("results/accuracy/**/*.json")} == {"colours"}
    for row in photographed.table("accuracy"):
        assert (row["unlabelled_dataset"], row["unlabelled_reason"], row["loss_bound"]) == ("", "", "")


def test_what_is_without_labels_is_evaluated_beside_what_is_there(photographed):
    kept = photographed.dates("results/sweep/**/*.json") | photographed.dates("results/accuracy/**/*.json")
    photographed.configure(agreement={"dataset": "parts"})
    photographed.run("all")
    assert photographed.dates("results/sweep/**/*.json").items() <= kept.items()
    assert kept.items() <= {**photographed.dates(), **photographed.dates("results/accuracy/**/*.json")}.items()
    figures = photographed.read(paths.ACCURACY, dataset="parts")["figures"]
    assert (figures["images"], figures["top1_right"]) == (2 * (2 + 2 * 3), None)
    reference, other = photographed.table("accuracy")
    assert (reference["baseline"], reference["unlabelled_dataset"]) == ("", "")
    assert (other["unlabelled_images"], other["unlabelled_agreement"]) == ("16", "1")
    assert other["unlabelled_effective"] == "2"  # nothing tells how alike parts of a photograph are
    assert photographed.pending() == set()

    photographed.configure(agreement={"images": 5})
    pending = photographed.pending()
    others = pending - derived(pending)
    assert {name.split("/")[1] for name in others} == {"data", "accuracy"}
    assert all("/parts/" in name for name in others), others


def test_its_photographs_are_no_calibration_images(photographed):
    photographed.configure(agreement={"dataset": "parts", "images": 1}, calibration={"dataset": "parts"})
    photographed.run(paths.CALIBRATION_IMAGES)
    chosen = dataset.read(photographed.folder / paths.CALIBRATION_IMAGES)
    evaluated = dataset.read(photographed.folder / "results/data/parts/evaluation.csv")
    assert len(chosen) == 8  # all parts of the other photograph
    assert {row["sha256"] for row in chosen}.isdisjoint(row["sha256"] for row in evaluated)


def test_the_study_s_own_dataset_is_refused(photographed):
    photographed.configure(agreement={"dataset": "colours"})
    assert "agreement.dataset: 'colours' is the study's dataset" in photographed.fail("all")
