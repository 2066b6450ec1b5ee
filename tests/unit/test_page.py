"""What the page is made of, without a browser; `tests/browser` opens it in one."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re

import pytest
from pages import rendered
from study_rows import point, quality, tables_of

from dliflow.report import answer, canvas, charts, conclusion, distribution, listings, origins, page, pareto, points
from dliflow.report.listings import performance


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
    texts = ("known to ± 15% only", "each made 1,200.5 faults", "known to ± 9% only", None, "known to ± 40% only")
    assert [remarks.mark(text) for text in texts] == [("a",), ("b",), ("a",), (), ("a",)]
    assert remarks.all() == {"a": "known to ± 9 to 40% only", "b": "each made 1,200.5 faults"}
    assert [listings.letter(index) for index in (0, 25, 26, 27)] == ["a", "z", "aa", "ab"]


@pytest.fixture
def tables(tmp_path):
    points_ = [
        point("a", 1, [5.0, 5.2], latency_p90_ms=6.0, warnings="known to ± 15% only"),
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


def test_the_drawing_of_a_row_has_a_step_for_each_bin_and_a_stroke_for_each_session(tables):
    drawings = {one.anchor: one for one in distribution.details(tables)}
    assert len(drawings) == 2
    (one, *_) = drawings.values()
    assert one.drawing.count("h36.50") == 8  # bins of the tables' distribution
    strokes = re.search(r'class="thick" d="([^"]*)"', one.drawing)
    assert strokes and strokes[1].count("M") == 2
    assert 'class="anchor"' in one.drawing and one.warnings == "known to ± 15% only"
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
        assert fields <= set(rows[chart.data][0]), chart.name


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


def test_of_a_long_table_the_first_rows_stand_in_the_page_and_a_block_has_all(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(listings, "WRITTEN", 2)
    text = rendered(tables, tmp_path)
    section = text[text.index('<section id="performance">') :].partition("</section>")[0]
    assert section.count("<tr id=") == 2 and "The first 2 of 3 rows" in section
    rows = taken_out(text)["rows-performance"]
    assert rows.count("<tr id=") == 3 and rows.count('data-details="0"') == 2
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
