"""The accuracy table, of synthetic records: what each row is compared with, image by image, and why not."""

from __future__ import annotations

import csv
import json

import pandas as pd
import pytest

from dliflow.analysis import columns
from dliflow.analysis.tables import accuracy, parity, shared
from dliflow.errors import DliflowError
from dliflow.files import sha256
from dliflow.measuring.session import SCHEMA_VERSION
from dliflow.records import record

FORMATS = {"mxnet": "gluon", "pytorch": "pytorch_state_dict"}
IMAGES = [f"images/{number}.png" for number in range(8)]


class Study:
    """Records of a model, in a folder; each configuration is `framework-api-variant-precision`."""

    def __init__(self, folder, reference="pytorch", classes=4):
        self.folder = folder
        self.models = {"m": {"format": FORMATS[reference], "classes": classes, "published": None}}
        self.plan = {"parity": [], "accuracy": [], "agreement": []}

    def row(self, stage, name, reason=None):
        identity = {"model": "m", **dict(zip(columns.CALLED, name.split("-"))), "device": "cpu"}
        path = self.folder / f"{stage}/{name}.json"
        row = {**identity, "reason": reason, "record": str(path), "needs": []}
        self.plan[stage].append(row if stage == "parity" else {**row, "dataset": "few"})
        path.parent.mkdir(exist_ok=True)
        return path, identity

    def record(self, stage, name, figures, reason=None, status="ok", **extra):
        path, identity = self.row(stage, name)
        known = {"framework_version": "1", "threads": "default", "options": {}, **extra}
        record = {
            "schema": SCHEMA_VERSION,
            "stage": "accuracy" if stage == "agreement" else stage,
            "status": status,
            "reason": reason,
            "identity": {**identity, **known},
        }
        record |= {"figures": figures} if status == "ok" else {}
        machine = {"hostname": "h", "cpu": "c", "usable_cpus": 1, "kernel": "k"}
        record |= {"machine": machine, "environment": {}, "packages": {}, "command": [], "finished_at": "now"}
        record["process_ms"] = 1.0
        path.write_text(json.dumps(record))
        return path

    def add_unlabelled(self, name, changed, photographs=1000, each=1, status="ok"):
        """What it made of images without labels: of so many photographs so many parts, so many of another class."""
        path, _ = self.row("agreement", name)
        self.plan["agreement"][-1]["dataset"] = "many"
        if status == "failed":
            return  # the job left no record
        count = photographs * each
        lines = [
            f"{number // each}.png#{number},{number // each},,{int(number < changed)},0.5" for number in range(count)
        ]
        path.with_suffix(".csv").write_text("\n".join(["file,sha256,label,class1,score1", *lines]) + "\n")
        figures = {"images": count, "top1_right": None, "top5_right": None, "peak_rss_mib": 1.0}
        figures |= {"predictions": f"{name}.csv", "predictions_sha256": sha256(path.with_suffix(".csv"))}
        self.plan["agreement"].pop()
        self.record("agreement", name, figures, dataset="many", list_sha256="x")
        self.plan["agreement"][-1]["dataset"] = "many"

    def add(self, name, given, labels=(0, 1, 2, 3) * 2, files=IMAGES, contents=None, parity="ok"):
        """A configuration that gave these classes to these images."""
        figures = {"max_abs_score_diff": 0.1, "max_rel_score_diff": 0.1, "agreement": 1.0, "images": 8, "tolerance": 1}
        figures |= {"score_distance": 0.1, "distance_bound": None, "agreement_bound": None}
        if parity == "failed":
            self.row("parity", name)  # the job left no record
        else:
            self.record("parity", name, figures, None if parity == "ok" else "cannot", parity)
        right = sum(one == label for one, label in zip(given, labels))
        figures = {"images": len(given), "top1_right": right, "top5_right": right, "peak_rss_mib": 1.0}
        path = self.folder / f"accuracy/{name}.csv"
        path.parent.mkdir(exist_ok=True)
        with open(path, "w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["file", "sha256", "label", "class1", "score1"])
            writer.writerows(
                zip(files, contents or [f"of {file}" for file in files], labels, given, [0.5] * len(given))
            )
        figures |= {"predictions": path.name, "predictions_sha256": sha256(path)}
        self.record("accuracy", name, figures, dataset="few", list_sha256=str(files))
        return path

    def skip(self, name):
        for stage in ("parity", "accuracy"):
            self.row(stage, name, "cannot")

    def table(self):
        """Rows by configuration."""
        rows = accuracy.rows(self.plan, parity.rows(self.plan), self.models)
        table = shared.frame(rows, "accuracy").to_dict("records")  # what is not a column gets lost here
        told = [{key: value for key, value in row.items() if not pd.isna(value)} for row in table]
        return {"-".join(row[column] for column in columns.CALLED): row for row in told}


RIGHT = [0, 1, 2, 3] * 2
ONE_WRONG = [1, 1, 2, 3, 0, 1, 2, 3]


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_a_model_from_gluon_is_compared_with_the_first_variant_of_its_runtime(tmp_path):
    study = Study(tmp_path, reference="mxnet")
    for name in ("mxnet-python-imperative-fp32", "mxnet-python-hybrid-fp32", "openvino-python-default-fp32"):
        study.add(name, RIGHT)
    study.add("mxnet-python-hybrid-int8", ONE_WRONG)
    found = study.table()
    assert found["openvino-python-default-fp32"]["baseline"] == "mxnet-python-imperative-fp32"
    assert found["mxnet-python-hybrid-fp32"]["baseline"] == "mxnet-python-imperative-fp32"
    assert found["mxnet-python-hybrid-int8"]["baseline"] == "mxnet-python-hybrid-fp32"
    assert found["mxnet-python-hybrid-int8"]["top1_change"] == -1 / 8
    assert found["mxnet-python-imperative-fp32"]["baseline_reason"] == "it is the reference itself"
    assert "baseline" not in found["mxnet-python-imperative-fp32"]


def test_what_runs_in_cpp_is_compared_with_its_own_fp32_and_then_with_python_s(tmp_path):
    study = Study(tmp_path)
    for name in ("pytorch-python-default-fp32", "openvino-python-default-fp32", "openvino-cpp-default-fp32"):
        study.add(name, RIGHT)
    study.add("openvino-cpp-default-int8", ONE_WRONG)
    study.add("pytorch-cpp-default-int8", ONE_WRONG)
    found = {name: row.get("baseline") for name, row in study.table().items()}
    assert found["openvino-cpp-default-fp32"] == found["pytorch-cpp-default-int8"] == "pytorch-python-default-fp32"
    assert found["openvino-cpp-default-int8"] == "openvino-cpp-default-fp32"


def test_another_variant_stands_in_for_a_reference_that_failed(tmp_path):
    study = Study(tmp_path, reference="mxnet")
    study.add("mxnet-python-imperative-fp32", ONE_WRONG, parity="failed")
    study.add("mxnet-python-hybrid-fp32", RIGHT)
    study.add("openvino-python-default-fp32", RIGHT)
    found = study.table()
    assert found["openvino-python-default-fp32"]["baseline"] == "mxnet-python-hybrid-fp32"
    assert found["openvino-python-default-fp32"]["baseline_reason"] == "mxnet-python-imperative-fp32 failed"
    assert found["mxnet-python-hybrid-fp32"]["baseline_reason"] == "mxnet-python-imperative-fp32 failed"
    assert found["mxnet-python-imperative-fp32"]["status"] == "failed"
    assert "verdict" not in found["mxnet-python-imperative-fp32"]


@pytest.mark.parametrize("parity", ["failed", "skipped"])
def test_what_failed_parity_is_no_baseline_and_gets_no_verdict(study, parity):
    study.add("pytorch-python-default-fp32", RIGHT)
    study.add("opencv-python-default-fp32", [3] * 8, parity=parity)
    study.add("opencv-python-default-int8", ONE_WRONG)
    found = study.table()
    assert (found["opencv-python-default-fp32"]["status"], found["opencv-python-default-fp32"]["top1"]) == (
        "failed",
        2 / 8,
    )
    assert "top1_change" not in found["opencv-python-default-fp32"]
    assert found["opencv-python-default-int8"]["baseline"] == "pytorch-python-default-fp32"
    assert found["opencv-python-default-int8"]["baseline_reason"] == "opencv-python-default-fp32 failed"
    assert found["opencv-python-default-int8"]["top1_change"] == -1 / 8


def test_without_a_good_baseline_the_reason_stands_there(study):
    study.skip("opencv-python-default-fp32")
    study.add("opencv-python-default-int8", RIGHT)
    found = study.table()["opencv-python-default-int8"]
    assert (
        found["baseline_reason"]
        == "opencv-python-default-fp32 was skipped; pytorch-python-default-fp32 is not in the study"
    )
    assert found["top1"] == 1
    assert not {"baseline", "top1_change", "mcnemar_p", "agreement", "verdict"} & set(found)


def test_predictions_are_matched_by_image_and_not_by_position(study):
    study.add("pytorch-python-default-fp32", RIGHT)
    order = [5, 0, 7, 2, 1, 6, 3, 4]
    others = {key: [values[index] for index in order] for key, values in {"labels": RIGHT, "files": IMAGES}.items()}
    study.add("opencv-python-default-fp32", [RIGHT[index] for index in order], **others)
    found = study.table()["opencv-python-default-fp32"]
    assert (found["agreement"], found["top1_change"]) == (1, 0)


def test_an_image_that_is_listed_twice_is_matched_twice(study):
    files = [*IMAGES[:6], IMAGES[0], IMAGES[0]]
    labels = [0, 1, 2, 3, 0, 1, 0, 2]
    study.add("pytorch-python-default-fp32", labels, labels, files)
    study.add("opencv-python-default-fp32", labels[::-1], labels[::-1], files[::-1])
    study.add("openvino-python-default-fp32", labels[:7], labels[:7], files[:7])
    found = study.table()
    assert (found["opencv-python-default-fp32"]["agreement"], found["opencv-python-default-fp32"]["top1_change"]) == (
        1,
        0,
    )
    told = "pytorch-python-default-fp32 was evaluated on other images (8, of which 7 are among these 7)"
    assert found["openvino-python-default-fp32"]["baseline_reason"] == told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"files": [*IMAGES[:6], "images/8.png", "images/9.png"]}, "other images (8, of which 6 are among these 8)"),
        ({"contents": ["replaced"] * 8}, "other images (8, of which 0 are among these 8)"),
        ({"labels": [0, 1, 2, 3, 0, 1, 2, 0]}, "other labels (1 of 8 differ)"),
    ],
)
def test_predictions_of_other_images_are_not_compared(study, change, told):
    study.add("pytorch-python-default-fp32", RIGHT)
    study.add("opencv-python-default-fp32", RIGHT, **change)
    found = study.table()["opencv-python-default-fp32"]
    assert "top1_change" not in found
    assert told in found["baseline_reason"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.write_text(""), "is damaged"),
        (lambda path: path.write_bytes(path.read_bytes()[:150]), "is damaged"),
        (lambda path: path.write_text(path.read_text().replace(",1,1,0.5", ",1,0,0.5")), "is damaged"),
    ],
)
def test_damaged_predictions_fail_their_row_and_stop_nothing_else(study, damage, told):
    damage(study.add("pytorch-python-default-fp32", RIGHT))
    study.add("opencv-python-default-fp32", RIGHT)
    study.add("opencv-python-default-int8", ONE_WRONG)
    rows = study.table()
    assert rows["pytorch-python-default-fp32"]["status"] == "failed"
    assert told in rows["pytorch-python-default-fp32"]["reason"]
    assert rows["pytorch-python-default-fp32"]["reason"].endswith(
        "accuracy/pytorch-python-default-fp32.json to evaluate again"
    )
    assert rows["opencv-python-default-fp32"]["baseline_reason"] == "pytorch-python-default-fp32 failed"
    assert rows["opencv-python-default-int8"]["baseline"] == "opencv-python-default-fp32"


