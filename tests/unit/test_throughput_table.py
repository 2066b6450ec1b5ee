"""throughput.csv and its picture, made of records whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import records
from pages import rendered
from study_rows import in_flight, point, quality, tables_of

from dliflow import files
from dliflow.analysis.tables import measurements, performance, throughput
from dliflow.files import read_json, write_json
from dliflow.report import canvas
from dliflow.report import throughput as shown
from dliflow.study import config, paths, plan

STUDY = {
    **{"models": ["m"], "dataset": "few", "frameworks": ["onnxruntime"], "precisions": ["fp32"]},
    **{"latency": {"batch_sizes": [1], "groups": 3}, "agreement": {"dataset": None}, "compare": {"leaders": 0}},
    "throughput": {"in_flight": [1, 2, 4], "batch_sizes": [1, 4], "groups": 3, "p99_ms": 15},
}
MODELS = {"m": plan.described({"source": {"format": "onnx"}}, "spec", 10)}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A plan whose records are all there, in the working directory."""
    monkeypatch.chdir(tmp_path)
    study_plan = plan.build(config.study(STUDY, "test"), MODELS, lambda name: None, files.digest)
    records.study(study_plan, np.random.default_rng(0))
    return study_plan


def swept(study_plan):
    """The bursts of the sweep."""
    of_study = performance.Swept()
    for measured in measurements.read(study_plan):
        of_study.add(measured)
    return of_study.bursts


def rows(study_plan):
    """Those of the table, by batch size and number in flight."""
    parity = [{**row, "status": "ok", "reason": None} for row in study_plan["parity"]]
    table = throughput.rows(study_plan, parity, swept(study_plan))
    return {(row["batch_size"], row["in_flight"]): row for row in table}


def test_images_per_second_and_latencies_are_those_of_the_records(study):
    found = rows(study)
    assert list(found) == [(1, 1), (1, 2), (1, 4), (4, 1), (4, 2), (4, 4)]
    for (size, number), row in found.items():
        request_ms = 5.0 * size * records.IN_FLIGHT[number]  # at full speed
        usual_ms = request_ms * np.exp(0.1)  # the reference lies between the machine's two speeds
        assert row["images_per_s"] == pytest.approx(number * size / usual_ms * 1e3, rel=0.05)
        assert row["images_per_s_ci_low"] < row["images_per_s"] < row["images_per_s_ci_high"]
        assert row["images_per_s_measured"] == pytest.approx(row["images_per_s"], rel=0.05)
        assert request_ms < row["latency_p50_ms"] < 1.3 * request_ms
        assert row["latency_p50_ms"] < row["latency_p90_ms"] < row["latency_p99_ms"]
        assert (row["status"], row["groups"], row["sessions"]) == ("ok", 3, 6)
        assert row["warnings"] == ""
        assert row["requests"] == 6 * 2 * number * (records.REQUESTS - 1)  # the first of each lane is before the window


def test_the_knee_and_the_best_within_the_budget(study):
    found = rows(study)
    assert [point for point, row in found.items() if row["knee"]] == [(1, 2), (4, 2)]
    assert [point for point, row in found.items() if row["within_budget"]] == [(1, 1), (1, 2)]
    assert [point for point, row in found.items() if row["most_within_budget"]] == [(1, 2)]


def test_few_requests_have_no_p99_and_keep_no_budget(study):
    for group in (2, 3):
        for record in {row["record"] for row in study["throughput"] if row["group"] == group}:
            Path(record).unlink()
    found = rows(study)
    assert found[1, 1]["requests"] == 2 * 2 * (records.REQUESTS - 1) < 500
    assert found[1, 1]["latency_p99_ms"] is None and found[1, 1]["latency_p90_ms"] is not None
    assert found[1, 1]["reason"].startswith("2 of 3 groups: the job did not run")
    assert not any(row.get("within_budget") or row.get("knee") for row in found.values())


