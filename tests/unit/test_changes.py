"""What is another one than before: rows of two versions set against each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dliflow.analysis import changes, columns, doubts
from dliflow.report.listings import changes as listed

PLACE = {"model": "m", "api": "python", "variant": "default", "precision": "fp32", "device": "cpu"}
POINT = {**PLACE, "node": "local", "scenario": "latency", "parameters": "default", "batch_size": 1}
SAME_WAY = {"threads": "default", "settings": "{}", "launch": None, "anchor_threads": 2, "state_slope": 1.0}
MEMBER = "alpha-python-default-fp32-default"


def performance(ms, half=0.02, version="1.0", framework="alpha", **columns_):
    """A row of performance.csv."""
    row = {**POINT, **SAME_WAY, "framework": framework, "framework_version": version, "status": "ok", "reason": None}
    row |= {"latency_reference_ms": ms, "reference_anchor_ms": 3.0, "model_bytes": 1000, "warnings": None}
    row |= {f"latency_reference_ci_{end}_ms": ms * math.exp(half * way) for end, way in (("low", -1), ("high", 1))}
    return row | columns_


def met(value, half=0.01, first=MEMBER, second=f"{MEMBER}@1.0", **columns_):
    """A row of comparison.csv."""
    row = {**POINT, "first": first, "second": second, "purpose": "version", "status": "ok", "ratio": value}
    row |= {f"ratio_ci_{end}": value * math.exp(half * way) for end, way in (("low", -1), ("high", 1))}
    return row | {"warnings": None} | columns_


def accuracy(top1, version="1.0", **columns_):
    """A row of accuracy.csv, of 100 images."""
    row = {**PLACE, "framework": "alpha", "framework_version": version, "dataset": "few", "status": "ok"}
    row |= {"reason": None, "warnings": None, "images": 100, "top1": top1, "unlabelled_agreement": None}
    return row | {"top1_ci_low": top1 - 0.06, "top1_ci_high": top1 + 0.05} | columns_


def sessions(values, name="load_ms", **columns_):
    """Rows of measurements.csv: a session in each group."""
    row = {**POINT, "framework": "alpha", "cpu": "a CPU", "anchor": "one", "latency_p50_ms": 5.0}
    return [{**row, "group": number, name: value, **columns_} for number, value in enumerate(values)]


def of(quantity, *arguments, **more):
    """The only row of a quantity."""
    (row,) = (row for row in changes.changes(*arguments, **more) if row["quantity"] == quantity)
    return row


def both(old, new):
    return {"performance": [old]}, {"performance": [new]}


def test_what_took_turns_says_more_than_what_was_measured_at_different_times():
    sides = both(performance(5.0), performance(4.0, version="2.0"))
    apart = of("latency", *sides)
    assert (apart["verdict"], apart["measured_together"]) == ("likely faster", False)
    assert apart["change"] == pytest.approx(0.8)
    assert apart["change_ci_high"] == pytest.approx(0.8 * math.exp(math.hypot(0.02, 0.02)))
    together = of("latency", *sides, [met(1.04)])
    assert (together["verdict"], together["measured_together"]) == ("shown slower", True)
    assert (together["old"], together["new"], together["change"]) == (5.0, 4.0, 1.04)


def test_rounds_in_which_the_new_one_came_second_are_turned_over():
    sides = both(performance(5.0), performance(5.0, version="2.0"))
    row = of("latency", *sides, [met(1.25, first=f"{MEMBER}@1.0", second=MEMBER)])
    assert (row["change"], row["verdict"]) == (0.8, "shown faster")
    assert row["change_ci_low"] == pytest.approx(0.8 * math.exp(-0.01))


@pytest.mark.parametrize(
    "of_others",
    [{"second": f"{MEMBER}@0.9"}, {"batch_size": 4}, {"model": "another"}, {"status": "failed"}, {"ratio": None}],
)
def test_rounds_of_others_are_not_taken(of_others):
    row = of("latency", *both(performance(5.0), performance(5.0)), [met(2.0, **of_others)])
    assert (row["verdict"], row["measured_together"]) == ("no difference shown", False)


def test_a_version_beside_another_is_compared_under_its_own_name():
    sides = both(performance(5.0, framework="alpha@1.0"), performance(5.0, version="2.0"))
    assert changes.changes(*sides) == []
    rounds = [met(0.9, second="alpha@1.0-python-default-fp32-default")]
    row = of("latency", *sides, rounds, renamed={"alpha@1.0": "alpha"})
    assert (row["framework"], row["old_framework"], row["verdict"]) == ("alpha", "alpha@1.0", "shown faster")


def test_without_an_interval_nothing_is_said():
    row = of("latency", *both(performance(5.0, latency_reference_ci_low_ms=None), performance(9.0)))
    assert (row["verdict"], row["change"]) == ("cannot tell", 1.8)


def test_two_studies_are_brought_to_the_same_state_of_the_machine():
    """The machine was slower by a half when the old one was measured, and the old one suffers with it."""
    old = performance(7.5, reference_anchor_ms=4.5)
    row = of("latency", *both(old, performance(5.0)))
    assert row["change"] == pytest.approx(1.0)
    assert row["verdict"] == "no difference shown"
    near = of("latency", *both(performance(5.5, reference_anchor_ms=3.3), performance(5.0)))
    halves = [math.log(each["change_ci_high"] / each["change_ci_low"]) / 2 for each in (row, near)]
    assert halves[0] ** 2 - halves[1] ** 2 == pytest.approx(
        (1.96 * 0.25) ** 2 * (math.log(1.5) ** 2 - math.log(1.1) ** 2)
    )


@pytest.mark.parametrize("other", [{"threads": "1"}, {"settings": '{"threads": 1}'}, {"launch": "cpus 0"}])
def test_what_was_launched_otherwise_is_not_compared(other):
    row = of("latency", *both(performance(5.0), performance(9.0, **other)))
    assert (row["verdict"], row["change"]) == ("cannot tell", None)
    assert next(iter(other.values())) in row["warnings"]


@pytest.mark.parametrize("other", [{"cpu": "another CPU"}, {"anchor": "another"}])
def test_what_was_measured_on_another_machine_or_beside_another_anchor_is_not_compared(other):
    old, new = both(performance(5.0), performance(9.0))
    old["measurements"], new["measurements"] = sessions([50, 51]), sessions([50, 51], **other)
    for quantity in ("latency", "load"):
        row = of(quantity, old, new)
        assert row["verdict"] == "cannot tell"
        assert next(iter(other.values())) in row["warnings"]


def test_load_time_and_memory_are_judged_by_the_groups():
    old, new = both(performance(5.0), performance(5.0))
    old["measurements"], new["measurements"] = sessions([50, 52, 51]), sessions([60, 61, 63])
    row = of("load", old, new)
    assert (row["verdict"], row["method"]) == ("likely slower", changes.GROUPS)
    assert row["change_ci_low"] < 61.3 / 51 < row["change_ci_high"]
    new["measurements"] = sessions([40, 51, 65])
    assert of("load", old, new)["verdict"] == "no difference shown"
    new["measurements"] = sessions([90])
    assert of("load", old, new)["verdict"] == "cannot tell"


def test_welch_s_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    intervals = [changes.welch(rng.normal(0, 0.1, 5), rng.normal(0.3, 0.3, 8))[1] for _ in range(1000)]
    held = np.mean([low <= math.exp(0.3) <= high for low, high in intervals])
    assert 0.93 < held < 0.97


def test_the_size_of_files_is_exact():
    row = of("model_bytes", *both(performance(5.0), performance(5.0, model_bytes=1010)))
    assert row["verdict"] == "shown larger"
    old, new = (performance(5.0, model_bytes=size) for size in (1_000_000, 1_000_001))
    assert of("model_bytes", *both(old, new))["verdict"] == "no difference shown"
    row = of("model_bytes", *both(performance(5.0), performance(5.0)))
    assert row["verdict"] == "no difference shown"


def test_top1_is_judged_on_the_same_images_where_they_are_at_hand():
    old, new = {"accuracy": [accuracy(0.7)]}, {"accuracy": [accuracy(0.64)]}
    assert of("top1", old, new)["verdict"] == "no difference shown"  # as far as both shares alone tell
    assert of("top1", old, {"accuracy": [accuracy(0.64, batch_size=8)]}).get("batch_size") is None
    paired = {"top1_change": -0.06, "top1_change_ci_low": -0.11, "top1_change_ci_high": -0.01}
    paired |= {"same_class": 0.94, "same_class_ci_low": 0.87, "same_class_ci_high": 0.97, "same_class_images": 100}
    key = tuple(({**PLACE, "framework": "alpha"})[name] for name in columns.CONFIGURATION)
    row = of("top1", old, new, paired={key: paired})
    assert (row["verdict"], row["method"], row["images"]) == ("shown worse", changes.IMAGES, 100)
    row = of("same_class", old, new, paired={key: paired})
    assert (row["verdict"], row["new"], row["images"]) == ("shown changed", 0.94, 100)
    assert (row["change"], row["change_ci_low"], row["change_ci_high"]) == pytest.approx((-0.06, -0.13, -0.03))
    same = {"same_class": 1.0, "same_class_ci_low": 0.96, "same_class_ci_high": 1.0}
    assert of("same_class", old, new, paired={key: paired | same})["verdict"] == "no difference shown"


def test_the_difference_of_two_shares_has_newcombe_s_interval():
    """The example of Newcombe's table II, case (a): 56 of 70 against 48 of 80."""
    low, high = changes.newcombe(48 / 80, 56 / 70, [(0.4904, 0.7000), (0.6919, 0.8766)])  # Wilson's, of each
    assert (low, high) == (pytest.approx(0.0524, abs=5e-4), pytest.approx(0.3339, abs=5e-4))


