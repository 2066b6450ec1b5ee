"""Who takes part in a comparison, how long it goes on, and what is left of it when one breaks; without processes."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import records

from dliflow import files
from dliflow.analysis import comparison
from dliflow.analysis.comparison import Pair
from dliflow.files import read_json, write_json
from dliflow.stages import rounds
from dliflow.study import plan

STUDY = {
    **{"models": ["m"], "dataset": "few", "frameworks": ["onnxruntime", "openvino"]},
    **{"apis": ["python"], "precisions": ["fp32"]},
    **{"devices": ["cpu"], "nodes": ["local"], "latency": {"batch_sizes": [1, 4], "groups": 3}},
    **{"compare": {"leaders": 2}, "calibration": {"dataset": "few"}},
    "agreement": {"dataset": None},
    "profile": [],
    "tune": False,
    "throughput": {"in_flight": [], "batch_sizes": [1], "groups": 1, "p99_ms": None},
}
MODELS = {
    "m": {
        **{"spec": "224px", "format": "onnx", "precision": None, "batch_size": None, "classes": 4},
        "published": None,
    }
}
ORT, OV = "onnxruntime-python-default-fp32-default", "openvino-python-default-fp32-default"


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study in the working directory whose records are all there, OpenVINO taking half as long as the other."""
    monkeypatch.chdir(tmp_path)
    study_plan = plan.build(STUDY, MODELS, lambda name: None, files.digest)
    records.study(study_plan, np.random.default_rng(0))
    for row in study_plan["sweep"]:
        if row["framework"] == "openvino" and row["batch_size"] == 1:  # once for each record
            divide(row["record"], "measured", 2)
    return study_plan