def test_a_parity_record_from_before_its_distance_was_taken_is_told(study):
    study.add("pytorch-python-default-fp32", RIGHT)
    path = study.folder / "parity/pytorch-python-default-fp32.json"
    known = json.loads(path.read_text())
    record.read(str(path))
    del known["figures"]["score_distance"]
    path.write_text(json.dumps(known))
    with pytest.raises(
        DliflowError, match=r"pytorch-python-default-fp32\.json: figures: 'score_distance' .* delete it"
    ):
        record.read(str(path))


def test_no_verdict_against_a_baseline_that_guesses(tmp_path):
    study = Study(tmp_path, classes=1000)
    study.add("pytorch-python-default-fp32", [9] * 8)
    study.add("opencv-python-default-fp32", [9] * 8)
    assert study.table()["opencv-python-default-fp32"]["verdict"] == "cannot tell: the baseline looks like chance"


@pytest.fixture
def unlabelled(study):
    """FP32 on eight labelled images, which tell nothing of 1 %, and on a thousand without labels."""
    study.add("pytorch-python-default-fp32", RIGHT)
    study.add_unlabelled("pytorch-python-default-fp32", 0)
    study.add("pytorch-python-default-int8", RIGHT)
    return study


def test_images_without_labels_show_that_hardly_anything_is_lost(unlabelled):
    unlabelled.add_unlabelled("pytorch-python-default-int8", 2)
    found = unlabelled.table()["pytorch-python-default-int8"]
    assert (found["unlabelled_dataset"], found["unlabelled_images"]) == ("many", 1000)
    assert (found["unlabelled_effective"], found["unlabelled_agreement"]) == (1000, 0.998)
    assert found["loss_bound"] == pytest.approx(1 - found["unlabelled_agreement_ci_low"])
    assert 0.002 < found["loss_bound"] < 0.01
    assert found["verdict"] == "loses no more than 1 %"
    assert not {"images_needed", "unlabelled_needed", "unlabelled_reason"} & set(found)


