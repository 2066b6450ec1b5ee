"""The plan of a study, and the code that decides a stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from dliflow import config, modules, plan

ROOT = Path(__file__).parents[2]
STUDY = {"models": ["m"], "dataset": "d", "frameworks": ["null", "openvino"], "precisions": ["fp32", "fp16"]}

MODEL = plan.described({"source": {"format": "onnx"}}, "spec", 10)


def build(**changes):
    return plan.build(config.study({**STUDY, **changes}, "test"), {"m": MODEL}, lambda name: f"envs/{name}")


def test_every_configuration_has_its_rows():
    found = build(latency={"batch_sizes": [1, 2], "repetitions": 3})
    assert len(found["accuracy"]) == 4
    assert len(found["latency"]) == 4 * 2 * 3
    assert len({row["record"] for row in found["latency"]}) == 24
    skipped = {(row["framework"], row["precision"]) for row in found["accuracy"] if row["reason"]}
    assert skipped == {("null", "fp16")}
    assert len(plan.records(found, "latency")) == 18


def test_a_model_that_is_quantized_already_runs_in_the_framework_of_its_format_only():
    source = {"format": "tflite", "precision": "int8", "batch_size": 1}
    changes = {"frameworks": ["null", "tflite"], "precisions": ["fp32", "int8"], "latency": {"batch_sizes": [1, 8]}}
    checked = config.study({**STUDY, **changes}, "test")
    found = plan.build(checked, {"m": plan.described({"source": source}, "spec", 10)}, lambda name: f"envs/{name}")
    (row,) = (row for row in found["parity"] if row["reason"] is None)
    assert (row["framework"], row["precision"]) == ("tflite", "int8")
    assert "envs/tensorflow" not in row["needs"]
    assert not any("interchange" in path for path in row["needs"])
    assert "runs as it is, in tflite" in found["accuracy"][0]["reason"]
    run = {
        row["batch_size"]: row["reason"]
        for row in found["latency"]
        if (row["framework"], row["precision"]) == ("tflite", "int8")
    }
    assert run == {1: None, 8: "the model's file takes batches of 1 only (source.batch_size)"}


def test_turns_are_whole_rounds_in_a_seeded_order():
    rows = build(latency={"batch_sizes": [1, 2, 4, 8], "repetitions": 3})["latency"]

    def order(seed, rows=rows):
        return sorted(rows, key=lambda row: -plan.turn(row["record"], row["repetition"], 3, seed))

    repetitions = [row["repetition"] for row in order(0)]
    assert repetitions == sorted(repetitions)
    assert [r["record"] for r in order(0)] == [r["record"] for r in order(0, rows[::-1])]
    assert [r["record"] for r in order(0)] != [r["record"] for r in order(1)]
    first = [row["batch_size"] for row in order(0) if row["repetition"] == 1]
    second = [row["batch_size"] for row in order(0) if row["repetition"] == 2]
    assert first != second


def test_sources_follow_imports_and_stop_at_other_frameworks():
    found = {Path(path).name for path in modules.sources("stages.latency", "frameworks.openvino")}
    assert {"latency.py", "session.py", "measure.py", "machine.py", "openvino.py", "metrics.py"} <= found
    assert not {"opencv.py", "plots.py", "tables.py", "version.py", "stats.py"} & found


def test_a_measurement_does_not_depend_on_reporting_code():
    measuring = set(modules.sources("stages.latency", "frameworks.null"))
    shared = measuring & set(modules.sources("stages.report", "stages.plots", "stages.tables"))
    assert {Path(path).name for path in shared} <= {"__init__.py", "files.py", "integrity.py", "errors.py", "null.py"}


@pytest.mark.parametrize("stage", [path.stem for path in (ROOT / "workflow/dliflow/stages").glob("[a-z]*.py")])
def test_every_stage_s_sources_exist(stage):
    assert all(Path(path).exists() for path in modules.sources(f"stages.{stage}"))
