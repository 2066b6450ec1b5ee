"""Which figures of a collection share a line, at which state, and what is told of changes from study to study."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from collected import FACTS, World, altered, finish, study

from dliflow.analysis.columns import POINT
from dliflow.analysis.rows import key
from dliflow.collection import charts, history, listings, publish, shelf
from dliflow.report import canvas, names
from dliflow.study import paths

STEADY = {(framework, month): 1.0 for framework in ("openvino", "tflite") for month in range(4)}
WORLD = World(speed={**STEADY, ("openvino", 2): 1.25, ("openvino", 3): 1.25})
SESSION = (*POINT, "group", "session")
CPU = "openvino", "fp32", 1  # the configuration that is looked at


def collection(folder: Path, *studies: dict, world: World = WORLD) -> Path:
    """A collection of studies of the months 0, 1, 2 …; each is told what is special about it.

    `kept` are frameworks that a study did not run again: it has the sessions of the study before. `frameworks` are all
    that it has.
    """
    for month, special in enumerate(studies):
        about = {"month": month, **special}
        kept, frameworks = about.pop("kept", ()), about.pop("frameworks", world.frameworks)
        new = study(folder / str(month), replace(world, frameworks=frameworks), **about)
        if kept:
            keep(new, folder / str(month - 1), kept)
        publish.publish(folder / "collection", new)
    return folder / "collection"


def keep(new: Path, old: Path, frameworks: Sequence[str]) -> None:
    """Give a study the sessions of an older one; what its tables make of them may be another figure."""
    with open(old / paths.TABLES["measurements"], newline="", encoding="utf-8") as stream:
        before = {tuple(row[name] for name in SESSION): row for row in csv.DictReader(stream)}
    kept = {row["framework"]: row["framework_version"] for row in before.values() if row["framework"] in frameworks}

    def version(row: dict) -> dict:
        return {**row, "framework_version": kept.get(row["framework"], row["framework_version"])}

    altered(new, "performance", version)
    altered(new, "accuracy", version)
    altered(
        new,
        "measurements",
        lambda row: before[tuple(row[name] for name in SESSION)] if row["framework"] in kept else row,
    )
    finish(new)


def shown(folder: Path, *studies: dict, world: World = WORLD) -> list[history.Shown]:
    return history.read(shelf.entries(collection(folder, *studies, world=world)))


def row(of: history.Shown) -> dict:
    """Of the configuration that is looked at."""
    (one,) = (each for each in of.speeds if key(each, ("framework", "precision", "batch_size")) == CPU)
    return one


def lines(studies: list[history.Shown]) -> list[int]:
    """The number of that configuration's line in each study."""
    every = [(of, row(of), history.speed_line(of.entry, row(of))) for of in studies]
    return [number for _, _, number, _ in history.numbered(every)]


def test_latencies_of_fast_and_slow_hours_are_those_of_one_state(tmp_path):
    """The slope of this framework is 1: what the anchor takes longer, it does too."""
    states = ({"state": 0.8}, {"state": 1.0}, {"state": 1.3})
    rows = [row(of) for of in shown(tmp_path, *states, world=World(speed=STEADY))]
    near, middle, far = (each["latency_reference_ci_high_ms"] / each["latency_reference_ci_low_ms"] for each in rows)
    assert middle < near < far
    for each in rows:
        assert each["latency_reference_ms"] == pytest.approx(6.0, rel=0.04)
        assert each["reference_anchor_ms"] == pytest.approx(3.0)


