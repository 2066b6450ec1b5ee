"""Plots, page and summary from tiny synthetic tables."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pages import plain
from study_rows import called, candidates, in_flight, in_rounds, point, quality, tables_of, whole

from dliflow import frameworks
from dliflow.analysis import comparison, doubts, ranking, recommendation
from dliflow.analysis.recommendation import FPS, LATENCY, Goal
from dliflow.deployment import choice
from dliflow.records import marks
from dliflow.report import (
    answer,
    canvas,
    conclusion,
    ladder,
    missing,
    names,
    pace,
    page,
    plots,
    summary,
    times,
    tradeoff,
    tuning,
    units,
)
from dliflow.report import comparison as told
from dliflow.report.listings import throughput
from dliflow.report.listings import tuning as listed
from dliflow.stages import report
from dliflow.study import paths

NASTY = "convert: <script>alert('x')</script> $x$ & more"


def strained(points, **columns):
    """The same points, each session of which has these figures."""
    return [(row, [{**session, **columns} for session in sessions]) for row, sessions in points]


def only(tables):
    """The conclusion of the only setting."""
    (setting,) = conclusion.settings(tables)
    return setting


@pytest.fixture
def study(tmp_path):
    """A framework called `null`, a tie, a slower one, a failed one and a skipped one."""
    folder = tmp_path / "tables"
    folder.mkdir()
    points = [
        point("null", 1, [1.0, 1.1, 1.05], "int8"),
        point("null", 1, [2.0, 2.1, 2.05]),
        point("alpha", 1, [1.0, 1.2, 1.06]),
        point("beta", 1, [], status="failed", reason=NASTY),
        point("gamma", 1, [], status="skipped", reason="cannot"),
    ]
    accuracy = [
        quality("null", "int8", change=(-0.3, -0.2, -0.1)),
        quality("null"),
        quality("alpha"),
        quality("beta", status="failed", reason=NASTY),
        quality("gamma", status="skipped", reason="cannot"),
    ]
    return tables_of(points, accuracy, folder)


def test_the_reader_keeps_text_and_tells_gaps(study):
    row = study.performance[0]
    assert (row["framework"], row["framework_version"], row["batch_size"]) == ("null", "1.0", 1)
    assert study.performance[3]["latency_p50_ms"] is None


def test_the_conclusion_names_what_is_not_told_apart_losses_and_an_alternative(study):
    (batch,) = only(study).batches
    assert batch.fastest.name == "null int8"
    assert batch.fastest.cost.loss
    assert batch.named(ranking.UNDECIDED) == ["alpha fp32"]  # without rounds nothing is a tie
    assert batch.named(ranking.SLOWER) == ["null fp32"]
    assert "losing 1 % at most: alpha fp32 at batch size 1" in terminal(study)
    assert only(study).counts == {"ok": 3, "failed": 1, "skipped": 1}


def test_the_baseline_of_another_model_is_none_of_this_one(tmp_path):
    rows = [{**quality("alpha"), "model": model, "baseline": None, "top1_change": None} for model in ("m", "n")]
    judged = {
        **quality("alpha", "int8", change=(-0.1, 0.0, 0.1)),
        "model": "m",
        "baseline": "alpha-python-default-fp32",
    }
    costs = conclusion.costs(tables_of([], [*rows, judged], tmp_path).accuracy)
    assert {key[0]: cost.change for key, cost in costs.items() if "fp32" in key} == {
        "m": "is the baseline",
        "n": "no baseline",
    }


def test_one_session_decides_nothing(tmp_path):
    tables = tables_of([point("a", 1, [1.0]), point("b", 1, [9.0])], [quality("a"), quality("b")], tmp_path)
    (batch,) = only(tables).batches
    assert batch.named(ranking.UNDECIDED) == ["b fp32"]


def test_rounds_decide_who_is_fastest_against_what_the_sweep_says(tmp_path):
    points = [point("a", 1, [1.0, 1.1]), point("b", 1, [1.05, 1.15]), point("c", 1, [1.06, 1.2])]
    rounds = in_rounds(1, dict(zip(map(called, "abc"), (1.0, 0.9, 0.902))))
    tables = tables_of(points, [quality(name) for name in "abc"], tmp_path, *rounds)
    (batch,) = only(tables).batches
    assert batch.fastest.name == "b fp32"
    assert batch.named(ranking.TIE) == ["c fp32"]
    assert batch.named(ranking.SLOWER) == ["a fp32"]
    assert batch.rounds
    assert batch.next_slower.standing.ratio.value == pytest.approx(1 / 0.9, rel=0.01)
    alone = tables_of(points, [quality(name) for name in "abc"], tmp_path)
    (batch,) = only(alone).batches
    assert (batch.fastest.name, batch.rounds) == ("a fp32", False)


def test_figures_and_ratios_come_from_the_same_rounds(tmp_path):
    """Seen: 7.09 ms called the fastest, and 5.70 ms 1.04 times slower, since both figures were those of the sweep."""
    points = [point("a", 1, [7.0, 7.09, 7.2]), point("b", 1, [5.6, 5.7, 5.8]), point("far", 1, [10.4, 10.6])]
    rounds = in_rounds(1, {called("a"): 5.5, called("b"): 5.72})
    (batch,) = only(tables_of(points, [quality(name) for name in ("a", "b", "far")], tmp_path, *rounds)).batches
    first, second, third = (entry.standing for entry in batch.entries)
    assert (first.row["framework"], first.latency.value) == ("a", first.row["latency_reference_ms"])
    assert (second.verdict, second.ratio.value) == (ranking.SLOWER, pytest.approx(1.04, rel=0.01))
    assert second.latency.value == pytest.approx(first.latency.value * second.ratio.value)
    assert second.fps.value == pytest.approx(1e3 / second.latency.value)
    # far from the leaders, of which there were only two: no tie of theirs
    assert (third.verdict, third.ratio.value) == (ranking.SLOWER, pytest.approx(10.5 / 7.1, rel=0.01))


def test_the_best_of_three_in_the_same_rounds_needs_more_than_one_pair_does(tmp_path):
    """An interval that just excludes 1 for a pair of its own does not where the best of three was picked by it."""
    points = [point(name, 1, [1.0, 1.1]) for name in "abc"]
    first, second, third = map(called, "abc")
    rounds = in_rounds(1, {first: 1.0, second: 1.008, third: 1.05})
    tables = tables_of(points, [quality(name) for name in "abc"], tmp_path, *rounds)
    compared = ranking.comparisons(tables.comparison, tables.rounds)[("tiny", "cpu", "local", "latency", 1)]
    assert compared.confidence == pytest.approx(1 - 0.05 / 3)
    alone = comparison.ratio(compared.groups, comparison.Pair(second, first, ""))
    assert alone.interval[1] - alone.interval[0] < np.diff(compared.ratio(second, first).interval)[0]


def test_what_the_sweep_shows_faster_than_the_leaders_of_the_rounds_is_undecided(tmp_path):
    points = [point("a", 1, [1.0, 1.1]), point("b", 1, [1.05, 1.15]), point("c", 1, [0.5, 0.51])]
    rounds = in_rounds(1, {called(name): 1.0 for name in "ab"})
    accuracy = [quality(name) for name in "abc"]
    (batch,) = only(tables_of(points, accuracy, tmp_path, *rounds)).batches
    assert [entry.name for entry in batch.entries][1] == "c fp32"
    assert batch.named(ranking.UNDECIDED) == ["c fp32"]
    assert "not told apart from c fp32" in terminal(tables_of(points, accuracy, tmp_path, *rounds))


def test_rounds_rebuilt_from_their_table_say_what_the_record_does():
    """The anchor beside a burst stands in the table, not its two flanks; ratios and latencies need no more."""
    rng = np.random.default_rng(1)
    record = []
    for _ in range(3):
        anchors = 2e6 * np.exp(rng.normal(0, 0.1, 9))
        orders = [rng.permutation(["a", "b"]).tolist() for _ in range(4)]
        rounds = [{"order": o, "latency_ns": {n: [int(5e6 * np.exp(rng.normal(0, 0.02)))] for n in o}} for o in orders]
        opened = {name: {"batch_size": 1} for name in "ab"}
        record.append({"sessions": [{"opened": opened, "rounds": rounds, "anchor_ns": [[a] for a in anchors]}]})
        record[-1]["sessions"][0] |= {"anchor_threads": 2, "started_at": "2026-11-27T12:00:00+00:00"}
    rows = []
    for group, of_group in enumerate(record, 1):
        (session,) = of_group["sessions"]
        bursts = ((r, n, values) for r, one in enumerate(session["rounds"], 1) for n, values in
                  ((name, one["latency_ns"][name]) for name in one["order"]))  # fmt: skip
        for place, (number, name, (latency,)) in enumerate(bursts):
            beside = np.sqrt(session["anchor_ns"][place][0] * session["anchor_ns"][place + 1][0]) / 1e6
            row = {"group": group, "session": 1, "round": number, "configuration": name, "batch_size": 1}
            row |= {"anchor_threads": 2, "started_at": "2026-11-27T12:00:00+00:00"}
            rows.append({**row, "latency_p50_ms": latency / 1e6, "anchor_ms": beside})
    pair = comparison.Pair("a", "b", "")
    expected, rebuilt = (comparison.ratio(groups, pair) for groups in (record, ranking.groups(rows)))
    assert rebuilt.ratio == pytest.approx(expected.ratio)
    assert rebuilt.interval == pytest.approx(expected.interval)


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A study of twenty configurations on a machine that changes its speed."""
    return whole(tmp_path_factory.mktemp("noisy") / "tables", groups=3)