def test_where_they_do_not_tell_it_is_said_what_is_known_and_how_many_would(unlabelled):
    unlabelled.add_unlabelled("pytorch-python-default-int8", 6)
    found = unlabelled.table()["pytorch-python-default-int8"]
    assert found["verdict"] == "cannot tell with 8 labelled and 1000 unlabelled images; loses no more than 1.4 %"
    # The interval of 0.6 % ends at 1 % with 3.84 · 0.01 · 0.99 / 0.004² images.
    assert found["unlabelled_needed"] == 2400
    # And 0.6 % that could be won or lost spread by 1 % with 3.84 · 0.006 / 0.01² images.
    assert found["images_needed"] == 240


def test_where_more_change_than_may_be_lost_labels_alone_can_tell(unlabelled):
    unlabelled.add_unlabelled("pytorch-python-default-int8", 80)
    found = unlabelled.table()["pytorch-python-default-int8"]
    assert found["verdict"].endswith("loses no more than 9.9 %")
    assert "unlabelled_needed" not in found
    assert found["images_needed"] == 3100  # 3.84 · 0.08 / 0.01²


def test_parts_of_the_same_photographs_are_worth_less(study):
    for name, changed in (("pytorch-python-default-fp32", 0), ("pytorch-python-default-int8", 50)):
        study.add(name, RIGHT)
        study.add_unlabelled(name, changed, photographs=100, each=10)  # five photographs change as a whole
    found = study.table()["pytorch-python-default-int8"]
    assert found["unlabelled_effective"] == pytest.approx(100)
    assert found["loss_bound"] > 0.1


def test_labels_that_show_a_loss_have_the_last_word():
    loss = accuracy.Loss(-0.05, -0.06, -0.04, 20, bound=0.02, changed=0.01, unlabelled=9, effective=9)
    assert loss.verdict == "loses more than 1 %"


@pytest.mark.parametrize("broken", ["pytorch-python-default-fp32", "pytorch-python-default-int8"])
def test_without_an_evaluation_the_reason_stands_there_and_labels_tell_what_they_can(study, broken):
    for name in ("pytorch-python-default-fp32", "pytorch-python-default-int8"):
        study.add(name, RIGHT)
        study.add_unlabelled(name, 0, status="failed" if name == broken else "ok")
    found = study.table()["pytorch-python-default-int8"]
    assert found["unlabelled_reason"].startswith(f"{broken} failed: ")
    assert (found["status"], found["verdict"]) == ("ok", "cannot tell with 8 images")
    assert "loss_bound" not in found