def test_a_row_moves_with_the_error_of_the_way_in_its_interval():
    at = {"reference_anchor_ms": 2.0, "latency_reference_ms": 10.0}
    ends = {"latency_reference_ci_low_ms": 9.0, "latency_reference_ci_high_ms": 10 / 0.9}
    moved = history.moved({**at, **ends}, 2.2)
    assert moved["latency_reference_ms"] == pytest.approx(11.0)
    half = math.hypot(math.log(10 / 9), 1.96 * 0.25 * math.log(1.1))
    assert moved["latency_reference_ci_low_ms"] == pytest.approx(11 * math.exp(-half))
    assert moved["latency_reference_ci_high_ms"] == pytest.approx(11 * math.exp(half))
    unsure = history.moved({**at, **ends, "latency_reference_ci_high_ms": None}, 2.2)
    assert (unsure["latency_reference_ms"], unsure["latency_reference_ci_low_ms"]) == (pytest.approx(11.0), None)
    for unknown in ({"latency_reference_ms": None}, {"reference_anchor_ms": None}):
        assert history.moved({**at, **ends, **unknown}, 2.2) == {**at, **ends, **unknown}


def test_machines_have_states_of_their_own(tmp_path):
    studies = shown(tmp_path, {"state": 1.0}, {"state": 1.0, "pace": 2.0, "facts": {**FACTS, "cpu": "A slow CPU"}})
    assert sorted(history.states(studies).values()) == pytest.approx([3.0, 6.0])


def test_a_new_version_stays_on_the_line(tmp_path):
    studies = shown(tmp_path, {}, {}, {})
    assert [row(of)["framework_version"] for of in studies] == ["1.2", "1.2", "1.2"] and lines(studies) == [0, 0, 0]
    every = [(of, row(of), ()) for of in studies]
    every[2] = (every[2][0], {**every[2][1], "framework_version": "1.3"}, ())
    assert [changed for *_, changed in history.numbered(every)] == [False, False, True]


@pytest.mark.parametrize(
    ("special", "reason"),
    [
        ({"facts": {**FACTS, "kernel": "6.2.0"}}, "kernel: 6.1.0 → 6.2.0"),
        ({"facts": {**FACTS, "microcode": None}}, "microcode: 0x10 → none told"),
        ({"origin": "1e"}, "the model’s file, or what it was fed"),
        ({"images": "bb"}, "the model’s file, or what it was fed; of top-1 and agreement, the images: few"),
        ({"method": 2}, "method: version 1 → 2"),
    ],
)
def test_what_may_not_be_compared_is_on_no_line_together(tmp_path, special, reason):
    studies = shown(tmp_path, {}, {}, special, special)
    assert lines(studies) == [0, 0, 1, 1]
    qualities = {history.quality_line(of.entry, each) for of in studies for each in of.qualities[:1]}
    assert len(qualities) == 2
    (ended,) = history.breaks(studies, "tiny")
    assert (ended.before, ended.after, "; ".join(ended.reasons)) == (studies[1], studies[2], reason)
    pairs = [(step.before, step.after) for step in history.steps(studies, "tiny")]
    assert pairs == [(studies[2], studies[3]), (studies[0], studies[1])]


def test_other_hardware_is_another_page(tmp_path):
    studies = shown(tmp_path, {}, {"facts": {**FACTS, "cpu": "Another"}}, {"facts": {**FACTS, "kernel": "6.2.0"}})
    assert [len(of) for of in history.by_hardware(studies).values()] == [2, 1]


@pytest.mark.parametrize("other", [{"threads": "4"}, {"launch": "cpus 0-3"}, {"settings": '{"hint": "x"}'}])
def test_other_launch_settings_are_another_line(tmp_path, other):
    (of,) = shown(tmp_path, {})
    assert history.speed_line(of.entry, row(of)) != history.speed_line(of.entry, {**row(of), **other})


def test_tuned_settings_are_what_a_study_looks_for(tmp_path):
    (of,) = shown(tmp_path, {})
    tuned = {**row(of), "parameters": "tuned"}
    assert history.speed_line(of.entry, tuned) == history.speed_line(of.entry, {**tuned, "settings": '{"threads": 2}'})