def test_nothing_that_is_quoted_contradicts_another(noisy):
    (of_setting,) = conclusion.ranked(noisy).values()
    for standings in of_setting.sizes.values():
        fastest, *others = standings
        for one in others:
            assert one.latency.value == pytest.approx(one.ratio.value * fastest.latency.value)
            assert one.verdict != ranking.TIE or one.rounds
            assert one.verdict == ranking.UNDECIDED or one.latency.value >= fastest.latency.value
        assert [one.latency.value for one in others] == sorted(one.latency.value for one in others)
    first = [standings[0] for standings in of_setting.sizes.values()]
    assert best_of(noisy, FPS)[0].standing.fps.value == max(one.fps.value for one in first)
    assert best_of(noisy, LATENCY)[0].standing.latency.value == min(one.latency.value for one in first)


def test_what_would_decide_is_said_where_rounds_leave_something_open(tmp_path):
    (tmp_path / "tables").mkdir()
    points = [point(name, 1, [1.0, 1.1]) for name in "ab"]
    rounds = in_rounds(1, {called("a"): 1.0, called("b"): 1.02}, wobble=0.03)
    tables = tables_of(points, [quality(name) for name in "ab"], tmp_path / "tables", *rounds)
    (batch,) = only(tables).batches
    assert batch.named(ranking.TIE) == ["b fp32"]
    more = f"about {batch.more.groups} more groups, {units.duration(30.0 * batch.more.groups)}, would tell"
    text, short = run_report(tmp_path)
    assert more in " ".join(short.split())
    assert f"{more}: raise compare.budget_s" in text
    known = in_rounds(1, {called("a"): 1.0, called("b"): 1.001})
    (batch,) = only(tables_of(points, [quality(name) for name in "ab"], tmp_path / "tables", *known)).batches
    assert (batch.named(ranking.TIE), batch.more) == (["b fp32"], None)  # known to be as fast, within the width


def test_a_member_that_broke_on_the_way_is_judged_by_the_sweep(tmp_path):
    """Its few rounds may have none in common with another one's."""
    points = [point(name, 1, [1.0, 1.1]) for name in "abc"]
    pairs, bursts = in_rounds(1, {called("a"): 1.0, called("b"): 1.2, called("c"): 0.5})
    bursts = [row for row in bursts if row["configuration"] != called("c") or row["group"] == 1]
    tables = tables_of(points, [quality(name) for name in "abc"], tmp_path, pairs, bursts)
    (batch,) = only(tables).batches
    assert (batch.fastest.name, batch.named(ranking.UNDECIDED)) == ("a fp32", ["c fp32"])
    (block,) = told.blocks(tables)
    assert block.untold == ["a fp32 / c fp32: too few rounds that both took part in"]


