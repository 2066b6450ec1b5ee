"""Throughput with several requests in flight, as a part of a study."""

from __future__ import annotations

import pytest

from dliflow.machine import facts
from dliflow.study import paths

ASKED = {"batch_sizes": [1, 2], "groups": 1, "sessions": 1, "rounds": 1, "burst_s": 0.02, "budget_s": 60}


def point(row):
    return row["framework"], row["batch_size"], row["in_flight"]


def test_it_is_measured_beside_what_is_finished_and_once(finished):
    swept = finished.dates()
    many = facts.physical_cores() + 1
    typed = finished.run("all", "--dry-run", "--config", "throughput={in_flight: [1, 2], groups: 3, batch_sizes: [1]}")
    assert "6 with several requests in flight" in typed  # of two frameworks, three groups
    finished.configure(throughput={**ASKED, "batch_sizes": [1], "in_flight": [1, many]})
    assert "2 with several requests in flight" in finished.run("all", "--dry-run")  # a record for all numbers
    finished.run("all")
    assert finished.dates() == swept
    rows = {point(row): row for row in finished.table("throughput")}
    assert {key: row["status"] for key, row in rows.items()} == {
        **{(framework, "1", "1"): "ok" for framework in ("alpha", "beta")},
        **{(framework, "1", str(many)): "skipped" for framework in ("alpha", "beta")},
    }
    assert all(float(row["images_per_s"]) > 0 and row["knee"] for row in rows.values() if row["status"] == "ok")
    assert '<section id="throughput">' in (finished.folder / paths.REPORT).read_text()
    assert finished.pending("all") == set()
    measured = finished.dates("results/throughput/**/*.json")
    finished.configure(throughput={"p99_ms": 5})  # a question, not a measurement
    finished.run("all")
    assert finished.dates("results/throughput/**/*.json") == measured
    assert {row["p99_budget_ms"] for row in finished.table("throughput")} == {"5"}


@pytest.mark.parametrize("fault", ["segv", pytest.param("hang", marks=pytest.mark.dear)])
def test_a_worker_that_dies_or_hangs_under_load_costs_that_point_only(finished, fault):
    finished.configure(throughput={**ASKED, "in_flight": [1]}, latency={"hang_s": 20})
    output = finished.fail("all", DLIFLOW_TEST_FAULT=f"beta {fault} at 2")
    assert "batch size 2, 1 in flight: " in output
    rows = {point(row): row for row in finished.table("throughput")}
    failed = {key: row["reason"] for key, row in rows.items() if row["status"] != "ok"}
    assert list(failed) == [("beta", "2", "1")]
    assert "SIGSEGV" in failed["beta", "2", "1"] if fault == "segv" else "did not answer" in failed["beta", "2", "1"]
    assert not finished.workers_left()
    kept = finished.dates("results/throughput/**/alpha*/*.json")
    finished.run("tables")
    assert {row["status"] for row in finished.table("throughput")} == {"ok"}
    assert finished.dates("results/throughput/**/alpha*/*.json") == kept
    assert not finished.records("results/throughput/**/*.partial.json")