def test_steps_find_what_a_version_made_slower(tmp_path):
    last, before = history.steps(shown(tmp_path, {}, {}, {}), "tiny")
    slower = [each for each in last.changes if each["quantity"] == "latency" and each["framework"] == "openvino"]
    assert {each["verdict"] for each in slower} == {"likely slower"} and len(slower) == 8
    assert not any(each["measured_together"] for each in slower)
    assert all(1.1 < each["change"] < 1.4 for each in slower)
    same = [each for each in before.changes if each["quantity"] == "latency"]
    assert sum(each["verdict"] == "no difference shown" for each in same) >= 11
    quantities = {each["quantity"] for each in last.changes}
    assert quantities >= {"latency", "peak_rss", "model_bytes", "top1", "status"}
    assert not quantities & {"load", "first_request"}, "no anchor was beside them"


def test_quality_that_got_worse_and_a_configuration_that_fails_now_are_listed(tmp_path):
    before, after = shown(tmp_path, {}, {})
    first, second, *others = after.accuracy
    lost = {name: first[name] - 0.5 for name in ("top1", "top1_ci_low", "top1_ci_high")}
    now = [{**first, **lost}, {**second, "status": "failed", "reason": "out of memory", "top1": None}, *others]
    listed = listings.changed(history.steps([before, history.Shown(after.entry, after.performance, now)], "tiny"))
    place = [heading.short for heading in listings.CHANGED].index("Quantity")
    told = {(line.name, line.cells[place].text): line.cells[place + 1 :] for line in listed.lines}
    worse = told[names.configuration(first), "top-1"]
    assert (worse[2].text, worse[3].text, worse[3].tone) == ("−50.0", "likely worse", "loss")
    failing = told[names.configuration(second), "status"]
    assert [cell.text for cell in failing[:2]] == ["ok", "failed: out of memory"]
    assert (failing[3].text, failing[3].tone) == ("shown to fail now", "loss")


def test_top1_on_other_images_is_not_compared(tmp_path):
    studies = shown(tmp_path, {}, {})
    new = studies[1].entry.content
    moved = {**new, "evaluated": {"tiny": {"few": "0123456789ab"}}}
    studies[1] = history.Shown(studies[1].entry._replace(content=moved), studies[1].performance, studies[1].accuracy)
    (step,) = history.steps(studies, "tiny")
    assert "top1" not in {each["quantity"] for each in step.changes}
    (ended,) = history.breaks(studies, "tiny")
    assert ended.reasons == ["of top-1 and agreement, the images: few"]


def test_an_invalid_study_counts_nowhere(tmp_path):
    entries = shelf.entries(collection(tmp_path, {}, {}, {}))
    shelf.mark_invalid(entries[1], "too hot")
    studies = history.read(shelf.entries(tmp_path / "collection"))
    assert [of.entry.path for of in studies] == [entries[0].path, entries[2].path]
    (step,) = history.steps(studies, "tiny")
    assert (step.before.date, step.after.date) == (studies[0].date, studies[1].date)


def test_the_last_figures_know_how_long_their_line_is(tmp_path):
    studies = shown(tmp_path, {}, {}, {"images": "bb"})
    assert {count for _, _, count in history.latest(studies).values()} == {1}
    assert {count for _, _, count in history.latest(studies[:2]).values()} == {2}


# Rows that a study has from before.


def test_what_an_upgrade_did_not_run_again_is_no_new_point(tmp_path):
    """Only openvino ran again; tflite's figures, and its quality, are those of the first study."""
    first, second = shown(tmp_path, {"state": 1.0}, {"state": 1.1, "kept": ["tflite"]})
    assert {row["framework"] for row in first.speeds} == {"openvino", "tflite"}
    assert {row["framework"] for row in second.speeds + second.qualities} == {"openvino"}
    last = {(row["framework"], of.date, count) for of, row, count in history.latest([first, second]).values()}
    assert last == {("openvino", second.date, 2), ("tflite", first.date, 1)}
    (step,) = history.steps([first, second], "tiny")
    assert {row["framework"] for row in step.changes} == {"openvino"}
    drawn = charts.rows([first, second], canvas.looks(charts.tables([first, second])))
    for rows in drawn.values():
        assert {row["date"] for row in rows if row["framework"] == "tflite"} == {charts.minute(first.date)}
    assert history.latency(second.performance[-1]).value != history.latency(first.performance[-1]).value
    page = listings.Page("", "", "tiny", [first, second])
    ends = [[cell.text for cell in line.cells][-2:] for line in listings.overview([page], str).lines]
    assert ends == [[listings.day(second.date), "2"], [listings.day(first.date), "1"]]