def test_rounds_that_failed_are_told_beside_what_they_would_have_settled(tmp_path):
    points = [point("a", 1, [1.0, 1.1]), point("b", 1, [1.05, 1.15])]
    pairs = [{"model": "tiny", "device": "cpu", "node": "local", "scenario": "latency", "batch_size": size}
             | {"status": "failed", "reason": NASTY, "record": "none"} for size in (1, None)]  # fmt: skip
    tables = tables_of(points, [quality(name) for name in "ab"], tmp_path, pairs)
    setting = only(tables)
    assert setting.batches[0].no_rounds == setting.no_rounds == NASTY
    assert "batch size 1: rounds did not run" in terminal(tables)


def test_the_page_tells_comparisons_and_why_there_is_none(tmp_path):
    (tmp_path / "tables").mkdir()
    older = f"{called('a', 'int8')}@2.0"
    pairs, bursts = in_rounds(1, {called("a", "int8"): 1.0, older: 1.5}, purposes={older: "version"})
    pairs[0] |= {"warnings": "depends <on> the state", "first_version": "2.1", "second_version": "2.0"}
    pairs.append({**pairs[0], "batch_size": 2, "record": "none", "status": "failed", "reason": NASTY})
    points = [point("a", 1, [1.0, 1.1], "int8"), point("b", 1, [2.0, 2.1])]
    tables = tables_of(points, [quality("a", "int8"), quality("b")], tmp_path / "tables", pairs, bursts)
    plots.draw(tables, tmp_path / "plots")
    text, short = run_report(tmp_path)
    assert "a int8 of 2.0" in text and "depends &lt;on&gt; the state" in text
    assert "a 2.1 against 2.0: a int8 0.67×" in text
    assert "a 2.1 against 2.0: a int8 0.67×" in short
    assert "<script>alert" not in text
    assert "FAILED" in short and "batch size 2: convert:" in short


def test_tuned_settings_are_named_where_they_are_quoted_and_the_race_s_own_figure_is_no_gain(tmp_path):
    tuned = point("onnxruntime", 1, [1.0, 1.01], "int8", parameters="tuned", settings='{"threads": 2}')
    points = [point("onnxruntime", 1, [1.2, 1.21], "int8"), tuned]
    failed = candidates(status="failed", reason="tune: the default broke", batch_size=2, candidate=None)[:1]
    failed[0]["candidate"] = None
    tables = tables_of(points, [quality("onnxruntime", "int8")], tmp_path / "tables", tuning=[*candidates(), *failed])
    plots.draw(tables, tmp_path / "plots")
    text, short = run_report(tmp_path)
    assert "onnxruntime int8 tuned" in short and "launched with threads=2" in short
    assert "Launch parameters: <code>options.intra_op_num_threads = 2</code>" in text
    section = text[text.index('<section id="tuning">') :].partition("</section>")[0]
    assert "sampled: 3 of 30" in section and "0.83" in section and "tune: the default broke" in section
    assert re.search(r"<td>threads=2</td><td[^>]*>0\.70", section)  # in the list of all that raced
    summary_row = section[section.index("<td>faster</td>") - 300 : section.index("<td>faster</td>")]
    assert "0.83" in summary_row and "0.70" not in summary_row


def test_a_race_has_a_row_each_of_its_settings_another_and_every_gap_its_reason(tmp_path):
    lost = [{**row, "batch_size": 4} for row in candidates(framework="openvino") if row["outcome"] != "chosen"]
    none = {**lost[0], "batch_size": 8, "candidate": None, "status": "failed", "reason": "tune: the default broke"}
    races = tuning.races(tables_of([], [], tmp_path, tuning=[none, *candidates(), *lost]).tuning)
    won, stayed, gap = listed.listing(races, lambda record: "").lines
    assert [cell.text for cell in won.cells] == ["1", "sampled: 3 of 30", "threads=2", "0.83", "faster", "1 min 15 s"]
    assert (won.best, won.name, won.cells[3].interval) == (True, "onnxruntime int8", "[0.80, 0.86]")
    assert won.kind == {"model": "tiny", "framework": "onnxruntime", "precision": "int8", "batch": 1,
                        "setting": "tiny · cpu · local"}  # fmt: skip
    assert [cell.why for cell in stayed.cells if cell.text == "–"] == [listed.NOBODY] * 2 and not stayed.best
    assert gap.gap == "failed: tune: the default broke"
    fastest, default, slowest, *_ = listed.raced(races).lines
    assert [line.cells[1].text for line in (fastest, default, slowest)] == ["threads=2", "default", "threads=1"]
    assert (default.cells[2].why, default.cells[4].why) == ("it is the default, or had no burst", "it did not leave")
    assert (fastest.best, slowest.cells[2].text) == (True, "1.90")


def test_a_race_beside_other_work_has_no_winner_that_is_said_to_be_faster(tmp_path):
    busy = doubts.DOUBTFUL + "other processes took 60 % of the processors' time; stop them"
    rows = [{**row, "warnings": busy} if row["outcome"] == "chosen" else row for row in candidates()]
    listing = listed.listing(tuning.races(tables_of([], [], tmp_path, tuning=rows).tuning), lambda record: "")
    (line,) = listing.lines
    assert (line.cells[4].text, line.best) == ("doubtful", False)
    assert [listing.remarks[letter] for letter in line.cells[3].marks] == [busy]


def test_a_study_without_tuning_has_no_section_of_it(study, tmp_path):
    plots.draw(study, tmp_path / "plots")
    text, short = run_report(tmp_path)
    assert 'id="tuning"' not in text and "launched with" not in short


SIZES = {1: (5.40, 5.50), 2: (9.00, 9.05), 4: (19.9, 20.1), 8: (34.0, 41.0)}


def of_sizes(fps, wobble=0.004):
    """The comparison of batch sizes, of these FPS."""
    return in_rounds(None, {called("a", size=size): size / each * 1e3 for size, each in fps.items()}, wobble=wobble)


