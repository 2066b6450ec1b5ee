"""The plan of a study, and the code that decides a stage."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from dliflow import files
from dliflow.errors import DliflowError
from dliflow.stages import worker
from dliflow.study import arguments, config, paths, plan

ROOT = Path(__file__).parents[2]
STUDY = {"models": ["m"], "dataset": "d", "frameworks": ["null", "openvino"], "precisions": ["fp32", "fp16"]}

MODEL = plan.described({"source": {"format": "onnx"}}, "spec", 10)


def build(**changes):
    return plan.build(
        config.study({**STUDY, **changes}, "test"), {"m": MODEL}, lambda name: f"envs/{name}", files.digest
    )


def test_every_configuration_has_its_rows():
    found = build(latency={"batch_sizes": [1, 2], "groups": 3})
    assert len(found["accuracy"]) == 4
    assert len(found["sweep"]) == 4 * 2 * 3
    assert len({row["record"] for row in found["sweep"]}) == 4 * 3  # all batch sizes of a group share one
    skipped = {(row["framework"], row["precision"]) for row in found["accuracy"] if row["reason"]}
    assert skipped == {("null", "fp16")}
    assert len(plan.records(found, "sweep")) == 3 * 3
    for row in found["sweep"]:
        assert {"envs/anchor", paths.ANCHOR, row["record"]} <= set(row["needs"])


def test_the_anchor_runs_on_a_gpu_beside_what_does_where_it_has_an_environment_for_it():
    named = {"frameworks": ["openvino", "onnxruntime", "onnxruntime@cuda"], "precisions": ["fp32"]}
    found = build(**named, devices=["cpu", "gpu"], tune="on")
    for row in (*found["sweep"], *found["tune"]):
        on_gpu = (row["framework"], row["device"]) == ("onnxruntime@cuda", "gpu")
        assert ("envs/anchor@cuda" in row["needs"]) == on_gpu
        assert {"envs/anchor", paths.ANCHOR} <= set(row["needs"])  # there the network is made
    needs = {(row["device"], row["batch_size"]): row["needs"] for row in found["compare"]}
    assert "envs/anchor@cuda" in needs["gpu", 1] and "envs/anchor@cuda" not in needs["cpu", 1]
    for name in plan.ANCHORS_ON_GPU.values():
        assert (ROOT / f"envs/{name}.yaml").exists()


def test_the_plan_of_a_model_has_its_rows_and_no_others_in_their_order():
    whole = plan.build(
        config.study({**STUDY, "models": ["m", "n"]}, "test"), {"m": MODEL, "n": MODEL}, lambda name: name, files.digest
    )
    parts = plan.by_model(whole)
    assert list(parts) == ["m", "n"]
    for stage, rows in whole.items():
        assert [row for model in parts for row in parts[model][stage]] == sorted(rows, key=lambda row: row["model"])
        assert {row["model"] for row in parts["n"][stage]} <= {"n"}
    point = {"model": "n", "device": "cpu", "node": "local", "batch_size": 1}
    assert plan.candidates(parts["n"], **point) == plan.candidates(whole, **point) != []


def test_throughput_has_a_row_for_each_number_in_flight_and_a_record_for_each_group():
    assert build()["throughput"] == []
    asked = {"in_flight": [1, 2, 4], "batch_sizes": [1, 8], "groups": 2, "p99_ms": 30}
    found = build(throughput=asked, latency={"groups": 1})["throughput"]
    assert len(found) == 4 * 2 * 2 * 3
    assert len({row["record"] for row in found}) == 4 * 2
    assert all("/throughput/" in row["record"] for row in found)
    assert {row["scenario"] for row in found} == {"throughput"} and {row["p99_budget_ms"] for row in found} == {30}
    model = plan.described({"source": {"format": "tflite", "precision": "int8", "batch_size": 8}}, "spec", 10)
    checked = config.study({**STUDY, "frameworks": ["tflite"], "precisions": ["int8"], "throughput": asked}, "test")
    only = plan.build(checked, {"m": model}, lambda name: name, files.digest)["throughput"]
    assert {(row["batch_size"], row["reason"] is None) for row in only} == {(1, False), (8, True)}


def test_what_is_compared_is_each_batch_size_and_then_all_of_them():
    found = build(frameworks=["openvino"], latency={"batch_sizes": [1, 2], "groups": 2})
    assert [row["batch_size"] for row in found["compare"]] == [1, 2, None]
    of_sizes = [row["record"] for row in found["compare"]]
    assert of_sizes[-1].endswith(f"batch{paths.SIZES}.json")
    setting = {key: found["compare"][0][key] for key in plan.SETTING}
    assert plan.compared_before(found, **setting) == of_sizes[:2]
    assert set(of_sizes) <= set(found["compare"][-1]["needs"])
    assert {row["record"] for row in found["sweep"]} <= set(found["compare"][0]["needs"])
    named = [(one["framework"], one["precision"]) for one in plan.candidates(found, model="m", batch_size=2)]
    assert named == [("openvino", "fp32"), ("openvino", "fp16")]
    assert plan.candidates(found, model="m") == plan.candidates(found, model="m", batch_size=1)
    assert [row["batch_size"] for row in build(latency={"batch_sizes": [4]})["compare"]] == [4]
    assert build(compare={"leaders": 0})["compare"] == []


def test_nothing_is_tuned_unless_it_is_asked_for():
    assert build()["tune"] == []
    assert build(tune="off")["tune"] == []


def test_what_is_tuned_has_a_row_for_each_batch_size_and_takes_part_in_comparisons():
    sizes = {"batch_sizes": [1, 2], "groups": 2}
    found = build(tune={"precisions": ["fp32"], "batch_sizes": [2]}, frameworks=["null", "openvino"], latency=sizes)
    assert [(row["framework"], row["precision"], row["batch_size"]) for row in found["tune"]] == [
        ("null", "fp32", 2),
        ("openvino", "fp32", 2),
    ]
    for row in found["tune"]:
        (parity,) = (one["record"] for one in found["parity"] if all(one[key] == row[key] for key in plan.IDENTITY))
        assert {parity, "envs/anchor", paths.ANCHOR, row["record"]} <= set(row["needs"])
        assert row["record"] in found["compare"][1]["needs"] and row["record"] in found["compare"][2]["needs"]
        assert row["record"] not in found["compare"][0]["needs"]
    names = [(one["framework"], one["parameters"]) for one in plan.candidates(found, model="m", batch_size=2)]
    assert names.count(("openvino", "tuned")) == 1 and ("openvino", "default") in names
    assert {one["parameters"] for one in plan.candidates(found, model="m", batch_size=1)} == {"default"}
    assert plan.tuned(found, model="m", batch_size=1) == []
    assert plan.tuned(found, model="m") == [row["record"] for row in found["tune"]]
    openvino = next(one for one in plan.candidates(found, model="m") if one["parameters"] == "tuned")
    assert paths.TUNE.format(**found["tune"][0]) in plan.needs(found, model="m", **openvino)
    assert len(build(tune="on", latency=sizes)["tune"]) == 4 * 2


def test_one_configuration_alone_is_not_compared():
    found = build(frameworks=["openvino"], precisions=["fp32"], latency={"batch_sizes": [1, 2]})
    reasons = [row["reason"] for row in found["compare"]]
    assert reasons[:2] == ["fewer than two configurations can run: there is nothing to compare"] * 2
    assert reasons[2] is None  # its batch sizes are
    assert not set(plan.compared_before(found, model="m")) & set(found["compare"][2]["needs"])


def test_each_api_has_rows_and_what_has_no_program_a_reason():
    asked = {"in_flight": [2], "batch_sizes": [1]}
    changes = {"apis": ["python", "cpp"], "frameworks": ["openvino", "opencv"], "precisions": ["fp32"], "tune": {}}
    found = build(**changes, throughput=asked, profile=[{"framework": "openvino"}])
    reasons = {(row["framework"], row["api"]): row["reason"] for row in found["parity"]}
    assert [reasons["openvino", api] for api in ("python", "cpp")] == [None, None] and not reasons["opencv", "python"]
    assert "exports nothing to C++" in reasons["opencv", "cpp"]
    compiled = build(**changes, cpp={"opencv": "build"})
    needs = {row["framework"]: row["needs"] for row in compiled["parity"] if row["api"] == "cpp"}
    library = plan.library({"cpp": {"opencv": "build"}}, "opencv", files.digest)
    at = needs["opencv"].index(library)
    assert "cmake" in needs["opencv"][at - 1] and library not in needs["openvino"]
    assert needs["opencv"][at + 1] == paths.BUILT.format(framework="opencv", environment=files.digest("opencv"))
    built = paths.BUILT.format(framework="openvino", environment=files.digest("openvino"))
    for stage in ("parity", "accuracy", "sweep"):
        in_cpp = {built in row["needs"] for row in found[stage] if row["api"] == "cpp" and not row["reason"]}
        in_python = {built in row["needs"] for row in found[stage] if row["api"] == "python"}
        assert (in_cpp, in_python) == ({True}, {False})
    assert {row["api"] for stage in ("tune", "profile") for row in found[stage]} == {"python"}
    (reason,) = {row["reason"] for row in found["throughput"] if (row["framework"], row["api"]) == ("openvino", "cpp")}
    assert reason == plan.ALONE_IN_CPP
    as_it_is = plan.described({"source": {"format": "tflite", "precision": "int8", "batch_size": 8}}, "spec", 10)
    checked = config.study({**STUDY, **changes, "frameworks": ["tflite"], "precisions": ["int8"]}, "test")
    rows = plan.build(checked, {"m": as_it_is}, lambda name: name, files.digest)["parity"]
    assert [row["reason"] is None for row in rows] == [True, False]


def test_variants_that_a_study_names_have_rows_and_files_of_their_own_where_they_run_others():
    changes = {"apis": ["python", "cpp"], "frameworks": ["pytorch", "tflite"], "precisions": ["fp32", "int8"]}
    usual = build(**changes)["parity"]
    assert {row["variant"] for row in usual} == {"default"}
    found = build(**changes, variants={"pytorch": ["default", "compiled"], "tflite": ["compiled_model"]})["parity"]
    rows = {tuple(row[key] for key in ("framework", "variant", "api", "precision")): row for row in found}
    assert {(row["framework"], row["variant"]) for row in found} == {
        *(("pytorch", "default"), ("pytorch", "compiled"), ("tflite", "compiled_model"))
    }
    able = {key for key, row in rows.items() if row["reason"] is None}
    assert able == {
        *(("pytorch", "default", "python", precision) for precision in ("fp32", "int8")),
        *(("pytorch", variant, "cpp", precision) for variant, precision in (("default", "int8"), ("compiled", "fp32"))),
        ("pytorch", "compiled", "python", "fp32"),
        *(("tflite", "compiled_model", api, precision) for api in ("python", "cpp") for precision in ("fp32", "int8")),
    }
    assert "is there for fp32 on CPUs" in rows["pytorch", "compiled", "python", "int8"]["reason"]
    assert "name variants: {pytorch: [default, compiled]}" in rows["pytorch", "default", "cpp", "fp32"]["reason"]

    def models(*key):
        return [path for path in rows[key]["needs"] if path.startswith("results/models/m/") and "-fp32-" in path]

    compiled = models("pytorch", "compiled", "python", "fp32")
    assert compiled == models("pytorch", "compiled", "cpp", "fp32") != models("pytorch", "default", "python", "fp32")
    assert compiled[0].endswith(f"pytorch-fp32-compiled-{files.digest('pytorch')}.json")
    (before,) = (
        row for row in usual if (row["framework"], row["api"], row["precision"]) == ("tflite", "python", "fp32")
    )
    assert models("tflite", "compiled_model", "cpp", "fp32")[0] in before["needs"]


def test_the_order_of_keys_decides_nothing():
    entry = {"height": 8, "width": 9}
    assert arguments.text(input=entry) == arguments.text(input=dict(reversed(entry.items())))
    assert arguments.text(input=entry) != arguments.text(input={"height": 9, "width": 8})
    assert arguments.words(a_b=None, c=False, d_e=True, f=[1, 2], g=0) == ["--d-e", "--f", "[1, 2]", "--g", "0"]


def test_the_command_of_a_worker_is_what_its_stage_takes():
    held = {
        "model": "m",
        "framework": "null",
        "api": "python",
        "variant": "default",
        "precision": "fp32",
        "device": "cpu",
    }
    held |= {"parameters": "default", "threads": None, "options": {"a": 1}, "converted": Path("x.json"), "scores": 10}
    held["built"] = Path("built.json")
    command = arguments.worker("python", 7, **held, launch={"cpus": None}, distinct=2, mode="threads")
    assert command[:4] == ["python", "-m", "dliflow", "worker"]
    parser = argparse.ArgumentParser()
    worker.arguments(parser)
    assert vars(parser.parse_args(command[4:])) == {
        **held,
        "launch": {"cpus": None},
        "distinct": 2,
        "inputs": 7,
        "mode": "threads",
    }


def test_a_model_that_is_quantized_already_runs_in_the_framework_of_its_format_only():
    source = {"format": "tflite", "precision": "int8", "batch_size": 1}
    changes = {"frameworks": ["null", "tflite"], "precisions": ["fp32", "int8"], "latency": {"batch_sizes": [1, 8]}}
    checked = config.study({**STUDY, **changes}, "test")
    found = plan.build(
        checked, {"m": plan.described({"source": source}, "spec", 10)}, lambda name: f"envs/{name}", files.digest
    )
    (row,) = (row for row in found["parity"] if row["reason"] is None)
    assert (row["framework"], row["precision"]) == ("tflite", "int8")
    assert "envs/tensorflow" not in row["needs"]
    assert not any("interchange" in path for path in row["needs"])
    assert "runs as it is, in tflite" in found["accuracy"][0]["reason"]
    run = {
        row["batch_size"]: row["reason"]
        for row in found["sweep"]
        if (row["framework"], row["precision"]) == ("tflite", "int8")
    }
    assert run == {1: None, 8: "the model's file takes batches of 1 only (source.batch_size)"}


def test_turns_are_whole_rounds_in_a_seeded_order():
    precisions = ["fp32", "fp16", "int8"]
    rows = build(frameworks=["openvino", "tflite", "opencv"], precisions=precisions, latency={"groups": 3})["sweep"]

    def order(seed, rows=rows):
        once = {row["record"]: row for row in rows if row["reason"] is None}.values()
        return sorted(once, key=lambda row: -plan.turn(row["record"], row["group"], {"groups": 3, "seed": seed}))

    groups = [row["group"] for row in order(0)]
    assert groups == sorted(groups)
    assert [r["record"] for r in order(0)] == [r["record"] for r in order(0, rows[::-1])]
    assert [r["record"] for r in order(0)] != [r["record"] for r in order(1)]
    first, second = (
        [(row["framework"], row["precision"]) for row in order(0) if row["group"] == group] for group in (1, 2)
    )
    assert first != second and set(first) == set(second)


@pytest.mark.parametrize("groups", [1, 59, 60, 1000])
def test_measurements_come_after_what_they_wait_for_however_many_there_are(groups):
    rules = (ROOT / "workflow/rules").glob("*.smk")
    other = {line.strip() for path in rules for line in path.read_text().splitlines() if "priority:" in line}
    of_measurements = other - {"priority: plan.READY"}
    assert len(of_measurements) == 2 and all("plan.turn(" in each for each in of_measurements)
    settings = {"groups": groups, "seed": 0}
    turns = [
        [plan.turn(f"results/{name}/group{number}.json", number, settings) for name in "abcdef"]
        for number in range(1, groups + 1)
    ]
    assert min(map(min, turns)) >= 0 and max(map(max, turns)) < plan.READY
    assert all(min(earlier) > max(later) for earlier, later in zip(turns, turns[1:]))
    assert all(len(set(turn)) == 6 for turn in turns)


def test_a_study_of_which_nothing_can_run_is_refused():
    checked = config.study({**STUDY, "devices": ["gpu"], "frameworks": ["null", "opencv"]}, "test")
    refused = plan.build(checked, {"m": MODEL}, lambda name: f"envs/{name}", files.digest)
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
        plan.check(plan.build(checked, {"m": model}, lambda name: name, files.digest), checked, {"m": model}, "my.yaml")
