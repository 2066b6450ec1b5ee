"""Comparisons in rounds, in the real workflow on a tiny model."""

from __future__ import annotations

import json
import os
import re
import shutil

import numpy as np
import pytest

from dliflow.study import paths

# Of one session there is no interval: nobody is shown to be slower, and all take part.
ONE_SESSION = {"batch_sizes": [1], "groups": 1, "sessions": 1}
AT_ONE = paths.COMPARE.format(node="local", model="tiny", device="cpu", batch_size=1)
OF_SIZES = paths.COMPARE.format(node="local", model="tiny", device="cpu", batch_size=paths.SIZES)


def test_comparisons_are_launched_and_fed_like_measurements(finished):
    one = str(max(os.sched_getaffinity(0)))
    finished.configure(latency={**ONE_SESSION, "inputs": "random", "images": 4})
    finished.configure(compare={"leaders": 2}, launch={"cpus": one}, threads=1)
    finished.run("tables")
    assert {row["status"] for row in finished.table("comparison")} == {"ok"}
    (path,) = finished.records("results/compare/**/*.json")
    record = json.loads(path.read_text())
    for group in record["figures"]["groups"]:
        assert group["disturbance"]["wall_s"] > 0
        assert set(group["members"]) == set(record["figures"]["members"])
        for session in group["sessions"]:
            assert session["anchor_threads"] == 1
            assert set(session["opened"]) == set(record["figures"]["members"])
            for opened in session["opened"].values():  # told by each member's own process
                assert opened["launch"]["in_effect"]["cpus"] == one
                assert opened["peak_rss_mib"] > 10
                assert opened["counters"]["own_cpu_s"] > 0
    assert {row["launch"] for row in finished.table("comparison")} == {f"cpus {one}"}
    assert record["identity"]["threads"] == 1
    assert "--random-images 4" in (finished.folder / paths.log(AT_ONE)).read_text()
    assert {row["launch"] for row in finished.table("performance")} == {f"cpus {one}; random inputs"}


def test_leaders_and_references_are_decided_for_each_batch_size(compared):
    rows = compared.table("comparison")
    assert {row["batch_size"] for row in rows} == {"1", "2", ""}
    assert {row["status"] for row in rows} == {"ok"}
    for row in rows:
        assert float(row["ratio_ci_low"]) <= float(row["ratio"]) <= float(row["ratio_ci_high"])
        assert row["verdict"] in ("first is faster", "second is faster", "no difference shown")
        assert (row["groups"], row["sessions"], row["rounds"]) == ("2", "2", "4")
        assert row["stopped_by"] in ("time", "decided")  # a quiet machine knows the ratio by the second group
    for size in ("1", "2"):
        of_size = [row for row in rows if row["batch_size"] == size]
        assert sum(row["purpose"] == "leaders" for row in of_size) == 3
        pairs = {frozenset((row["first"], row["second"])) for row in of_size}
        for framework in ("alpha", "beta"):
            assert {f"{framework}-python-default-{precision}-default" for precision in ("fp16", "fp32")} in pairs


def test_the_fastest_of_all_batch_sizes_meet(compared):
    (row,) = (row for row in compared.table("comparison") if row["batch_size"] == "")
    assert row["purpose"] == "batch size"
    assert {row["first"].rpartition(":")[2], row["second"].rpartition(":")[2]} == {"1", "2"}
    # An image of two takes about half of what one of one takes: how near to half on a busy machine, nobody knows.
    assert row["first"].endswith(":2")
    assert float(row["ratio"]) < 1
    figures = json.loads((compared.folder / OF_SIZES).read_text())["figures"]
    for group in figures["groups"]:
        for session in group["sessions"]:
            assert {name: opened["batch_size"] for name, opened in session["opened"].items()} == {
                name: int(name.rpartition(":")[2]) for name in figures["members"]
            }
    assert {row["batch_size"] for row in compared.table("rounds") if row["record"] == OF_SIZES} == {"1", "2"}