def test_the_highest_fps_is_that_of_the_rounds_and_names_what_is_not_told_apart(tmp_path):
    """The sweep says batch size 2, the rounds 183 to 201 to 202 to 243 FPS: batch size 8."""
    points = [point(name, size, values) for size, values in SIZES.items() for name in "ab"]
    pairs, bursts = [], []
    for size in SIZES:
        more = in_rounds(size, {called("a"): 5.0 * size, called("b"): 7.5 * size})
        pairs, bursts = pairs + more[0], bursts + more[1]
    more = of_sizes({1: 183, 2: 201, 4: 202, 8: 243})
    accuracy = [quality("a"), quality("b")]
    tables = tables_of(points, accuracy, tmp_path, pairs + more[0], bursts + more[1])
    setting = only(tables)
    best, others = best_of(tables, FPS)
    assert (best.size, others) == (8, {})
    level = best.row["batch_size"] / best.row["latency_reference_ms"] * 1e3
    for batch, fps in zip(setting.batches, (183, 201, 202, 243)):  # what is quoted is what decided
        assert batch.fastest.standing.fps.value == pytest.approx(level * fps / 243, rel=0.01)
        assert batch.entries[1].standing.fps.value == pytest.approx(level * fps / 243 / 1.5, rel=0.01)
    assert best_of(tables, LATENCY)[0].size == 1
    assert f"Highest FPS a fp32 at batch size 8: {level:.0f} FPS" in terminal(tables)

    more = of_sizes({1: 183, 2: 201, 4: 242, 8: 243})
    tables = tables_of(points, accuracy, tmp_path, pairs + more[0], bursts + more[1])
    best, others = best_of(tables, FPS)
    assert {best.size, *others[ranking.TIE]} == {4, 8}
    _, _, told_of_fps = terminal(tables).partition("Highest FPS")
    assert "no difference shown to itself at batch size" in told_of_fps


def test_who_is_fastest_at_a_batch_size_may_be_another_than_stood_for_it(tmp_path):
    """The sweep sends `a` into the comparison of batch sizes; the rounds of batch size 8 find `b` twice as fast."""
    points = [point(name, size, [5.0 * size**1.1, 5.1 * size**1.1]) for size in (1, 8) for name in "ab"]
    slower, faster = (in_rounds(size, {called("a"): 5.0 * size, called("b"): 5.0 * size * ratio})
                      for size, ratio in ((1, 1.5), (8, 0.5)))  # fmt: skip
    between = of_sizes({1: 200, 8: 190})
    pairs, bursts = (a + b + c for a, b, c in zip(slower, faster, between))
    tables = tables_of(points, [quality("a"), quality("b")], tmp_path, pairs, bursts)
    best, others = best_of(tables, FPS)
    assert (best.size, best.row["framework"], others) == (8, "b", {})
    level = 1 / tables.performance[0]["latency_reference_ms"] * 1e3  # the best of those that stood for a size
    assert best.standing.fps.value == pytest.approx(level * 190 / 200 / 0.5, rel=0.01)


def test_without_rounds_the_highest_fps_rests_on_the_sweep(tmp_path):
    points = [point(name, size, values) for size, values in SIZES.items() for name in "ab"]
    best, others = best_of(tables_of(points, [quality("a"), quality("b")], tmp_path), FPS)
    assert best.size == 2
    assert 8 in others[ranking.UNDECIDED]  # known from two sessions to ± 10 %
    assert best.standing.latency.interval is not None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ((0.002, 0.009), None),
        ((0.005, 0.014), "up to 1.4 % of top-1; some 200 with labels or 3,100 without would tell if it is over 1 %"),
        ((0.08, 0.0901), "up to 9.0 % of top-1; some 1,700 with labels would tell if it is over 1 %"),
    ],
)
def test_images_without_labels_say_beside_a_compressed_winner_what_it_loses_at_most(tmp_path, changed, told):
    (tmp_path / "tables").mkdir()
    points = [point("a", 1, [1.0, 1.01], "int8"), point("b", 1, [2.0, 2.1])]
    accuracy = [quality("a", "int8", change=(-0.09, 0.0, 0.09), changed=changed), quality("a"), quality("b")]
    tables = tables_of(points, accuracy, tmp_path / "tables")
    assert ("losing 1 % at most: b fp32" in terminal(tables)) is (told is not None)
    text, short = run_report(tmp_path)
    doubt = "20 images with and 500 without labels cannot tell what int8 costs: "
    for shown in (text.partition('id="plots"')[0], " ".join(short.split())):
        assert (f"{doubt}{told}" in shown) if told else ("cannot tell" not in shown)
    assert (f"at most {units.at_most(changed[1])} lost" in text) is (told is None)
    assert f">{units.at_most(min(0.09, changed[1])).rstrip(' %')}</td>" in text  # its column has the unit
    assert "500 images of many, worth some 250 independent ones" in text


def test_a_compressed_winner_whose_quality_is_not_known_says_so_beside_its_name(tmp_path):
    (tmp_path / "tables").mkdir()
    points = [point("a", 1, [1.0, 1.01], "int8"), point("b", 1, [2.0, 2.1])]
    accuracy = [quality("a", "int8", change=(-0.09, 0.0, 0.09)), quality("a"), quality("b")]
    tables_of(points, accuracy, tmp_path / "tables")
    text, short = run_report(tmp_path)
    doubt = "20 images cannot tell what int8 costs: up to 9.0 % of top-1; some 1,700 with labels would tell"
    assert doubt in " ".join(short.split())
    assert "losing 1 % at most: b fp32 at batch size 1" in " ".join(short.split())
    assert doubt in text.partition('id="plots"')[0]
    (_, _, sure) = text.partition("no more than 1 % of top-1 lost: ")
    assert sure.partition("</p>")[0].endswith("b fp32, batch size 1</a> (2.05 ms [2.00, 2.10])")
    qualities = [quality("a", "int8", change=(-0.005, 0.0, 0.005)), quality("a"), quality("b")]
    tables = tables_of(points, qualities, tmp_path / "tables")
    assert only(tables).batches[0].fastest.marks == []
    assert "losing 1 %" not in terminal(tables)


def test_a_winner_at_chance_is_marked_on_page_and_terminal(tmp_path):
    (tmp_path / "tables").mkdir()
    chance = "top-1 looks like chance (0 of 20 right, 3 classes)"
    points = [point("a", 1, [1.0, 1.01]), point("b", 1, [2.0, 2.1])]
    tables_of(points, [{**quality("a"), "warnings": chance}, quality("b")], tmp_path / "tables")
    text, short = run_report(tmp_path)
    assert short.startswith(f"DOUBTFUL\n  tiny (a fp32): {chance}")
    assert "Lowest latency b fp32 at batch size 1" in " ".join(short.split())
    assert "perhaps better: a fp32 at batch size 1, 1.00 ms [1.00, 1.01], but its top-1 looks" in " ".join(
        short.split()
    )
    assert text.index(chance) < text.index('id="answer"')
    card, others = text.partition('<div class="card">')[2].partition("</div>")[::2]
    assert ">b fp32</a>" in card and "its top-1 looks like chance" in card  # who is recommended, and who perhaps
    assert chance in others.partition("</section>")[0]