def throughput(number, images_per_s, version):
    """A row of throughput.csv."""
    figures = {"scenario": "throughput", "in_flight": number, "images_per_s": images_per_s}
    ends = {"images_per_s_ci_low": images_per_s / 1.02, "images_per_s_ci_high": images_per_s * 1.02}
    return performance(5.0, version=version) | figures | ends


def test_throughput_is_compared_for_each_number_in_flight():
    old = {"throughput": [throughput(1, 100, "1.0"), throughput(4, 200, "1.0")]}
    new = {"throughput": [throughput(1, 101, "2.0"), throughput(4, 240, "2.0"), throughput(8, 300, "2.0")]}
    verdicts = {
        one["in_flight"]: one["verdict"] for one in changes.changes(old, new) if one["quantity"] == "throughput"
    }
    assert verdicts == {1: "no difference shown", 4: "likely more"}


@pytest.mark.parametrize("other", [{"cpu": "another CPU"}, {"anchor": "another"}])
def test_throughput_on_another_machine_or_beside_another_anchor_is_not_compared(other):
    """What was measured of requests one by one, at whatever batch size, tells which these were."""
    old = {"throughput": [throughput(4, 200, "1.0")], "measurements": sessions([50, 51], batch_size=2)}
    new = {"throughput": [throughput(4, 240, "2.0")], "measurements": sessions([50, 51], batch_size=2)}
    assert of("throughput", old, new)["verdict"] == "likely more"
    new["measurements"] = sessions([50, 51], batch_size=2, **other)
    row = of("throughput", old, new)
    assert (row["verdict"], row["change"]) == ("cannot tell", None)
    assert next(iter(other.values())) in row["warnings"]


