"""The plan of a study, and the code that decides a stage."""

from __future__ import annotations

from pathlib import Path

import pytest

from dliflow.errors import DliflowError
from dliflow.study import config, options, plan

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


def test_the_order_of_keys_decides_nothing():
    entry = {"height": 8, "width": 9}
    assert options.text(input=entry) == options.text(input=dict(reversed(entry.items())))
    assert options.text(input=entry) != options.text(input={"height": 9, "width": 8})


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
        return sorted(
            rows, key=lambda row: -plan.turn(row["record"], row["repetition"], {"repetitions": 3, "seed": seed})
        )

    repetitions = [row["repetition"] for row in order(0)]
    assert repetitions == sorted(repetitions)
    assert [r["record"] for r in order(0)] == [r["record"] for r in order(0, rows[::-1])]
    assert [r["record"] for r in order(0)] != [r["record"] for r in order(1)]
    first = [row["batch_size"] for row in order(0) if row["repetition"] == 1]
    second = [row["batch_size"] for row in order(0) if row["repetition"] == 2]
    assert first != second


@pytest.mark.parametrize("repetitions", [1, 59, 60, 1000])
def test_measurements_come_after_what_they_wait_for_however_many_there_are(repetitions):
    rules = (ROOT / "workflow/rules").glob("*.smk")
    other = {line.strip() for path in rules for line in path.read_text().splitlines() if "priority:" in line}
    (mine,) = other - {"priority: plan.READY"}
    assert "plan.turn(" in mine
    settings = {"repetitions": repetitions, "seed": 0}
    turns = [
        [plan.turn(f"results/{name}/run{number}.json", number, settings) for name in "abcdef"]
        for number in range(1, repetitions + 1)
    ]
    assert min(map(min, turns)) >= 0 and max(map(max, turns)) < plan.READY
    assert all(min(earlier) > max(later) for earlier, later in zip(turns, turns[1:]))
    assert all(len(set(turn)) == 6 for turn in turns)


def test_a_study_of_which_nothing_can_run_is_refused():
    checked = config.study({**STUDY, "devices": ["gpu"], "frameworks": ["null", "opencv"]}, "test")
    refused = plan.build(checked, {"m": MODEL}, lambda name: f"envs/{name}")
    with pytest.raises(DliflowError) as error:
        plan.check(refused, checked, {"m": MODEL}, "my.yaml")
    message = str(error.value)
    assert message.startswith("my.yaml: nothing of this study can run (devices: [gpu]; precisions: [fp32, fp16]; ")
    assert all(row["reason"] in message for row in refused["parity"])
    assert "on cpu" in message.splitlines()[-1]
    plan.check(build(), checked, {"m": MODEL}, "my.yaml")
    source = {"format": "tflite", "precision": "int8"}
    model = plan.described({"source": source}, "spec", 10)
    with pytest.raises(DliflowError, match="Right would be: tflite: int8 on cpu"):
        plan.check(plan.build(checked, {"m": model}, lambda name: name), checked, {"m": model}, "my.yaml")