@pytest.mark.parametrize(
    ("columns", "doubt"),
    [
        ({"taken_share": 0.94}, "others took up to 94 % of the processors' time"),
        ({"taken_share": 0.0}, None),
        ({"taken_share": None, "anchor_ms": None}, None),
    ],
)
def test_on_a_machine_too_busy_to_measure_nothing_is_the_fastest(tmp_path, columns, doubt):
    (tmp_path / "tables").mkdir()
    points = strained([point("a", size, [1.0, 1.01]) for size in (1, 2)], **columns)
    points += strained([point("b", size, [2.0, 2.1]) for size in (1, 2)], **columns)
    tables_of(points, [quality("a"), quality("b")], tmp_path / "tables")
    text, short = run_report(tmp_path)
    for question in ("Lowest latency", "Highest FPS"):
        best = "a fp32 at batch size" if doubt is None else "doubtful, see above: who is best is not said"
        assert f"{question} {best}" in " ".join(short.split())
    card = text.partition('<div class="card">')[2].partition("</div>")[0]
    assert ("a fp32" in card, "the machine was too busy" in card) == (doubt is None, doubt is not None)
    if doubt is not None:
        assert short.startswith(f"DOUBTFUL\n  tiny · cpu · local: {doubt}")
        assert text.index(doubt.replace("'", "&#39;")) < text.index('id="answer"')
        assert ">fastest<" not in text
        assert text.count('data-label="Fastest">doubtful<') == 2 and "<strong>a fp32</strong>" not in text


def test_many_doubts_of_one_kind_leave_room_for_the_other_and_for_figures(tmp_path):
    (tmp_path / "tables").mkdir()
    frameworks = [f"f{number}" for number in range(9)]
    points = strained([point(name, 1, [1.0, 1.01]) for name in frameworks], taken_share=0.9)
    accuracy = [{**quality(name), "warnings": f"looks like chance, says {name}"} for name in frameworks]
    tables_of(points, accuracy, tmp_path / "tables")
    _, short = run_report(tmp_path)
    assert "and 7 more such, all in the report" in short
    assert "others took up to 90 %" in short
    assert len(short.splitlines()) <= summary.LINES
    assert "Report: " in short and "Files to deploy: results/deploy/" in short


def test_an_anchor_far_from_its_best_in_the_study_is_doubtful(tmp_path):
    quiet = strained([point("a", 1, [1.0, 1.01])], anchor_ms=0.5)
    slow = strained([point("b", 1, [2.0, 2.1])], anchor_ms=100.0)
    setting = only(tables_of([*quiet, *slow], [quality("a"), quality("b")], tmp_path))
    (doubt,) = conclusion.doubts([setting], [])[1]
    assert "took up to 200 times as long as at its best, and more than 3 times in 1 of 2 measurements" in doubt
    assert doubt.endswith("measure again with --forcerun sweep")
    (batch,) = setting.batches
    assert batch.doubtful
    twice = strained([point("b", 1, [2.0, 2.1])], anchor_ms=1.0)
    assert not only(tables_of([*quiet, *twice], [quality("a"), quality("b")], tmp_path)).doubtful


def test_rounds_beside_other_work_are_doubtful(tmp_path):
    points = [point(name, 1, [1.0, 1.1]) for name in "ab"]
    pairs, bursts = in_rounds(1, {called("a"): 1.0, called("b"): 1.1})
    pairs = [{**row, "taken_share": 0.6, "missing": "c-python-default-int8-default"} for row in pairs]
    setting = only(tables_of(points, [quality("a"), quality("b")], tmp_path, pairs, bursts))
    (doubt,) = conclusion.doubts([setting], [])[1]
    assert "others took up to 60 %" in doubt and doubt.endswith("measure again with --forcerun compare")
    assert setting.batches[0].missing == ["c int8"]


def test_throughput_beside_other_work_is_told_before_any_figure(tmp_path):
    """Seen: "doubtful, see above" under nothing."""
    told = "DOUBTFUL: other processes took 25 % of the processors' time; stop them · of another kind"
    rows = [in_flight("a", number, 90.0, 10.0, warnings=told, knee=number == 1) for number in (1, 2)]
    rows.append(in_flight("b", 1, 80.0, 12.0, knee=True))
    points, accuracy = [point(name, 1, [9.9, 10.1]) for name in "ab"], [quality("a"), quality("b")]
    tables = tables_of(points, accuracy, tmp_path / "tables", throughput=rows)
    page, short = run_report(tmp_path)
    assert "Highest throughput  doubtful, see above" in short
    above = " ".join(short[: short.index("Lowest latency")].split())
    complaint = "throughput (a fp32): other processes took 25 % of the processors' time, and which"
    assert above.startswith("DOUBTFUL ") and complaint in above and above.count("25 %") == 1
    assert "measure again with --forcerun throughput" in above
    assert page.index("throughput (a fp32): other processes") < page.index("Lowest latency")
    knees = [line.best for line in throughput.listing(tables.throughput, str).lines]
    assert knees == [False, False, True]


def test_missing_groups_by_reason_with_failed_ones_first_and_their_logs(study, tmp_path):
    log = tmp_path / "logs/models/beta.json.log"
    log.parent.mkdir(parents=True)
    stage, _, reason = NASTY.partition(": ")
    failure = {"stage": stage, "reason": reason, "output_tail": ["the <end>"]}
    (log.parent / "beta.json.failed.json").write_text(json.dumps(failure))
    failed, skipped = missing.missing(study, tmp_path / "logs")
    assert (failed.status, failed.reason, failed.logs, failed.tail) == ("failed", NASTY, [str(log)], ["the <end>"])
    assert failed.tables == ["parity", "accuracy", "performance"]
    assert (skipped.configurations, skipped.logs) == (["gamma fp32"], [])


