"""Who takes part in a comparison, how long it goes on, and what is left of it when one breaks; without processes."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import nested
import numpy as np
import pytest
import records

from dliflow import files
from dliflow.analysis import comparison
from dliflow.analysis.comparison import Pair
from dliflow.files import read_json, write_json
from dliflow.stages import compare
from dliflow.study import plan

STUDY = {
    **{"models": ["m"], "dataset": "few", "frameworks": ["onnxruntime", "openvino"], "precisions": ["fp32"]},
    **{"devices": ["cpu"], "node": "local", "latency": {"batch_sizes": [1, 4], "groups": 3}},
    **{"compare": {"leaders": 2}, "calibration": {"dataset": "few"}},
    "agreement": {"dataset": None},
    "throughput": {"in_flight": [], "batch_sizes": [1], "groups": 1, "p99_ms": None},
}
MODELS = {
    "m": {
        **{"spec": "224px", "format": "onnx", "precision": None, "batch_size": None, "classes": 4},
        "published": None,
    }
}
ORT, OV = "onnxruntime-default-fp32-default", "openvino-default-fp32-default"


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
    return argparse.Namespace(
        **{"node": "local", "model": "m", "device": "cpu", "batch_sizes": batch_sizes, "leaders": 2},
        **{"candidates": plan.candidates(study_plan, model="m", **point), "missing": missing, "groups_of_sweep": 3},
    )


def named(members) -> set[str]:
    return {comparison.name(one) for one in members}


def test_the_leaders_of_a_batch_size_meet_the_fastest_of_the_sweep(study):
    members, pairs = compare.chosen(asked(study, [4]))
    assert named(members) == {ORT, OV}
    assert pairs == [Pair(OV, ORT, "leaders")]


def test_who_failed_or_gave_other_scores_takes_no_part(study):
    assert compare.chosen(asked(study, [4], missing=[OV])) == ([], [])
    row = next(row for row in study["parity"] if row["framework"] == "openvino")
    changed = {**read_json(Path(row["record"])), "status": "skipped", "reason": "cannot"}
    write_json(Path(row["record"]), changed)
    assert compare.chosen(asked(study, [4])) == ([], [])


def test_who_was_not_measured_at_a_batch_size_takes_no_part_in_its_comparison(study):
    skipped = {"batch_size": 4, "skipped": True, "reason": "too many"}
    for row in study["sweep"]:
        if row["framework"] == "openvino":
            records.sweep(row, [1, 4], np.random.default_rng(0), (skipped,))
    assert compare.chosen(asked(study, [4])) == ([], [])
    assert named(compare.chosen(asked(study, [1]))[0]) == {ORT, OV}


def test_the_fastest_of_each_batch_size_meets_that_of_the_most_images(study):
    """The rounds of batch size 4 say otherwise than the sweep, and are believed; those of 1 are not there."""
    one, four, _ = (row["record"] for row in study["compare"])
    Path(one).unlink()
    divide(four, ORT, 4)
    members, pairs = compare.chosen(asked(study, [1, 4]))
    assert named(members) == {f"{OV}:1", f"{ORT}:4"}
    assert [member["size"] for member in members] == [1, 4]
    assert pairs == [Pair(f"{OV}:1", f"{ORT}:4", "batch size")]  # of the sweep: an image takes half as long


def test_a_batch_size_at_which_nothing_ran_is_left_out(study):
    for row in study["sweep"]:
        lost = {"batch_size": 4, "skipped": True, "reason": "too many"}
        records.sweep(row, [1, 4], np.random.default_rng(0), (lost,))
    Path(study["compare"][1]["record"]).unlink()
    assert compare.chosen(asked(study, [1, 4])) == ([], [])


# --- How long it goes on ----------------------------------------------------------------------------------------------


def made(ratio, sd):
    """A group at a time, of which `x` takes so many times as long as `y`."""
    members = {"x": lambda state: ratio * math.exp(state), "y": math.exp}
    return iter(nested.groups(members, count=99, sd=sd)).__next__


def test_it_ends_when_all_pairs_are_decided_but_not_before_so_many_groups():
    found, why = compare.until_decided(made(1.5, (0, 0.01, 0.01)), [Pair("x", "y", "leaders")], 4, 60.0, 0.02)
    assert (len(found), why) == (4, "decided")
    found, why = compare.until_decided(made(1.02, (0.02, 0.02, 0.01)), [Pair("x", "y", "leaders")], 2, 60.0, 0.004)
    assert why == "decided" and len(found) > 4


def test_it_ends_with_the_budget_but_has_so_many_groups_in_any_case():
    undecided = made(1.0, (0.2, 0.1, 0.1))
    found, why = compare.until_decided(undecided, [Pair("x", "y", "leaders")], 3, 0.0, 1e-6)
    assert (len(found), why) == (3, "time")

    def slowly():
        time.sleep(0.05)
        return undecided()

    found, why = compare.until_decided(slowly, [Pair("x", "y", "leaders")], 1, 0.12, 1e-6)
    assert why == "time" and 1 < len(found) <= 3


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
    assert compare._without("c", PAIRS) == [PAIRS[0], *PAIRS[2:]]
    assert compare._without("a", PAIRS) == [Pair("b", "c", "leaders"), PAIRS[3]]
    assert compare._without("a32", PAIRS) == [*PAIRS[:2], PAIRS[3]]
    assert compare._without("b", PAIRS[:1]) == []


def test_batch_sizes_meet_the_next_one_too():
    sizes = [Pair("x:4", "x:1", "batch size"), Pair("x:4", "y:2", "batch size")]
    assert compare._without("x:4", sizes) == [Pair("x:1", "y:2", "batch size")]
