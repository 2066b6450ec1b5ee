"""What the page is made of, without a browser; `tests/browser` opens it in one."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re

import pytest
from pages import plain, rendered
from study_rows import called, in_flight, in_rounds, point, quality, tables_of

from dliflow.analysis.recommendation import Goal
from dliflow.report import (
    answer,
    canvas,
    charts,
    comparison,
    conclusion,
    distribution,
    listings,
    machines,
    origins,
    page,
    pareto,
    points,
    summary,
    units,
)
from dliflow.report.listings import accuracy, changes, nodes, parity, performance, rounds


def of(latency, top1, half=0.0):
    """A point whose intervals are so wide, as a share."""
    ends = {"latency": latency, "top1": top1}
    known = {key: (value, value * (1 - half), value * (1 + half)) for key, value in ends.items() if value is not None}
    gap = (None, None, None)
    return {
        f"{key}{end}": value
        for key in ends
        for end, value in zip(("", "_low", "_high"), known.get(key, gap))
    }  # fmt: skip


def test_the_pareto_front_tells_what_is_beaten_from_what_may_be_on_it():
    sure = [of(1, 70), of(2, 80), of(3, 75), of(2, 80), of(4, None)]
    assert pareto.places(sure, "top1") == ["on it", "on it", "beaten", "on it", None]
    assert pareto.places([of(1, 70, 0.1), of(1.1, 69, 0.1)], "top1") == ["on it", "perhaps"]
    assert pareto.places([of(1, 70, 0.1), of(1.5, 60, 0.01)], "top1") == ["on it", "beaten"]
    alone = [{**of(1, 70), "latency_high": None}, {**of(9, 50), "latency_low": None}]
    assert pareto.places(alone, "top1") == ["on it", "perhaps"]  # one session gives no interval, and shows nothing


def test_doubts_that_differ_in_numbers_only_share_a_letter_and_one_text():
    remarks = listings.Remarks()
    texts = ("known to ± 15 % only", "each made 1,200.5 faults", "known to ± 9 % only", None, "known to ± 40 % only")
    assert [remarks.mark(text) for text in texts] == [("a",), ("b",), ("a",), (), ("a",)]
    assert remarks.all() == {"a": "known to ± 9 to 40 % only", "b": "each made 1,200.5 faults"}
    assert [listings.letter(index) for index in (0, 25, 26, 27)] == ["a", "z", "aa", "ab"]


@pytest.fixture
def tables(tmp_path):
    points_ = [
        point("a", 1, [5.0, 5.2], latency_p90_ms=6.0, warnings="known to ± 15 % only"),
        point("b", 1, [9.0, 9.4], "int8"),
        point("c", 1, [], status="failed", reason="out of memory"),
    ]
    return tables_of(points_, [quality("a"), quality("b", "int8")], tmp_path / "tables")


def test_every_gap_of_a_table_says_why_and_every_doubt_stands_at_its_number(tables):
    listing = performance.listing(conclusion.settings(tables), tables.performance)
    first, _, gap = listing.lines
    cells = dict(zip([heading.short for heading in listing.headings], first.cells))
    assert (cells["Latency"].text, cells["Latency"].marks) == ("5.10", ("a",))
    assert (cells["p90"].text, cells["p90"].why) == ("6.00", "")
    assert (cells["p99"].text, cells["p99"].why) == ("–", "fewer than 500 requests")
    assert all(cell.why for line in listing.lines for cell in line.cells if cell.text == "–")
    assert (gap.name, gap.gap) == ("c fp32", "failed: out of memory")
    assert first.best and first.anchor == "row-tiny-a-python-default-fp32-cpu-local-latency-default-1"
    assert set(listing.remarks) == {"a"}


def gaps(listing, name):
    """By heading, why a row of a table has no figure."""
    (line,) = (line for line in listing.lines if line.name == name)
    return {heading.short: cell.why for heading, cell in zip(listing.headings, line.cells) if cell.text == "–"}


def test_a_gap_is_explained_in_words_of_the_page_and_not_by_names_of_columns(tmp_path):
    reference = {**quality("a"), "baseline_reason": "it is the reference itself", "tolerance": None}
    alone = {**quality("b", change=(-0.1, 0.0, 0.1)), "tolerance": 0.1}
    made = tables_of([], [reference, alone], tmp_path)
    of_reference = gaps(accuracy.listing(made.accuracy, str), "a fp32")
    assert set(of_reference.values()) == {"it is the reference itself"} and "Change" in of_reference
    assert gaps(accuracy.listing(made.accuracy, str), "b fp32")["Same, unlabelled"] == accuracy.UNLABELLED
    assert gaps(parity.listing(made.parity, str), "a fp32")["≤"] == "any is accepted"
    assert not any("`" in why for why in listings.EMPTY.values())


def test_the_table_of_quality_says_what_the_answer_says_and_where_parity_tells_it(tmp_path):
    """Seen: `surely no more than 1 % lost`, and of the same row `cannot tell`; 23.7 in a table of what lost 19.9."""
    wide = {"change": (-0.09, 0.0, 0.09), "changed": (0.1, 0.2)}
    listing = accuracy.listing(
        tables_of([], [quality("a", **wide), quality("a", "int8", **wide)], tmp_path).accuracy, str
    )
    exact, compressed = (
        dict(zip([heading.short for heading in listing.headings], line.cells)) for line in listing.lines
    )
    assert (exact["Lost ≤"].text, exact["Lost ≤"].interval) == ("0.0", "by parity")
    assert exact["Lost ≤"].why == "by the images alone, at most 9.0 %"
    assert (exact["Loss of top-1"].text, exact["Loss of top-1"].interval) == ("loses no more than 1 %", "by parity")
    assert exact["Loss of top-1"].why.startswith("the images alone: cannot tell with 20 labelled")
    assert compressed["Lost ≤"] == listings.Cell("9.0")
    assert compressed["Loss of top-1"].text == "cannot tell"


def test_what_images_show_that_fp32_loses_parity_does_not_hide(tmp_path):
    (row,) = tables_of([], [quality("a", change=(-0.3, -0.2, -0.1))], tmp_path).accuracy
    (line,) = accuracy.listing([row], str).lines
    assert [cell.text for cell in line.cells[-2:]] == ["10.0", "loses more than 1 %"]


def test_what_the_page_calls_decided_needs_no_more_groups(tmp_path):
    """Seen: `first is faster`, and `3 groups` that would decide it, by another number of pairs."""
    pairs, bursts = in_rounds(1, {called("a"): 1.0, called("b"): 1.5})
    made = tables_of([], [], tmp_path, [{**pair, "groups_needed": 3} for pair in pairs], bursts)
    ((line,),) = (rounds.listing(comparison.blocks(made), str).lines,)
    assert [cell.text for cell in line.cells][4::4] == ["first is faster", "decided"]
    busy = [{**pair, "taken_share": 0.6} for pair in pairs]
    ((line,),) = (rounds.listing(comparison.blocks(tables_of([], [], tmp_path, busy, bursts)), str).lines,)
    assert [cell.text for cell in line.cells][4::4] == ["doubtful", "–"]


@pytest.mark.parametrize(
    ("cpu_max", "told"), [("max 100000", "none"), ("150000 100000", "1.50 processors"), (None, None)]
)
def test_a_limit_of_processor_time_is_told_in_processors(tmp_path, cpu_max, told):
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"machine": {"cgroup_cpu_max": cpu_max}}))
    row = {"node": "n", "hostname": "h", "cpu": "c", "finished_at": None, "record": str(record)}
    (machine,) = machines.machines([row])
    assert dict(machine.facts).get("CPU limit (cgroup)") == told


@pytest.mark.parametrize(
    ("size", "told"), [("32K", "L1 data 32 KiB"), ("32768K", "L1 data 32 MiB"), ("1.5M", "L1 data 1.5M")]
)
def test_caches_are_told_in_binary_units(tmp_path, size, told):
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"machine": {"caches": {"L1 Data": size}}}))
    row = {"node": "n", "hostname": "h", "cpu": "c", "finished_at": None, "record": str(record)}
    (machine,) = machines.machines([row])
    assert dict(machine.facts)["caches"] == told


def test_figures_stay_with_their_units_and_options_and_top_1_are_not_broken():
    together = ("19.9 %", "± 2 %", "3 min 05 s", "1 h 20 min", "4.8 ms", "[−19.9, +10.8]", "62 MiB", "338 FPS")
    for text in together:
        assert units.unbroken(f"so {text} it is") == f"so {text.replace(' ', chr(160))} it is"
    assert units.unbroken("2 parts, 3 sessions, 4 machines") == "2 parts, 3 sessions, 4 machines"
    assert page.unbroken("<b> of top-1 with --cores 1") == (
        '&lt;b&gt; of <span class="name">top-1</span> with <span class="name">--cores</span> 1'
    )
    assert summary.wrap("more than 25 %", 12) == ["more than", "25 %"]


def test_what_is_told_in_many_words_may_be_broken_into_lines():
    row = {"quantity": "status", "kind": "as told", "old_told": "ok", "new_told": "failed: " + 9 * "many words "}
    assert [changes.figure(row, side).tone for side in ("old", "new")] == ["", "reason"]


def test_nodes_are_compared_for_whoever_looks_at_any_of_them(tmp_path):
    """Seen: no row of the table was shown, since the filter leaves one node, at first the one that all are against."""
    both = [point("a", 1, [latency, 1.01 * latency], cpu="a CPU", node=f"node{latency}") for latency in (1, 2)]
    (line,) = nodes.listing(tables_of(both, [], tmp_path).nodes).lines
    assert line.kind == {"model": "tiny", "framework": "a", "precision": "fp32", "batch": 1}


def test_the_anchor_is_named_with_its_version():
    rows = [{"anchor": f"runtime 1.2, {threads}, 0f"} for threads in ("1 thread", "2 threads")]
    assert machines.anchors([*rows, {"anchor": None}]) == ["runtime 1.2"]


def test_the_drawing_of_a_row_has_a_step_for_each_bin_and_a_stroke_for_each_session(tables):
    drawings = {one.anchor: one for one in distribution.details(tables)}
    assert len(drawings) == 2
    (one, *_) = drawings.values()
    assert one.drawing.count("h36.50") == 8  # bins of the tables' distribution
    strokes = re.search(r'class="thick" d="([^"]*)"', one.drawing)
    assert strokes and strokes[1].count("M") == 2
    assert 'class="anchor"' in one.drawing and one.warnings == "known to ± 15 % only"
    assert len(one.drawing) < 1500


def test_a_configuration_looks_the_same_in_charts_and_pictures(tables):
    scales, looks = charts.palette(tables), canvas.looks(tables)
    colours = dict(zip(scales.colour.domain, scales.colour.range))
    assert {key[0]: look.colour for key, look in looks.items()} == colours
    assert dict(zip(scales.shape.domain, scales.shape.range))["int8"] == "diamond"


def test_only_charts_that_have_rows_are_made_and_each_takes_them_by_name(tables):
    rows = points.rows(tables, conclusion.settings(tables))
    every = charts.charts(tables, rows)
    assert [chart.name for chart in every] == ["ranking", "latency", "fps", "top1"]
    for chart in every:
        assert '"name": "rows"' in json.dumps(chart.spec)
        fields = set(re.findall(r"datum\.(\w+)", json.dumps(chart.spec)))
        assert fields - {"value", "label"} <= set(rows[chart.data][0]), chart.name  # these two are an axis's


def test_a_version_beside_its_older_self_is_drawn_in_its_precision_and_not_where_the_machine_was_busy(tmp_path):
    """Seen: its variant in place of its precision, so it had no shape and no filter left it."""
    new = called("a", "int8")
    pairs, bursts = in_rounds(1, {new: 5.0, f"{new}@1.9": 5.5}, purposes={f"{new}@1.9": "version"})
    pairs = [{**pair, "first_version": "2.0", "second_version": "1.9"} for pair in pairs]
    alone = [point("a", 1, [5.0, 5.1], "int8")]

    def drawn(taken_share):
        rows = [{**pair, "taken_share": taken_share} for pair in pairs]
        study = tables_of(alone, [quality("a", "int8")], tmp_path, rows, bursts)
        return points.rows(study, conclusion.settings(study))["versions"]

    (row,) = drawn(0.01)
    assert (row["framework"], row["precision"], row["batch"]) == ("a", "int8", 1)
    assert row["name"] == "a int8 2.0 / 1.9, batch size 1"
    assert drawn(0.6) == []


def test_rows_are_packed_without_loss_but_of_digits():
    rows = [{"name": "a", "batch": 1, "latency": 1.23456}, {"name": "b", "batch": 2, "latency": None}]
    assert points.compact(rows) == {"columns": ["name", "batch", "latency"], "rows": [["a", 1, 1.235], ["b", 2, None]]}
    assert points.compact([]) == {"columns": [], "rows": []}


def test_no_text_in_the_data_ends_its_element():
    nasty = {"name": "</script><script>alert(1)</script><!-- & \u2028"}
    text = page.as_json(nasty)
    assert json.loads(text) == nasty
    assert not set(text) & set("<>&\u2028")


def taken_out(text: str) -> dict[str, object]:
    """What the blocks of a page hold, by name."""
    blocks = re.findall(r'<script type="text/plain" id="block-([^"]*)">([^<]*)</script>', text)
    return {name: json.loads(gzip.decompress(base64.b64decode(letters))) for name, letters in blocks}


def test_the_answers_and_details_of_a_page_are_in_its_blocks(tables, tmp_path):
    blocks = taken_out(rendered(tables, tmp_path))
    assert set(blocks) == {"charts", "answer-0", "details-0"}
    assert len(blocks["charts"]["points"]["rows"]) == 2
    settings, of_study = conclusion.settings(tables), answer.answers(answer.recommendations(tables), None)
    (answers,) = answer.summary(tables, of_study, settings, None, "t")["answers"]
    assert blocks["answer-0"]["tables"] == answers["tables"] and blocks["answer-0"]["outcomes"] == answers["outcomes"]
    assert len(blocks["answer-0"]["cards"]) == len(answers["rows"])
    details = {one.anchor: one.drawing for one in distribution.details(tables)}
    assert blocks["details-0"].keys() == details.keys()
    assert all(drawing in blocks["details-0"][anchor] for anchor, drawing in details.items())


@pytest.mark.parametrize(
    ("goal", "card"),
    [
        (Goal(latency_ms=6), "lowest latency, at most 6 ms Yes: a fp32"),
        (Goal(latency_ms=1), "lowest latency, at most 1 ms Nothing that was measured keeps it"),
        (Goal(objective="throughput"), "highest throughput It cannot be told: nothing was measured that could tell"),
    ],
)
def test_a_card_tells_whether_the_goal_is_kept(tables, tmp_path, goal, card):
    cards = rendered(tables, tmp_path, goal=goal).partition('<div class="cards">')[2].partition("<form")[0]
    text = " ".join(plain(re.sub(r"<[^>]*>", " ", cards)).split())
    assert text.startswith(f"Your goal: {card}")
    assert text.count("Yes:") == card.count("Yes:")


def test_the_form_begins_with_the_goal_in_round_numbers(tables, tmp_path):
    """Seen: 28.999999999999996 %."""
    assert 'value="29"' in rendered(tables, tmp_path, goal=Goal(loss=0.29))


def test_of_what_was_measured_with_several_in_flight_alone_the_page_says_why_there_are_no_files(tmp_path):
    rows = [in_flight("a", 2, 400.0, 4.9, batch_size=16)]
    text = rendered(tables_of([point("a", 1, [3.9, 4.1])], [quality("a")], tmp_path, throughput=rows), tmp_path)
    cards = text.partition('<div class="cards">')[2].partition("<form")[0]
    assert "batch size 16, 2 in flight" in cards and cards.count("no files to deploy: ") == 1
    assert "<option>16</option>" in text


def test_of_a_long_table_the_first_rows_stand_in_the_page_and_a_block_has_all(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(listings, "WRITTEN", 2)
    monkeypatch.setattr(page, "PORTION", 2)
    text = rendered(tables, tmp_path)
    section = text[text.index('<section id="performance">') :].partition("</section>")[0]
    assert section.count("<tr id=") == 2 and "The first 2 of 3 rows" in section
    portions = taken_out(text)["rows-performance"]
    assert [portion.count("<tr id=") for portion in portions] == [2, 1]
    rows = "".join(portions)
    assert rows.count('data-details="0"') == 2
    assert "failed: out of memory" in rows and "failed: out of memory" not in section


def test_the_policy_allows_the_page_s_own_scripts_alone():
    digest = base64.b64encode(hashlib.sha256("alert(1) // é".encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page.policy(["alert(1) // é"])
    assert "default-src 'none'" in page.policy([]) and "script-src 'none'" in page.policy([])


def test_where_things_came_from_is_told_with_checksums():
    package = {"name": "p", "version": "1.0", "sha256": "ab"}
    places = [{"packages": [package, package]}, {"url": "https://a.example", "md5": "cd"}, {"path": "data/x"}]
    assert [[tuple(one) for one in place] for place in origins.origins(places)] == [
        [("p 1.0", "sha256 ab")] * 2,
        [("https://a.example", "md5 cd")],
        [("data/x", "")],
    ]


@pytest.mark.parametrize("count", [1, page.HASHES + 1])
def test_of_very_many_records_the_page_names_the_file_with_their_hashes(tables, tmp_path, count):
    text = rendered(tables, tmp_path, {f"results/{number}.json": "0f" for number in range(count)})
    assert ("results/0.json" in text) is (count == 1)
    assert ('/tables/complete.json">complete.json</a>' in text) is (count > 1)