def test_without_a_note_of_a_failure_its_record_s_log_is_named(study, tmp_path):
    log = tmp_path / paths.log(paths.PARITY).removeprefix(f"{paths.RESULTS}/logs/").format(
        model="tiny",
        framework="beta",
        api="python",
        variant="default",
        precision="fp32",
        device="cpu",
        environment="0a1b2c",
    )
    log.parent.mkdir(parents=True)
    log.write_text("what it said")
    failed, _ = missing.missing(study, tmp_path)
    assert failed.logs == [str(log)]


def test_partial_failures_meet_the_whole_ones():
    assert missing.plain("2 of 3 groups: sweep: crashed") == "sweep: crashed"


def test_times_are_grouped_and_jobs_side_by_side_count_once(tmp_path):
    written = [("fetch", 0.0, 9.0), ("sweep", 100.0, 10.0), ("sweep", 105.0, 10.0), ("new_stage", 120.0, 1.0)]
    for number, (stage, started, seconds) in enumerate(written):
        data = {"stage": stage, "started": started, "seconds": seconds, "status": 0}
        (tmp_path / f"{number}.time.json").write_text(json.dumps(data))
    jobs = times.jobs(tmp_path)
    assert [(share.group, share.jobs, share.seconds) for share in times.shares(jobs)] == [
        ("inputs", 1, 9.0),
        ("measuring", 2, 20.0),
        ("other", 1, 1.0),
    ]
    run = times.this_run(jobs, {"started": 95.0, "command": "snakemake"}, now=130.0)
    assert (run.wall, run.busy, run.overhead) == (35.0, 16.0, 19.0)
    assert [share.group for share in run.shares] == ["measuring", "other"]
    assert times.this_run(jobs, None) is None


def test_each_framework_s_share_of_the_measuring_time():
    def session(framework, group, group_ms, **columns):
        parts = {"import_ms": 300.0, "load_ms": 150.0, "first_request_ms": 50.0, "warmup_ms": 200.0}
        row = {"framework": framework, "group": group, "status": "ok", "group_ms": group_ms, "parameters": "default"}
        return {**row, **parts, "requests": 10, "latency_mean_ms": 40.0, **columns}

    sessions = [session("b", 1, 3200.0, batch_size=size) for size in (1, 2)]  # one import, two openings
    sessions += [session("a", 1, 1500.0), session("b", 2, 1600.0), session("c", 1, None)]
    sessions += [session("b", 1, 9e3, parameters="tuned")]  # the default's time is in it, too
    efforts = times.effort(sessions)
    assert [(effort.framework, effort.groups, effort.total) for effort in efforts] == [
        ("a", 1, 1.5),
        ("b", 2, 4.8),
        ("all", 3, 6.3),
    ]
    of_b = efforts[1]
    assert (of_b.imports, of_b.loading, of_b.warm_up, of_b.requests) == pytest.approx((0.6, 0.6, 0.6, 1.2))
    assert (of_b.opening, of_b.rest) == pytest.approx((1.2, 1.8))
    assert times.effort([]) == []
    assert [effort.framework for effort in times.effort([session("a", 1, 900.0)])] == ["a"]
    assert times.effort([session("a", 1, 900.0)])[0].rest == 0  # a clock tick's rounding is no negative time


def run_report(tmp_path, *options):
    """Run the stage on what lies in a folder; the page and the summary."""
    parser = argparse.ArgumentParser()
    report.arguments(parser)
    places = ["--tables", tmp_path / "tables", "--plots", tmp_path / "plots", "--logs", tmp_path / "logs"]
    out = tmp_path / "report/index.html"
    report.run(parser.parse_args([*map(str, places), "--run", str(tmp_path / "run.json"), "--out", str(out), *options]))
    return plain(out.read_text()), out.with_name("summary.txt").read_text()


def best_of(tables, objective):
    """The best of all batch sizes, and by verdict those of the batch sizes that are not told apart from it."""
    (of,) = answer.recommendations(tables).values()
    outcome = of.answer(Goal(objective=objective))
    others = {ranking.TIE: outcome.ties, ranking.UNDECIDED: outcome.undecided}
    sizes = {verdict: [of.candidates[place].size for place in places] for verdict, places in others.items() if places}
    return of.candidates[outcome.best], sizes


def terminal(tables):
    """The summary, its words one space apart."""
    answers = {one.name: one for one in answer.answers(answer.recommendations(tables), None)}
    settings = conclusion.settings(tables)
    doubts = conclusion.doubts(settings, tables.accuracy)
    text = summary.render(settings, answers, None, [], doubts, [], None, "index.html")
    return " ".join(text.split())


def test_page_escapes_what_comes_from_tables_and_needs_nothing_else(study, tmp_path):
    plots.draw(study, tmp_path / "plots")
    (tmp_path / "run.json").write_text(json.dumps({"started": 0, "command": "snakemake <all>"}))
    text, short = run_report(tmp_path, "--title", "A & <B>")
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL)
    kinds = [re.sub(' id="[^"]*"', "", attributes) for attributes, _ in scripts]
    assert text.count("<script") == len(scripts)
    assert kinds == [' type="application/json"', *[' type="text/plain"'] * (len(kinds) - 3), "", ' type="module"']
    assert "&lt;script&gt;" in text and "alert('x')" not in "".join(content for _, content in scripts[1:])
    assert "<title>A &amp; &lt;B&gt;</title>" in text
    assert "snakemake &lt;all&gt;" in text
    assert text.count('<figure class="still') == 5
    for outside in ('src="http', 'href="http', "url(http", "@import"):
        assert outside not in text
    assert short.startswith("FAILED\n  beta fp32: convert: <script>")
    assert len(short.splitlines()) <= summary.LINES
    assert max(map(len, short.splitlines())) <= summary.COLUMNS
    assert "not told apart from alpha fp32" in short