def divide(path, name, by) -> None:
    """Let a member take so many times less in a record."""
    found = read_json(Path(path))
    for session in (one for group in found["figures"]["groups"] for one in group["sessions"]):
        for round_ in session["rounds"]:
            round_["latency_ns"][name] = [value // by for value in round_["latency_ns"][name]]
    write_json(Path(path), found)


def asked(study_plan, batch_sizes, missing=()):
    point = {"batch_size": batch_sizes[0]} if len(batch_sizes) == 1 else {}
    tuned = plan.tuned(study_plan, model="m", **point)
    return argparse.Namespace(
        **{"node": "local", "model": "m", "device": "cpu", "batch_sizes": batch_sizes, "leaders": 2},
        **{"candidates": plan.candidates(study_plan, model="m", **point), "missing": missing, "groups_of_sweep": 3},
        tuned=tuned,
    )


def named(members) -> set[str]:
    return {comparison.name(one) for one in members}


def chosen(args):
    return rounds.chosen(args, rounds.swept(args))


def test_the_leaders_of_a_batch_size_meet_the_fastest_of_the_sweep(study):
    members, pairs = chosen(asked(study, [4]))
    assert named(members) == {ORT, OV}
    assert pairs == [Pair(OV, ORT, "leaders")]


def test_who_failed_or_gave_other_scores_takes_no_part(study):
    assert chosen(asked(study, [4], missing=[OV])) == ([], [])
    row = next(row for row in study["parity"] if row["framework"] == "openvino")
    changed = {**read_json(Path(row["record"])), "status": "skipped", "reason": "cannot"}
    write_json(Path(row["record"]), changed)
    assert chosen(asked(study, [4])) == ([], [])


def test_who_was_not_measured_at_a_batch_size_takes_no_part_in_its_comparison(study):
    skipped = {"batch_size": 4, "skipped": True, "reason": "too many"}
    for row in study["sweep"]:
        if row["framework"] == "openvino":
            records.sweep(row, [1, 4], np.random.default_rng(0), (skipped,))
    assert chosen(asked(study, [4])) == ([], [])
    assert named(chosen(asked(study, [1]))[0]) == {ORT, OV}


def test_the_fastest_of_each_batch_size_meets_that_of_the_most_images(study):
    """The rounds of batch size 4 say otherwise than the sweep, and are believed; those of 1 are not there."""
    one, four, _ = (row["record"] for row in study["compare"])
    Path(one).unlink()
    divide(four, ORT, 4)
    members, pairs = chosen(asked(study, [1, 4]))
    assert named(members) == {f"{OV}:1", f"{ORT}:4"}
    assert [member["size"] for member in members] == [1, 4]
    assert pairs == [Pair(f"{OV}:1", f"{ORT}:4", "batch size")]  # of the sweep: an image takes half as long


def test_a_batch_size_at_which_nothing_ran_is_left_out(study):
    for row in study["sweep"]:
        lost = {"batch_size": 4, "skipped": True, "reason": "too many"}
        records.sweep(row, [1, 4], np.random.default_rng(0), (lost,))
    Path(study["compare"][1]["record"]).unlink()
    assert chosen(asked(study, [1, 4])) == ([], [])


TUNED = "openvino-python-default-fp32-tuned"


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """The study with OpenVINO's launch settings tuned at batch size 1, and shown to be faster."""
    monkeypatch.chdir(tmp_path)
    of = {**STUDY, "tune": {"frameworks": ["openvino"], "precisions": None, "batch_sizes": [1]}}
    study_plan = plan.build(of, MODELS, lambda name: None, files.digest)
    records.study(study_plan, np.random.default_rng(0))
    return study_plan


def test_tuned_settings_meet_the_default_ones_where_they_lead(tuned):
    members, pairs = chosen(asked(tuned, [1]))
    assert named(members) >= {TUNED, OV}
    assert Pair(TUNED, OV, "tuning") in pairs or Pair(TUNED, OV, "leaders") in pairs
    (one,) = (member for member in members if comparison.name(member) == TUNED)
    assert (one["threads"], one["options"]) == (1, {})
    args = argparse.Namespace(**vars(asked(tuned, [1])), threads=7, scores=4, launch={}, distinct=None)
    for member in members:
        words = rounds.command(args, {**member, "python": "python", "options": member.get("options", {})}, 0)
        threads = words[words.index("--threads") + 1]
        assert threads == ("1" if comparison.name(member) == TUNED else "7")


def test_the_anchor_of_a_comparison_runs_on_a_gpu_that_a_member_brings_one_for(monkeypatch):
    monkeypatch.setattr(rounds.anchor, "file", lambda manifest: "anchor.onnx")
    args = argparse.Namespace(anchor="anchor.json", anchor_python="on_cpu/python", anchor_device="cpu")
    intel, cuda = {"framework": "openvino"}, {"framework": "onnxruntime@cuda", "anchor": "on_gpu/python"}
    command = rounds.anchor_command(args, [intel, cuda])
    assert command[0] == "on_gpu/python" and command[-2:] == ["--device", "gpu"]
    command = rounds.anchor_command(args, [intel])
    assert command[0] == "on_cpu/python" and "--device" not in command


def test_settings_that_were_not_shown_to_be_faster_take_no_part(tuned):
    (row,) = tuned["tune"]
    records.tune(row, np.random.default_rng(0), gain=1.0)
    assert TUNED not in named(chosen(asked(tuned, [1]))[0])
    assert TUNED not in named(chosen(asked(tuned, [4]))[0])


def test_tuned_settings_stand_for_the_batch_size_at_which_they_were_found(tuned):
    for record in (row["record"] for row in tuned["compare"][:2]):
        Path(record).unlink()  # then the sweep tells who is fastest at a batch size
    members, _ = chosen(asked(tuned, [1, 4]))
    assert named(members) >= {f"{TUNED}:1"}
    assert f"{TUNED}:4" not in named(members)


# --- When one breaks --------------------------------------------------------------------------------------------------

PAIRS = [
    *(
        Pair("a", "b", "leaders"),
        Pair("a", "c", "leaders"),
        Pair("a", "a32", "precision"),
        Pair("b", "b32", "precision"),
    ),
]


def test_pairs_of_one_that_broke_go_and_leaders_meet_the_next_one():
    assert rounds._without("c", PAIRS) == [PAIRS[0], *PAIRS[2:]]
    assert rounds._without("a", PAIRS) == [Pair("b", "c", "leaders"), PAIRS[3]]
    assert rounds._without("a32", PAIRS) == [*PAIRS[:2], PAIRS[3]]
    assert rounds._without("b", PAIRS[:1]) == []


def test_batch_sizes_meet_the_next_one_too():
    sizes = [Pair("x:4", "x:1", "batch size"), Pair("x:4", "y:2", "batch size")]
    assert rounds._without("x:4", sizes) == [Pair("x:1", "y:2", "batch size")]