def test_every_burst_is_kept_with_what_the_machine_did(compared):
    for path in compared.records("results/compare/**/*.json"):
        figures = json.loads(path.read_text())["figures"]
        for group in figures["groups"]:
            assert group["wall_s"] > 0
            for session in group["sessions"]:
                for one in session["rounds"]:
                    assert set(one["order"]) == set(one["latency_ns"]) == set(figures["members"])
                    assert all(one["latency_ns"].values())
                assert len(session["anchor_ns"]) == 1 + len(figures["members"]) * len(session["rounds"])
                assert all(session["anchor_ns"])
        assert figures["wall_s"] > 0
    bursts = compared.table("rounds")
    assert {row["turn"] for row in bursts} == {"1", "2", "3", "4"}
    assert len({row["configuration"] for row in bursts if row["turn"] == "1"}) > 1  # the order is shuffled
    assert all(float(row["anchor_ms"]) > 0 for row in bursts)
    assert not compared.workers_left()


def test_what_runs_again_is_what_it_rests_on(compared):
    assert not compared.pending("all")
    compared.configure(compare={"rounds": 1})
    made = {path.split("/")[1] for path in compared.pending("all")}
    assert made == {"compare", "tables", "plots", "report", "export", "deploy"}
    compared.configure(compare={"rounds": 2})
    kept = compared.dates("results/compare/**/*.json")
    lost = compared.folder / compared.path(paths.SWEEP)
    lost.unlink()
    compared.run("all")
    assert lost.exists()
    assert not set(kept.items()) & set(compared.dates("results/compare/**/*.json").items())
    assert not compared.pending("all")


def test_after_an_upgrade_leaders_meet_their_older_version(compared):
    """In place: what the old version measured stays, with its model and environment, and runs once more beside it."""

    def measured():
        """Models, and records but for those of comparisons."""
        stages = ("models/tiny/*-*", "parity/**/*", "accuracy/**/*", "sweep/**/*")
        return {path: path.read_bytes() for stage in stages for path in compared.records(f"results/{stage}.json")}

    before = measured()
    made = [paths.CONVERTED, paths.PARITY, paths.ACCURACY, paths.SWEEP]
    assert {compared.folder / compared.path(each, "beta") for each in made} <= set(before)
    compared.edit("envs/beta.yaml", "numpy==2.4.6", "numpy==2.4.5")
    told = compared.run("all", "--dry-run")
    assert "Measurements to be made: 2 of the sweep (beta) and 3 in rounds." in told
    assert re.search(r"\n  measuring +5 jobs +about 10 s\n", told)
    compared.run("all")
    after = measured()
    assert before.items() <= after.items()
    added = set(after) - set(before)
    assert {compared.folder / compared.path(each, "beta") for each in made} <= added
    assert all("beta" in str(path.relative_to(compared.folder)) for path in added), added
    versions = {(row["framework"], row["framework_version"]) for row in compared.table("performance")}
    assert versions == {("alpha", "2.4.6"), ("beta", "2.4.5")}
    rows = [row for row in compared.table("comparison") if row["purpose"] == "version"]
    assert {row["batch_size"] for row in rows} == {"1", "2"}
    for row in rows:
        assert row["status"] == "ok"
        assert row["first"].startswith("beta-")
        assert row["second"] == f"{row['first']}@2.4.6"
        assert (row["first_version"], row["second_version"]) == ("2.4.5", "2.4.6")
    told = compared.table("changes")
    assert {(row["framework"], row["old_version"], row["new_version"]) for row in told} == {("beta", "2.4.6", "2.4.5")}
    together = {row["quantity"] for row in told if row["measured_together"] == "True"}
    assert together == {"latency"}
    assert {"top1", "same_class", "load", "peak_rss", "model_bytes"} < {row["quantity"] for row in told}
    assert {row["verdict"] for row in told if row["quantity"] == "same_class"} == {"no difference shown"}
    assert "beta 2.4.5 after beta 2.4.6" in (compared.folder / paths.REPORT).read_text()
    assert compared.pending() == set()