def test_the_page_does_not_wait_for_the_folders_that_a_finished_study_deploys(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    linked = re.compile(r'href="([^"]*)">files to deploy')
    text, _ = run_report(tmp_path)
    assert "The study’s default launch settings</p>" in text
    assert not linked.search(text)  # nothing will be made after a run that failed
    marks.write(tmp_path / "tables" / Path(paths.MARKS["tables"]).name, [tmp_path / "tables/performance.csv"])
    (of,) = answer.recommendations(study).values()
    recommended = {f"../{Path(name).parent}" for name in choice.recommended(of, None)}
    text, _ = run_report(tmp_path)
    links = set(linked.findall(text))
    assert links and links <= recommended
    assert "The study’s default launch settings, which stand in the program to deploy" in text


def test_everything_failed_still_gives_plots_page_and_summary(tmp_path):
    (tmp_path / "tables").mkdir()
    points = [point("a", size, [], status="failed", reason="environment: $no$ network") for size in (1, 2)]
    tables = tables_of(points, [quality("a", status="failed", reason="environment: $no$ network")], tmp_path / "tables")
    plots.draw(tables, tmp_path / "plots")
    assert "Most often: environment: $no$ network" in (tmp_path / "plots/fps.svg").read_text()
    text, short = run_report(tmp_path)
    assert "What failed" in text and "no figures: 2 failed" in short
    assert "FPS over batch size" in text and "Measured together, in rounds" not in text


def test_empty_tables_still_give_everything(tmp_path):
    (tmp_path / "tables").mkdir()
    tables = tables_of([], [], tmp_path / "tables")
    plots.draw(tables, tmp_path / "plots")
    text, short = run_report(tmp_path)
    assert "The tables have no rows." in text and "Report: " in short and "Files to deploy" not in short


def test_unchanged_tables_give_identical_plots_under_the_declared_names(study, tmp_path):
    plots.draw(study, tmp_path / "one")
    plots.draw(study, tmp_path / "two")
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert {path.name for path in first} == {path.rsplit("/", 1)[1] for path in paths.PLOT_FILES}
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert all(path.stat().st_size < 150_000 for path in first)


def test_many_series_are_drawn_framework_by_framework(tmp_path):
    precisions = ("fp32", "fp16", "bf16", "int8")
    points = [point(f, 1, [1.0 + i, 1.1 + i], p) for i, f in enumerate("abc") for p in precisions]
    tables = tables_of(points, [quality(f, p) for f in "abc" for p in precisions], tmp_path)
    for figure in plots.FIGURES.values():
        assert figure(tables)
    assert len(plots.FIGURES["fps"](tables).axes) == 3
    (axes,) = plots.FIGURES["ranking"](tables).axes  # all in one
    assert len(axes.get_yticks()) == 12


def test_a_configuration_looks_the_same_in_all_plots(tmp_path):
    points = [point("a", 1, [1.0]), point("b", 1, [2.0], "int8")]
    tables = tables_of(points, [quality("b", "int8"), quality("only here"), quality("a")], tmp_path)
    looks = canvas.looks(tables)
    colours = [looks[canvas.look_key(row)].colour for row in [*tables.performance, *tables.accuracy]]
    assert colours[1] == colours[2] and colours[0] == colours[4] and len(set(colours)) == 3
    (axes,) = plots.FIGURES["fps"](tables).axes
    (other,) = plots.FIGURES["tradeoff"](tables).axes
    for drawn in (axes, other):
        shown = {line.get_label(): (line.get_color(), line.get_marker()) for line in drawn.get_legend().legend_handles}
        assert shown == {"a fp32": (colours[0], "o"), "b int8": (colours[1], "D")}


def test_a_framework_has_the_same_colour_in_every_study():
    files = frameworks.names()
    assert len(set(canvas.colours(files).values())) == len(files)
    for asked in (["tflite", "openvino"], ["openvino@2025.3", "openvino", "pytorch", "jax", "tflite"]):
        given = canvas.colours(asked)
        assert {given[n] for n in asked if n in files} == {canvas.colours([n])[n] for n in asked if n in files}
        assert len(set(given.values())) == len(asked)
    of_no_file = set(canvas.COLOURS) - set(canvas.colours(files).values())
    assert {canvas.colours(["openvino", "openvino@2025.3"])["openvino@2025.3"]} == of_no_file
    many = canvas.colours([*files, *(f"openvino@{number}" for number in range(5))])
    assert len(many) == len(files) + 5 and set(many.values()) == set(canvas.COLOURS)


def assert_all_is_within_and_apart(figure, name, texts_of):
    """What is drawn lies within the paper, and no two of these texts of an axes overlap."""
    drawn, paper = figure.get_tightbbox(), figure.bbox_inches
    assert paper.x0 <= drawn.x0 and drawn.x1 <= paper.x1, name
    assert paper.y0 <= drawn.y0 and drawn.y1 <= paper.y1, name
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in texts_of(axes)]
        assert not [1 for box in boxes for other in boxes if box is not other and box.overlaps(other)], name


def shown_labels(axes):
    """Those of the upright axis; matplotlib keeps some beyond its ends, which it does not draw."""
    low, high = sorted(axes.get_ylim())
    return [label for place, label in zip(axes.get_yticks(), axes.get_yticklabels()) if low <= place <= high]


def test_everything_lies_within_its_picture_and_texts_do_not_overlap(tmp_path):
    precisions = ("fp32", "fp16", "bf16", "int8")
    configurations = [(f"framework_{f}", p) for f in "abc" for p in precisions]
    for number, chosen in enumerate((configurations, configurations[:6])):
        points = [point(f, size, [1000.0 + i, 1100.0 + i], p) for i, (f, p) in enumerate(chosen) for size in (1, 8)]
        folder = tmp_path / str(number)
        folder.mkdir()
        rounds = in_rounds(1, {called(f, p): 1000.3 for f, p in chosen[:4]})
        tables = tables_of(points, [quality(f, p) for f, p in chosen], folder, *rounds)
        with canvas.style():
            for name, make in plots.FIGURES.items():
                figure = make(tables)
                canvas.save(figure, folder / name)
                assert_all_is_within_and_apart(figure, name, lambda axes: axes.texts)


def test_front_holds_what_nothing_beats():
    look = canvas.Look("#000000", "o", "-", "full")
    points = [tradeoff.Point(name, name, name, look, x, y, None, None) for name, x, y in
            [("slow", 5, 80), ("best", 1, 90), ("better", 2, 95), ("same", 3, 95)]]  # fmt: skip
    assert [each.name for each in tradeoff.front(points)] == ["best", "better"]