def test_a_row_that_fails_now_is_told_first_and_its_figures_are_not_compared():
    failed = performance(5.0, version="2.0", status="failed", reason="it breaks")
    rows = changes.changes(*both(performance(5.0), failed))
    assert [row["quantity"] for row in rows] == ["status"]
    assert (rows[0]["verdict"], rows[0]["new_told"]) == ("shown to fail now", "failed: it breaks")


def test_a_point_that_was_not_measured_then_has_no_figures_to_compare():
    rows = changes.changes(*both(performance(5.0, latency_reference_ms=None), performance(5.0)))
    assert [(row["quantity"], row["verdict"]) for row in rows] == [("status", "the same")]


def test_a_skipped_row_has_no_version():
    skipped = {**PLACE, "framework": "alpha", "dataset": "few", "status": "skipped", "reason": "no Python"}
    (row,) = changes.changes({"accuracy": [skipped]}, {"accuracy": [accuracy(0.7)]})
    assert (row["verdict"], row["old_version"], row["new_version"]) == ("shown to run now", None, "1.0")


def test_warnings_that_differ_in_numbers_only_are_the_same():
    old = performance(5.0, warnings="others took 12 % of the processors; stop them · few requests")
    new = performance(5.0, warnings="others took 3.5 % of the processors; stop them · p99 drifts; raise the budget")
    row = of("warnings", *both(old, new))
    assert row["verdict"] == "shown new: p99 drifts; raise the budget · gone: few requests"
    rows = changes.changes(*both(old, performance(5.0, warnings=old["warnings"].replace("12", "9"))))
    assert "warnings" not in {row["quantity"] for row in rows}


def test_how_well_a_sweep_knew_its_latency_is_no_change_of_the_version():
    for half_width in (0.16, None):
        unsure = performance(5.0, warnings=doubts.joined(doubts.of_interval(half_width)))
        rows = changes.changes(*both(performance(5.0), unsure))
        assert "warnings" not in {row["quantity"] for row in rows}


def test_shown_changes_come_first_and_what_is_the_same_last():
    old = {"performance": [performance(5.0), performance(5.0, batch_size=2)]}
    new = {"performance": [performance(5.0, version="2.0"), performance(4.0, version="2.0", batch_size=2)]}
    rows = changes.changes(old, new, [met(0.9, batch_size=1)])
    kinds = [row["verdict"].split()[0] for row in rows]
    assert kinds == ["shown", "likely", "no", "no", "the", "the"]


def test_the_page_counts_what_is_known_how_well():
    old, new = both(performance(5.0), performance(4.0, version="2.0"))
    rows = [{**dict.fromkeys(columns.names("changes")), **row} for row in changes.changes(old, new, [met(0.9)])]
    (upgrade,) = listed.upgrades(rows)
    assert upgrade == listed.Upgrade("alpha 2.0 after alpha 1.0", 1, 0, 1, 0)
    (line,) = listed.listing(rows).lines
    texts = [cell.text for cell in line.cells]
    assert line.name == "alpha fp32 · m · batch size 1"
    assert texts == ["latency", "5.00 ms", "4.00 ms", "0.90", "shown faster", "in rounds, taking turns"]
    assert [line.cells[0].text for line in listed.unchanged(rows).lines] == ["size of its files"]