@pytest.mark.parametrize(
    ("last", "shown_as"), [("2026-11-28T09:00Z", "%Y-%m-%d %H:%M"), ("2026-12-28T08:00Z", "%Y-%m-%d")]
)
def test_an_axis_of_few_days_tells_the_time(last, shown_as):
    assert charts.date_format(["2026-11-28T08:00Z", last]) == shown_as


def test_a_study_that_was_published_unfinished_adds_what_it_measured_since(tmp_path):
    world, only = World(speed=STEADY), {"month": 0, "state": 1.0}
    half = study(tmp_path / "half", world, **only)
    for table in ("performance", "measurements", "accuracy"):
        altered(half, table, lambda row: row if row["framework"] == "tflite" else None)
    (half / paths.MARKS["report"]).unlink()
    publish.publish(tmp_path / "all", half, unfinished=True)
    publish.publish(tmp_path / "all", study(tmp_path / "whole", world, **only), name="whole")
    studies = history.read(shelf.entries(tmp_path / "all"))
    assert sorted(len(of.speeds) for of in studies) == [6, 8]
    assert {count for *_, count in history.latest(studies).values()} == {1}


def test_a_point_with_more_sessions_than_before_is_a_new_one(tmp_path):
    """One of its sessions is of the first study, the others are new."""

    def later(row):
        return {**row, "finished_at": "2024-03-01T00:00:00+00:00"} if row["group"] == "5" else row

    collection(tmp_path, {}, {"kept": ["openvino", "tflite"]})
    new = tmp_path / "1"
    altered(new, "measurements", later)
    finish(new)
    publish.publish(tmp_path / "collection", new, name="more")
    studies = history.read(shelf.entries(tmp_path / "collection"))
    assert [len(of.speeds) for of in studies] == [14, 0, 14]


def test_a_change_of_what_the_study_before_did_not_have_is_told_against_the_one_that_had_it(tmp_path):
    studies = shown(tmp_path, {}, {"frameworks": ["tflite"]}, {})
    last, _ = history.steps(studies, "tiny")
    slower = [each for each in last.changes if each["quantity"] == "latency" and each["framework"] == "openvino"]
    assert {each["verdict"] for each in slower} == {"likely slower"} and len(slower) == 8
    assert {each["before"].date for each in slower} == {studies[0].date}
    assert {each["before"].date for each in last.changes if each["framework"] == "tflite"} == {studies[1].date}
    assert {each["quantity"] for each in last.changes if each["framework"] == "openvino"} >= {"top1", "peak_rss"}
    assert any("an older study than the one before" in text for text in listings.changed([last]).remarks.values())


def test_a_failure_is_told_once_and_figures_are_compared_over_it(tmp_path):
    first, second, third = shown(tmp_path, {}, {}, {})
    failed = [{**row, "status": "failed"} if row["framework"] == "openvino" else row for row in second.performance]
    second = replace(second, performance=failed)
    last, before = history.steps([first, second, replace(third, performance=failed)], "tiny")
    fails = [[each["verdict"] for each in step.changes if each["quantity"] == "status"] for step in (before, last)]
    assert fails[0].count("shown to fail now") == 8 and set(fails[1]) == {"the same"}
    last, _ = history.steps([first, second, third], "tiny")
    assert sum(each["verdict"] == "likely slower" for each in last.changes) >= 8