@pytest.mark.parametrize(
    ("ratio", "beside"),
    [
        (ranking.Figure(1.0344, (0.9996, 1.0705)), "1.03× ≈"),
        (ranking.Figure(1.0001, (0.97, 1.03)), "1.00× ≈"),
        (ranking.Figure(1.0021, (1.0002, 1.004)), "1.002× ≈"),
    ],
)
def test_beside_a_tie_in_the_ranking_stands_no_decimal_more_than_is_known(ratio, beside):
    """Seen: a lower end of 0.9996, which is drawn and not written, made it `1.0344×`."""
    standing = ranking.Standing({}, ranking.TIE, ranking.Figure(3.24, (2.74, 3.84)), ratio, rounds=True)
    assert ladder.figures(standing, doubtful=False) == f"{beside} · 3.24 ms [2.74, 3.84]"


def test_names_and_units():
    assert names.configuration({"framework": "mxnet", "variant": "hybrid", "precision": "int8"}) == "mxnet hybrid int8"
    assert names.listed(["a", "b", "c", "d"], 3) == "a, b and 2 others"
    assert [units.significant(x) for x in (0.001234, 9.996, 134.4, 12345, -0.0468, -9.996, None)] == [
        *("0.00123", "10.0", "134", "12,345", "−0.0468", "−10.0", "–")
    ]
    assert (units.ratio(1.0043), units.ratio(1.09), units.ratio(0.9996)) == ("1.004", "1.09", "0.9996")
    assert units.ratio(0.9876, 0.981, 0.9993) == "0.9876"
    assert units.ratio_interval(0.9876, 0.981, 0.9993) == "[0.9810, 0.9993]"
    assert units.ratio_interval(0.4612, 0.4521, 1.0) == "[0.45, 1.00]"
    assert units.ratio(1.0001, 0.9742, 1.0268) == "1.00"
    assert units.ratio_interval(1.0001, 0.9742, 1.0268) == "[0.97, 1.03]"
    assert units.ratio(1.0001, 0.9996, 1.0268) == "1.0001"
    assert (units.points(-0.0131), units.points(0.0), units.duration(125)) == ("−1.3", "±0.0", "2 min 05 s")


def test_inline_plots_take_the_pages_colours_and_own_ids(study, tmp_path):
    plots.draw(study, tmp_path)
    text = str(page.inline((tmp_path / "ranking.svg").read_text(), "ranking"))
    assert text.startswith("<svg ") and canvas.INK not in text and "var(--ink)" in text
    assert 'id="figure_1"' not in text and 'id="ranking-figure_1"' in text


def test_long_pauses_are_cut_out_of_the_machine_s_picture():
    """Two sessions, a night, two sessions."""
    x, cuts = pace.hours([0.0, 600.0, 40_000.0, 40_600.0])
    assert x == pytest.approx([0, 1 / 6, 1 / 6 + pace.LEFT, 1 / 3 + pace.LEFT])
    assert cuts == pytest.approx([1 / 6 + pace.LEFT / 2])


def test_one_spike_does_not_flatten_the_machine_s_picture():
    ends = np.tile([0.95, 1.1], (100, 1))
    assert pace.limits(ends) == pytest.approx((0.8, 1.25))
    ends[7, 1] = 40.0
    assert pace.limits(ends)[1] < 1.5
    ends[:50, 1] = 4.0  # half of the study: no spike
    assert pace.limits(ends)[1] > 4


def test_pictures_of_a_whole_study_are_light_and_within_their_paper(noisy, tmp_path):
    with canvas.style():
        for name, make in plots.FIGURES.items():
            figure = make(noisy)
            canvas.save(figure, tmp_path / name)
            assert_all_is_within_and_apart(figure, name, lambda axes: (*axes.texts, *shown_labels(axes)))
    assert all(path.stat().st_size < 200_000 for path in tmp_path.iterdir())
    (last, *_) = reversed(plots.FIGURES["comparison"](noisy).axes)
    assert last.get_yticklabels()[0].get_text().count("batch size") == 2  # a block of their own


def test_others_are_told_by_what_they_do_not_have_in_common_with_the_best():
    def one(framework, size, in_flight=None):
        row = {"framework": framework, "api": "python", "variant": "default", "precision": "fp32"}
        row |= {"parameters": "default", "batch_size": size, "in_flight": in_flight}
        return recommendation.Candidate(ranking.Standing(row, "", None, None, False), 0, None, None, False)

    def texts(best, *others):
        return summary.distinct([one(*other) for other in others], one(*best))

    assert texts(("a", 1), ("b", 1), ("a", 4), ("b", 2)) == ["itself at batch size 4", "b fp32 at batch sizes 1 and 2"]
    assert texts(("a", 1), ("b", 1)) == ["b fp32"]
    loaded = texts(("a", 1, 2), ("a", 1, 1), ("b", 1, 2), ("b", 1, 1), ("a", 8, 2), ("c", 8, 4))
    assert loaded == [
        *("itself with 1 in flight", "itself at batch size 8", "b fp32 with 1 in flight", "b fp32"),
        "c fp32 at batch size 8 with 4 in flight",
    ]


@pytest.mark.parametrize("half_width", [0.16, None])
def test_a_latency_that_rounds_settle_has_no_doubt_of_the_sweep_beside_it(half_width):
    row = {"warnings": doubts.joined(["stop other processes", *doubts.of_interval(half_width)])}
    settled, swept = (ranking.Standing(row, "", None, None, rounds) for rounds in (True, False))
    assert doubts.beside_latency(settled) == "stop other processes"
    assert doubts.beside_latency(swept) == row["warnings"]


@pytest.mark.parametrize(
    ("rounds", "in_flight", "raised"),
    [(False, None, "latency.groups"), (True, None, "compare.budget_s"), (False, 2, "throughput.groups")],
)
def test_what_to_raise_is_what_the_quoted_latency_rests_on(rounds, in_flight, raised):
    standing = ranking.Standing({"in_flight": in_flight}, "", ranking.Figure(5.0, (4.0, 6.0)), None, rounds)
    quality = SimpleNamespace(within=lambda what: SimpleNamespace(known=True))
    candidate = recommendation.Candidate(standing, 0, quality, None, False)
    assert answer.doubts(candidate)[LATENCY].endswith(f"is not known better; raise {raised}")
