"""Comparisons in rounds, in the real workflow on a tiny model."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

QUICK = {"leaders": 2, "groups": 3, "rounds": 2, "budget_s": 0, "burst_s": 0.005}


@pytest.fixture
def compared(finished):
    """A finished study that now asks for comparisons too."""
    finished.configure(compare=QUICK, precisions=["fp32", "fp16"])
    finished.run("all")
    return finished


def test_comparisons_are_launched_and_fed_like_measurements(finished):
    one = str(max(os.sched_getaffinity(0)))
    finished.configure(
        compare=QUICK, launch={"cpus": one}, latency={"batch_sizes": [1], "inputs": "random", "images": 4}, threads=1
    )
    finished.run("all")
    assert {row["status"] for row in finished.table("comparison")} == {"ok"}
    (path,) = finished.records("results/compare/**/*.json")
    record = json.loads(path.read_text())
    for group in record["figures"]["groups"]:
        assert set(group["told"]) == set(record["figures"]["members"])
        for told in group["told"].values():  # by each member's own process
            assert told["launch"]["in_effect"]["cpus"] == one
            assert told["peak_rss_mib"] > 10
            assert told["disturbance"]["own_cpu_s"] > 0
    assert {row["launch"] for row in finished.table("comparison")} == {f"cpus {one}"}
    assert record["identity"]["threads"] == 1
    assert record["figures"]["pacer"]["numpy"]
    assert all(group["disturbance"]["wall_s"] > 0 for group in record["figures"]["groups"])
    assert {
        tuple(probe)
        for group in record["figures"]["groups"]
        for round_ in group["rounds"]
        for probe in round_["probe_ns"].values()
    } == {(one,)}
    assert "--random-images 4" in (finished.folder / "results/logs/compare/local/tiny/cpu-batch1.json.log").read_text()
    assert {row["launch"] for row in finished.table("performance")} == {f"cpus {one}; random inputs"}


def test_leaders_and_references_are_decided_for_each_batch_size(compared):
    rows = compared.table("comparison")
    assert {row["batch_size"] for row in rows} == {"1", "2"}
    assert {row["status"] for row in rows} == {"ok"}
    for size in ("1", "2"):
        (leaders,) = (row for row in rows if row["batch_size"] == size and row["purpose"] == "leaders")
        assert float(leaders["ratio_ci_low"]) <= float(leaders["ratio"]) <= float(leaders["ratio_ci_high"])
        assert leaders["verdict"] in ("first is faster", "second is faster", "no difference shown")
        assert (int(leaders["groups"]), int(leaders["rounds"])) == (3, 6)
        assert leaders["stopped_by"] in ("time", "width")  # a quiet machine knows the ratio by the third group
        compressed = {row["first"] for row in rows if row["batch_size"] == size and row["purpose"] == "precision"}
        lead = {leaders["first"], leaders["second"]}
        same = {"-".join(name.split("-")[:2]) for name in lead}
        if len(same) == 2:  # otherwise the leaders are each other's reference
            assert compressed == {name for name in lead if "fp16" in name}


def test_every_burst_is_kept_with_what_the_machine_did(compared):
    for path in compared.records("results/compare/**/*.json"):
        figures = json.loads(path.read_text())["figures"]
        for group in figures["groups"]:
            for one in group["rounds"]:
                assert set(one["order"]) == set(one["latency_ns"]) == set(one["probe_ns"]) == set(figures["members"])
                assert all(one["pacer_ns"])
        assert 0 < figures["measured_s"] < figures["wall_s"]
    bursts = compared.table("rounds")
    assert {row["turn"] for row in bursts} >= {"1", "2"}
    assert len({row["configuration"] for row in bursts if row["turn"] == "1"}) > 1  # the order is shuffled
    assert not compared.workers_left()


def test_what_runs_again_is_what_it_rests_on(compared):
    assert not compared.pending("all")
    compared.configure(compare={"rounds": 1})
    assert {path.split("/")[1] for path in compared.pending("all")} == {"compare", "tables", "plots", "report"}
    compared.run("all")
    next(iter(compared.records())).unlink()
    compared.run("all")
    assert not compared.pending("all")


def test_a_verdict_on_a_network_that_failed_parity_is_not_given(project):
    weights = np.eye(3, dtype=np.float32) * 5 + np.float32(0.1)  # which half precision rounds
    np.savez(project.folder / "data/model/tiny.npz", weights=weights)
    project.configure(compare=QUICK, frameworks=["alpha"], precisions=["fp32", "fp16"], latency={"batch_sizes": [1]})
    project.run("all")
    assert {row["status"] for row in project.table("comparison")} == {"ok"}
    project.configure(parity={"tolerance": {"fp32": 1e-4, "fp16": 1e-7, "bf16": None, "int8": None}})
    assert "parity.tolerance.fp16" in project.fail("all")
    rows = project.table("comparison")  # only one of the two is left
    assert {row["status"] for row in rows} == {"failed"}
    assert all("parity" in row["reason"] for row in rows)


def test_a_crash_in_a_worker_is_one_clear_error_and_the_rest_stays(finished):
    finished.configure(compare=QUICK)
    output = finished.fail("all", DLIFLOW_TEST_WORKER="beta")
    assert "beta-default-fp32-default: its process was killed by SIGSEGV" in output
    assert {row["status"] for row in finished.table("performance")} == {"ok"}
    rows = finished.table("comparison")
    assert {row["status"] for row in rows} == {"failed"}
    assert all("SIGSEGV" in row["reason"] for row in rows)
    assert "were not measured together" in (finished.folder / "results/report/index.html").read_text()
    assert not finished.workers_left()
    finished.run("all")
    assert {row["status"] for row in finished.table("comparison")} == {"ok"}


def test_those_that_are_well_are_compared_when_a_candidate_fails(project):
    project.configure(compare=QUICK, precisions=["fp32", "fp16"], latency={"batch_sizes": [1]})
    output = project.fail("all", DLIFLOW_TEST_CONVERT="beta")
    assert "comparing without beta-default-fp32-default, beta-default-fp16-default" in output
    (row,) = project.table("comparison")
    assert row["status"] == "ok"
    assert {row["first"], row["second"]} == {"alpha-default-fp32-default", "alpha-default-fp16-default"}
    assert row["missing"] == "beta-default-fp32-default, beta-default-fp16-default"
    assert "compared without beta-default-fp32-default: what it needs failed" in row["warnings"]
    assert project.table("rounds")
    assert "without beta" in (project.folder / "results/report/index.html").read_text()
    assert not (project.folder / "results/compare/local/tiny/cpu-batch1.json").exists()
    part = project.folder / "results/compare/local/tiny/cpu-batch1.partial.json"
    made = part.stat().st_mtime_ns
    shutil.rmtree(project.folder / "results/tables")
    project.fail("all", DLIFLOW_TEST_CONVERT="beta")
    assert part.stat().st_mtime_ns == made  # measured once, kept
    assert {row["status"] for row in project.table("comparison")} == {"ok"}
    shutil.rmtree(project.folder / "results/tables")
    project.run("all")
    rows = project.table("comparison")
    assert {(row["status"], row["missing"]) for row in rows} == {("ok", "")}
    assert not part.exists()
    assert project.pending("all") == set()


def test_a_candidate_that_passes_parity_later_joins(project):
    weights = np.eye(3, dtype=np.float32) * 5 + np.float32(0.1)  # which half precision rounds
    np.savez(project.folder / "data/model/tiny.npz", weights=weights)
    tolerance = {"fp32": 1e-4, "fp16": 1e-7, "bf16": None, "int8": None}
    project.configure(compare={**QUICK, "leaders": 9}, precisions=["fp32", "fp16"], latency={"batch_sizes": [1]})
    project.configure(parity={"tolerance": tolerance})
    project.fail("all")
    rows = project.table("comparison")
    assert {(row["status"], row["missing"]) for row in rows} == {
        ("ok", "alpha-default-fp16-default, beta-default-fp16-default")
    }
    assert not [row for row in rows if "fp16" in row["first"] + row["second"]]
    project.configure(parity={"tolerance": {**tolerance, "fp16": 0.1}})
    project.run("all")
    rows = project.table("comparison")
    assert {row["missing"] for row in rows} == {""}
    assert {name for row in rows for name in (row["first"], row["second"]) if "fp16" in name}


def test_a_crash_in_a_worker_leaves_the_others_compared(finished):
    finished.configure(compare=QUICK, precisions=["fp32", "fp16"], latency={"batch_sizes": [1]})
    output = finished.fail("all", DLIFLOW_TEST_WORKER="beta")
    told = "its process was killed by SIGSEGV; its own message stands above, in this log. The others were compared"
    assert told in output
    (row,) = finished.table("comparison")
    assert row["status"] == "ok"
    assert {row["first"], row["second"]} == {"alpha-default-fp32-default", "alpha-default-fp16-default"}
    assert "its process was killed by SIGSEGV" in row["warnings"]
    assert not finished.workers_left()
    finished.run("all")
    assert {row["missing"] for row in finished.table("comparison")} == {""}


def test_a_comparison_past_its_time_is_killed_with_its_stopped_workers(finished):
    finished.configure(compare={**QUICK, "budget_s": 1000, "width": 1e-9, "timeout_s": 2}, latency={"batch_sizes": [1]})
    output = finished.fail("all")
    assert "ran past its time bound of 2 s" in output
    assert not finished.workers_left()


def test_one_configuration_alone_is_skipped_with_the_reason(finished):
    finished.configure(compare=QUICK, frameworks=["alpha"])
    finished.run("all")
    rows = finished.table("comparison")
    assert {row["status"] for row in rows} == {"skipped"}
    assert "nothing to compare" in rows[0]["reason"]


def test_after_an_upgrade_leaders_meet_their_older_version(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "before", symlinks=True)
    finished.edit("envs/beta.yaml", "numpy==2.4.6", "numpy==2.4.4")  # no other test makes this environment
    finished.configure(compare={**QUICK, "previous": "../before"})
    finished.run("all")
    rows = [row for row in finished.table("comparison") if row["purpose"] == "version"]
    assert {(row["first"], row["second"]) for row in rows} == {
        ("beta-default-fp32-default", "beta-default-fp32-default@2.4.6")
    }
    assert {(row["first_version"], row["second_version"]) for row in rows} == {("2.4.4", "2.4.6")}
    assert len(rows) == 2
    finished.configure(compare={"previous": "../elsewhere"})
    assert "compare.previous: '../elsewhere': no results/latency is in it" in finished.fail("all")