def test_a_point_that_broke_fails_alone_and_a_skip_has_its_reason(study):
    first = study["throughput"][0]["record"]
    broken = {"batch_size": 1, "in_flight": 2, "skipped": False, "reason": "its process was killed by SIGSEGV"}
    skipped = {"batch_size": 4, "in_flight": 4, "skipped": True, "reason": "4 processes need a core each"}
    rng = np.random.default_rng(0)
    row = study["throughput"][0]
    records.throughput(row, [1, 4], [1, 2, 4], rng, (broken, skipped))
    partial = paths.partial(first)
    write_json(Path(partial), read_json(Path(first)))
    write_json(Path(paths.PARTIALS), {first: partial})  # as the end of a failed run leaves it
    for group in (2, 3):
        records.throughput({**row, "record": row["record"].replace("group1", f"group{group}")}, [1, 4], [1, 2, 4], rng,
                           (skipped,))  # fmt: skip
    found = rows(study)
    assert found[1, 2]["status"] == "failed"
    assert found[1, 2]["reason"] == "1 of 3 groups: sweep: its process was killed by SIGSEGV"
    assert found[1, 2]["record"] == partial
    assert (found[4, 4]["status"], found[4, 4]["reason"]) == ("skipped", "4 processes need a core each")
    assert {found[point]["status"] for point in ((1, 1), (1, 4), (4, 1), (4, 2))} == {"ok"}


def test_a_group_beside_an_anchor_of_other_threads_keeps_no_table_from_being_made(study):
    """As after a run that went on with fewer processors."""
    path = Path(study["throughput"][0]["record"])
    record = read_json(path)
    for session in record["figures"]["groups"][0]["sessions"]:
        session["anchor_threads"] = 3
    write_json(path, record)
    found = rows(study)
    assert [found[1, number]["anchor_threads"] for number in (1, 2, 4)] == [1, 2, 2]
    assert all("the anchor was not the same in all groups" in row["warnings"] for row in found.values())


def test_a_slow_machine_makes_images_per_second_doubtful(study):
    """Three times as slow as at its best, which another number in flight or the sweep saw."""
    (first, *_) = found = [row for row in rows(study).values() if row.get("sessions")]
    place = first["node"], first["anchor_threads"]
    assert not any("DOUBTFUL" in row["warnings"] for row in found)
    parity = [{**row, "status": "ok", "reason": None} for row in study["parity"]]
    table = throughput.rows(study, parity, swept(study), {place: first["anchor_ms"] / 4})
    slow = [row for row in table if row.get("sessions") and (row["node"], row["anchor_threads"]) == place]
    assert slow and all(row["warnings"].startswith("DOUBTFUL: the anchor took") for row in slow)


def test_what_failed_parity_has_no_knee(study):
    parity = [{**row, "status": "failed", "reason": "far off"} for row in study["parity"]]
    for row in throughput.rows(study, parity, swept(study)):
        assert (row["status"], row["reason"]) == ("failed", "far off")
        assert "knee" not in row


# --- What people see --------------------------------------------------------------------------------------------------


def tables(folder, throughput_rows):
    points = [point("a", 1, [1.0, 1.1]), point("b", 1, [2.0, 2.1])]
    return tables_of(points, [quality("a"), quality("b")], folder, throughput=throughput_rows)


ROWS = [
    in_flight("b", 1, 150.0, 6.0),
    in_flight("a", 1, 100.0, 10.0, p99_budget_ms=25.0, within_budget=True, most_within_budget=True),
    in_flight("a", 2, 180.0, 11.0, knee=True, p99_budget_ms=25.0, within_budget=True),
    in_flight("b", 2, 0, 0, status="skipped", reason="2 processes need a core each"),
]


def test_blocks_begin_with_what_reaches_most(tmp_path):
    (block,) = shown.blocks(tables(tmp_path, ROWS).throughput)
    assert [[row["in_flight"] for row in rows] for rows in block.configurations] == [[1, 2], [1]]
    assert block.title == "tiny · cpu · local · batch size 1"
    assert block.best["in_flight"] == 1


def test_the_page_has_a_section_only_where_it_was_asked_for(tmp_path):
    def html(rows):
        return rendered(tables(tmp_path / str(len(rows)), rows), tmp_path)

    with_rows = html(ROWS)
    assert '<section id="throughput">' in with_rows and "<strong>a fp32</strong>, 1 in flight" in with_rows
    assert "2 processes need a core each" in with_rows
    assert 'id="throughput"' not in html([]) and "#throughput" not in html([])


def test_the_picture_has_a_line_for_each_or_says_why_not(tmp_path):
    with canvas.style():
        figure = shown.throughput(tables(tmp_path / "some", ROWS))
        left, right = figure.axes
        assert left.get_ylabel() == "Images per second" and right.get_ylabel() == "p99 of requests, ms"
        assert {text.get_text() for text in left.get_legend().get_texts()} == {"a fp32", "b fp32"}
        off = shown.throughput(tables(tmp_path / "none", []))
        assert shown.OFF in [text.get_text() for text in off.texts]