def test_versions_side_by_side_are_rows_that_meet(finished):
    text = (finished.folder / "envs/beta.yaml").read_text()
    (finished.folder / "envs/beta@2.4.5.yaml").write_text(text.replace("numpy==2.4.6", "numpy==2.4.5"))
    (finished.folder / "envs/beta@1.yaml").write_text(text.replace("python=3.11", "python=2.7"))
    kept = finished.dates()
    finished.configure(compare={"leaders": 2}, frameworks=["beta", "beta@2.4.5", "beta@1"])
    assert "Python 2.7 could not be fetched; what needs it is skipped." in finished.run("all")
    assert kept.items() <= finished.dates().items()  # of today's version nothing ran again
    rows = finished.table("performance")
    assert {(row["framework"], row["framework_version"], row["status"]) for row in rows} == {
        ("beta", "2.4.6", "ok"),
        ("beta@2.4.5", "2.4.5", "ok"),
        ("beta@1", "", "skipped"),
    }
    assert "envs/beta@1.yaml needs Python 2.7" in next(row["reason"] for row in rows if row["framework"] == "beta@1")
    (pair,) = (row for row in finished.table("comparison") if row["batch_size"] == "1")
    names = {f"{framework}-python-default-fp32-default" for framework in ("beta", "beta@2.4.5")}
    assert {pair["first"], pair["second"]} == names
    latency = [row for row in finished.table("changes") if row["quantity"] == "latency"]
    assert {row["batch_size"] for row in latency} == {"1", "2"}
    for row in latency:
        assert (row["old_framework"], row["framework"], row["measured_together"]) == ("beta@2.4.5", "beta", "True")
    assert (finished.folder / finished.path(paths.CONVERTED, "beta@2.4.5")).exists()
    assert finished.pending("all") == set()


def test_a_verdict_on_a_network_that_failed_parity_is_not_given(project):
    weights = np.eye(3, dtype=np.float32) * 5 + np.float32(0.1)  # which half precision rounds
    np.savez(project.folder / "data/model/tiny.npz", weights=weights)
    project.configure(compare={"leaders": 2}, latency=ONE_SESSION)
    project.configure(frameworks=["alpha"], precisions=["fp32", "fp16"])
    project.run("tables")
    assert {row["status"] for row in project.table("comparison")} == {"ok"}
    project.configure(parity={"tolerance": {"fp32": 1e-4, "fp16": 1e-7, "bf16": None, "int8": None}})
    assert "parity.tolerance.fp16" in project.fail("all")
    rows = project.table("comparison")  # only one of the two is left
    assert {row["status"] for row in rows} == {"failed"}
    assert all("parity" in row["reason"] for row in rows)


def test_a_crash_that_leaves_nothing_to_compare_is_one_clear_error(finished):
    finished.configure(compare={"leaders": 2}, latency=ONE_SESSION)
    output = finished.fail("all", DLIFLOW_TEST_FAULT="beta segv of rounds")
    assert "beta-python-default-fp32-default: its process was killed by SIGSEGV" in output
    assert {row["status"] for row in finished.table("performance")} == {"ok"}
    rows = finished.table("comparison")
    assert {row["status"] for row in rows} == {"failed"}
    assert all("SIGSEGV" in row["reason"] for row in rows)
    assert "were not measured together" in (finished.folder / paths.REPORT).read_text()
    assert not finished.workers_left()


