"""The default study on real input: the real network, real images, every framework."""

from __future__ import annotations

import json

from dliflow.machine import facts


def test_every_framework_agrees_with_the_reference(study):
    rows = [row for row in study.table("parity") if row["status"] == "ok"]
    assert {row["framework"] for row in rows if row["precision"] == "fp32"} >= {
        *("pytorch", "onnxruntime", "openvino", "opencv", "tensorflow", "tflite", "mxnet")
    }
    for row in rows:
        if row["precision"] == "fp32":
            assert float(row["max_abs_score_diff"]) < 1e-3
            assert float(row["agreement"]) == 1


def test_the_accuracy_is_that_of_the_network(study):
    """18 of the 20 images are right at top-1, as everybody who runs this network on them finds."""
    rows = [row for row in study.table("accuracy") if row["status"] == "ok" and row["precision"] == "fp32"]
    assert rows
    for row in rows:
        assert (float(row["top1"]), int(row["images"])) == (0.9, 20)


def test_no_configuration_is_without_figures_or_reason(study):
    for table in ("parity", "accuracy", "performance", "measurements"):
        for row in study.table(table):
            assert row["status"] in ("ok", "skipped")
            assert bool(row["reason"]) == (row["status"] == "skipped")


def test_interchange_files_hold_no_path_of_this_machine(study):
    for path in (study.folder / "results/models/efficientnet_lite0/interchange").iterdir():
        data = path.read_bytes()
        assert str(study.folder).encode() not in data or path.suffix == ".pt2"


def test_what_was_inherited_does_not_decide_the_threads(study):
    """The workflow engine sets OMP_NUM_THREADS to a job's threads; every framework still uses its default."""
    every = dict.fromkeys(("pytorch", "onnxruntime"), "physical_cores")  # TFLite and MXNet take fewer
    every |= dict.fromkeys(("opencv", "tensorflow"), "usable_cpus")
    every |= {} if facts.processors().hybrid else {"openvino": "physical_cores"}  # else those of the fast kind
    for path in study.records():
        record = json.loads(path.read_text())
        framework = record["identity"]["framework"]
        if record["status"] == "ok" and framework in every:
            told = [
                opened
                for group in record["figures"]["groups"]
                for one in group["sessions"]
                for opened in one["opened"].values()
            ]
            assert {opened["threads_in_effect"] for opened in told} == {record["machine"][every[framework]]}