def test_a_crash_in_a_worker_leaves_the_others_compared(compared):
    """At one batch size; the other one is compared whole, and that of the sizes, where it is the fastest, fails."""
    kept = compared.dates()
    of_two = [row for row in compared.table("performance") if row["batch_size"] == "2"]
    fastest = min(of_two, key=lambda row: float(row["latency_reference_ms"]))["framework"]
    (other,) = {row["framework"] for row in of_two} - {fastest}
    compared.configure(compare={"seed": 1})
    output = compared.fail("all", DLIFLOW_TEST_FAULT=f"{fastest} segv at 2 of rounds")
    told = "its process was killed by SIGSEGV; its own message stands in this log. The others were compared"
    assert told in output
    by_size = {
        size: [row for row in compared.table("comparison") if row["batch_size"] == size] for size in ("1", "2", "")
    }
    assert {(row["status"], row["missing"]) for row in by_size["1"]} == {("ok", "")}
    (row,) = by_size["2"]
    assert row["status"] == "ok"
    assert {row["first"], row["second"]} == {
        f"{other}-python-default-fp32-default",
        f"{other}-python-default-fp16-default",
    }
    assert "its process was killed by SIGSEGV" in row["warnings"]
    (row,) = by_size[""]
    assert row["status"] == "failed"
    assert "SIGSEGV" in row["reason"]
    assert not compared.workers_left()
    compared.run("all")
    assert {(row["status"], row["missing"]) for row in compared.table("comparison")} == {("ok", "")}
    assert compared.dates() == kept
    assert not compared.records("results/compare/**/*.partial.json")


@pytest.mark.dear
def test_those_that_are_well_are_compared_when_a_candidate_fails(project):
    project.configure(compare={"leaders": 9}, precisions=["fp32", "fp16"], latency=ONE_SESSION)
    output = project.fail("all", DLIFLOW_TEST_CONVERT="beta")
    broke = "convert: RuntimeError: the converter does not like this graph"
    assert broke in output
    for table in ("accuracy", "performance"):
        assert {(row["framework"], row["reason"]) for row in project.table(table)} == {("alpha", ""), ("beta", broke)}
    assert "comparing without beta-python-default-fp32-default, beta-python-default-fp16-default" in output
    (row,) = project.table("comparison")
    assert row["status"] == "ok"
    assert {row["first"], row["second"]} == {"alpha-python-default-fp32-default", "alpha-python-default-fp16-default"}
    assert row["missing"] == "beta-python-default-fp32-default, beta-python-default-fp16-default"
    assert "compared without beta-python-default-fp32-default: what it needs failed" in row["warnings"]
    assert project.table("rounds")
    assert "without beta" in (project.folder / paths.REPORT).read_text()
    assert not (project.folder / AT_ONE).exists()
    part = project.folder / paths.partial(AT_ONE)
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


@pytest.mark.dear
def test_a_candidate_that_passes_parity_later_joins(project):
    weights = np.eye(3, dtype=np.float32) * 5 + np.float32(0.1)  # which half precision rounds
    np.savez(project.folder / "data/model/tiny.npz", weights=weights)
    tolerance = {"fp32": 1e-4, "fp16": 1e-7, "bf16": None, "int8": None}
    project.configure(compare={"leaders": 9}, precisions=["fp32", "fp16"], latency=ONE_SESSION)
    project.configure(parity={"tolerance": tolerance})
    project.fail("all")
    rows = project.table("comparison")
    assert {(row["status"], row["missing"]) for row in rows} == {
        ("ok", "alpha-python-default-fp16-default, beta-python-default-fp16-default")
    }
    assert not [row for row in rows if "fp16" in row["first"] + row["second"]]
    project.configure(parity={"tolerance": {**tolerance, "fp16": 0.1}})
    project.run("all")
    rows = project.table("comparison")
    assert {row["missing"] for row in rows} == {""}
    assert {name for row in rows for name in (row["first"], row["second"]) if "fp16" in name}


def test_a_comparison_past_its_time_is_killed_with_its_stopped_workers(finished):
    finished.configure(compare={"leaders": 2, "groups": 1000, "timeout_s": 2})
    output = finished.fail(AT_ONE)
    assert "ran past its time bound of 2 s" in output
    assert not finished.workers_left()


def test_one_configuration_alone_has_only_its_batch_sizes_to_compare(finished):
    finished.configure(compare={"leaders": 2}, frameworks=["alpha"])
    finished.run("tables")
    rows = {row["batch_size"]: row for row in finished.table("comparison")}
    assert {size: row["status"] for size, row in rows.items()} == {"1": "skipped", "2": "skipped", "": "ok"}
    assert "nothing to compare" in rows["1"]["reason"]
