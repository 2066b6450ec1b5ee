"""The page in a browser, as a reader uses it: with the mouse, with the keyboard, on a phone, in the dark, on paper."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path

import pypdfium2
import pytest
from pages import SCREENSHOTS, made
from playwright.sync_api import expect
from study_rows import called, candidates, in_flight, in_rounds, point, quality, tables_of

ROWS = "#table-performance tbody tr:not(.details)"


def texts(page, selector: str) -> list[str]:
    """As a browser shows white space; the inner text would leave out what marks say."""
    return [re.sub(r"[ \n]+", " ", text).strip() for text in page.locator(selector).all_text_contents()]


def column(page, number: int) -> list[float]:
    """The numbers below a heading of the performance table, from the top."""
    cells = page.locator(f"{ROWS} td:nth-child({number})").all_inner_texts()
    return [float(cell.split()[0].replace(",", "")) for cell in cells]


def block(page, name: str) -> dict:
    """What a block of the page holds."""
    return json.loads(gzip.decompress(base64.b64decode(page.locator(f"#block-{name}").text_content())))


def keep(page, name: str) -> None:
    """A picture of the whole page, where pictures are wanted."""
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS, f"{name}.png"), full_page=True)


def see_all_charts(page) -> None:
    """Scrolls through the page, since charts are made when they come into view."""
    for chart in page.locator(".interactive").all():
        chart.scroll_into_view_if_needed()
        chart.locator("svg.marks").wait_for()
    page.evaluate("scrollTo(0, 0)")


def tab_to(page, selector: str) -> None:
    """Press the tabulator until something has the focus, as whoever has no mouse does."""
    for _ in range(400):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
    raise AssertionError(f"{selector} is not reached")


def test_a_table_is_sorted_up_down_and_back(opened, study_page):
    page = opened(study_page)
    before = texts(page, f"{ROWS} th")
    heading = page.get_by_role("columnheader", name="Raw").get_by_role("button")
    heading.click()
    rising = column(page, 6)
    assert rising == sorted(rising) and len(rising) == 80
    assert page.locator("#table-performance th[aria-sort]").get_attribute("aria-sort") == "ascending"
    heading.click()
    assert column(page, 6) == rising[::-1]
    heading.click()
    assert texts(page, f"{ROWS} th") == before


def test_the_filter_holds_for_tables_and_charts(opened, study_page):
    page = opened(study_page)
    see_all_charts(page)
    page.locator("#filter summary").click()
    page.get_by_label("pytorch", exact=True).uncheck()
    page.locator("#filter").get_by_label("Batch size").select_option("4")
    assert page.locator(ROWS).count() == 16
    assert "batch size 4" in page.locator("#filter output").inner_text()
    expect(page.locator("#chart-ranking .mark-symbol.role-mark path")).to_have_count(16)
    assert page.locator("#chart-ranking .size").inner_text() == ", batch size 4"
    assert "pytorch fp32" not in page.locator("#chart-ranking").inner_text()
    page.get_by_label("Name contains").fill("opencv int8")
    assert texts(page, f"{ROWS} th") == ["opencv int8"]
    page.get_by_role("button", name="Show everything").click()
    expect(page.locator(ROWS)).to_have_count(80)


def looked_up(answers: dict, objective: str, latency_ms: float | None, batch_size: int | None) -> dict:
    """The outcome of the steps, by their description in the schema."""
    (table,) = (
        one for one in answers["tables"]
        if (one["objective"], one["batch_size"], one["quality"]) == (objective, batch_size, "loss")
    )  # fmt: skip
    steps = table["steps"][-1]["by_latency"]
    fit = [one for one in steps if latency_ms is None or (one["from_ms"] is not None and one["from_ms"] <= latency_ms)]
    return answers["outcomes"][fit[-1]["outcome"]]


@pytest.mark.parametrize("objective", ["latency", "fps", "memory"])
def test_another_constraint_shows_another_recommendation_of_the_study_s_own_steps(opened, study_page, objective):
    page = opened(study_page)
    answers = block(page, "answer-0")
    ask, said = page.locator("#ask"), set()
    ask.get_by_label("Wanted").select_option(objective)
    for size in (None, 4):
        ask.get_by_label("Batch size").select_option("" if size is None else str(size))
        for latency in (None, 0.001, 3.0, 5.0, 9.0, 60.0):
            ask.get_by_label("Latency at most").fill("" if latency is None else str(latency))
            expected = looked_up(answers, objective, latency, size)
            shown = page.locator("#outcome")
            expect(shown.locator(".verdict")).to_contain_class(expected["answer"])
            row = None if expected["row"] is None else answers["rows"][expected["row"]]
            expect(page.locator("#outcome .who a")).to_have_text([] if row is None else [row["name"]])
            if row is not None:
                expect(shown).to_contain_text(row["text"]["latency"])
                expect(shown.locator(".who")).to_contain_text(f"batch size {row['batch_size']}")
            said.add((expected["answer"], expected["row"]))
    assert len(said) > 2


@pytest.mark.parametrize("label", ["Latency at most", "Accepted, %"])
def test_what_is_no_constraint_has_no_answer(opened, study_page, label):
    """Seen: the last answer stayed beside it."""
    page = opened(study_page)
    field = page.locator("#ask").get_by_label(label)
    expect(page.locator("#outcome .who a")).to_have_count(1)
    field.fill("-1")
    expect(page.locator("#outcome")).to_contain_text(label)
    expect(page.locator("#outcome .who a")).to_have_count(0)
    field.fill("")
    expect(page.locator("#outcome .who a")).to_have_count(1)


def test_a_recommendation_leads_to_its_row_whatever_the_filter_hides(opened, study_page):
    page = opened(study_page)
    page.locator("#filter summary").click()
    page.get_by_label("Name contains").fill("nothing is called this")
    assert page.locator(ROWS).count() == 0
    link = page.locator("#answer .cards .who a").first
    anchor = link.get_attribute("href").removeprefix("#")
    link.click()
    row = page.locator(f"[id='{anchor}']")
    expect(row).to_be_visible()
    expect(row.locator("button.open")).to_have_attribute("aria-expanded", "true")


def test_an_anchor_that_is_nothing_encoded_stops_no_script(opened, study_page):
    page = opened(study_page)
    page.goto(f"{page.url}#100%")
    page.reload()
    expect(page.locator("#outcome .who a")).to_have_count(1)


def test_the_distribution_of_a_row_is_one_click_away_with_its_records(opened, study_page):
    page = opened(study_page)
    button = page.locator(f"{ROWS} button.open").first
    button.click()
    details = page.locator("#table-performance tr.details")
    details.locator("svg[role=img]").wait_for()
    assert "requests in" in details.locator("svg").get_attribute("aria-label")
    assert details.locator("path.anchor").count() == 1
    button.click()
    assert details.count() == 0


def test_the_keyboard_alone_sorts_opens_and_asks(opened, study_page):
    page = opened(study_page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "#ask [name=latency_ms]")
    before = page.locator("#outcome").inner_text()
    page.keyboard.type("0.001")
    expect(page.locator("#outcome")).not_to_have_text(before, use_inner_text=True)
    tab_to(page, "#table-performance th:nth-child(6) button")
    page.keyboard.press("Enter")
    assert column(page, 6)[0] == min(column(page, 6))
    tab_to(page, "#table-performance button.open")
    page.keyboard.press("Space")
    assert page.locator("#table-performance tr.details").count() == 1


def test_a_long_axis_names_round_numbers(opened, study_page):
    """Seen: 7, 8, 9, 20, since these left no room for 10."""
    page = opened(study_page)
    see_all_charts(page)
    named = [text for text in texts(page, "#chart-ranking .role-axis-label text") if text.isdigit()]
    assert "10" in named and not {"4", "6", "7", "8", "9"} & set(named)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_chart_is_downloaded_in_the_page_s_colours(opened, study_page, kind, tmp_path):
    page = opened(study_page, accept_downloads=True)
    with page.expect_download() as download:
        page.locator(f"#chart-ranking button.{kind}").click()
    assert download.value.suggested_filename == f"ranking.{kind}"
    download.value.save_as(tmp_path / "chart")
    content = (tmp_path / "chart").read_bytes()
    assert content.startswith(b"<svg" if kind == "svg" else b"\x89PNG") and len(content) > 5000
    assert b"var(--" not in content


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200, 2000])
def test_nothing_is_wider_than_the_screen_and_axe_has_no_complaint(opened, study_page, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = opened(study_page, width, color_scheme=scheme, bypass_csp=True)  # axe is a script that the page forbids
    see_all_charts(page)
    page.locator("#filter summary").click()
    page.locator(f"{ROWS} button.open").first.click()
    keep(page, f"{scheme}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width >= 1200:
        wide = "element => element.scrollWidth <= element.clientWidth"
        for section in ("performance", "accuracy", "rounds"):
            assert page.locator(f"#{section} .wide").evaluate(wide), section
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_without_scripts_the_answer_the_pictures_and_the_tables_stand(opened, study_page):
    page = opened(study_page, java_script_enabled=False)
    keep(page, "no-script")
    assert page.locator("#answer .cards .card").count() == 3
    assert not page.locator("#ask").is_visible() and not page.locator("#filter").is_visible()
    assert page.locator(".still svg").count() == 6 and page.locator(".still svg").first.is_visible()
    assert not page.locator(".interactive").first.is_visible()
    assert page.locator(ROWS).count() == 80


def test_on_paper_there_are_pictures_in_place_of_charts_and_headings_on_each_page(opened, study_page, tmp_path):
    page = opened(study_page, color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator(".interactive").first.is_visible() and page.locator(".still svg").first.is_visible()
    assert not page.locator("#ask").is_visible() and not page.locator("#study summary").first.is_visible()
    assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--paper')").strip() == "#fff"
    pdf = Path(SCREENSHOTS or tmp_path, "page.pdf")
    page.pdf(path=pdf, format="A4", margin=dict.fromkeys(("top", "bottom", "left", "right"), "12mm"))
    pages = [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf)]
    with_rows = [text for text in pages if len(re.findall(r"\b480 in 12\b", text)) > 2]
    assert len(with_rows) > 1 and all("× fastest" in text for text in with_rows)


def test_on_paper_the_answers_of_many_settings_are_open(opened, tmp_path):
    points = [point("a", 1, [5.0, 5.1], model=f"m{number}") for number in range(5)]
    points = [(row, [{**one, "model": row["model"]} for one in sessions]) for row, sessions in points]
    page = opened(made(tmp_path, tables_of(points, [quality("a")], tmp_path / "tables")))
    cards = page.locator("#answer details.setting .cards")
    assert [each.is_visible() for each in cards.all()] == [False] * 5
    page.emulate_media(media="print")
    assert [each.is_visible() for each in cards.all()] == [True] * 5


NASTY = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "quote\"'`${alert(3)}&amp;%41",
    "名前 שם имя " * 9,
)


def test_names_of_any_kind_are_shown_as_text(opened, tmp_path):
    """In models, frameworks, classes of errors and nodes; a name in a link, in data and in a chart is text, too."""
    points = [point(name, 1, [5.0 + number, 5.1 + number], node=name) for number, name in enumerate(NASTY)]
    points = [(row, [{**one, "node": row["node"]} for one in sessions]) for row, sessions in points]
    points += [point("broken", 1, [], status="failed", reason=f"convert: {NASTY[0]} {NASTY[1]}")]
    accuracy = [{**quality(name), "dataset": NASTY[1], "warnings": f"doubt {NASTY[0]}"} for name in NASTY]
    for rows in (accuracy, *([row for row, _ in points], [one for _, sessions in points for one in sessions])):
        for row in rows:
            row["model"] = NASTY[0]
    (tmp_path / "tables").mkdir()
    path = made(tmp_path, tables_of(points, accuracy, tmp_path / "tables"), title=NASTY[1])
    page = opened(path)
    see_all_charts(page)
    assert page.title() == NASTY[1]
    page.locator("#filter summary").click()
    for index, name in enumerate(NASTY):
        page.locator("#filter [name=setting]").select_option(index=index)
        assert texts(page, f"{ROWS}:not(.gap) th button") == [f"{name.strip()} fp32"]
    page.locator(f"{ROWS} button.open").first.click()
    page.locator("#table-performance tr.details svg").wait_for()
    keep(page, "nasty")
    assert page.locator("img").count() == 0


def test_few_tables_and_none_open_too(opened, tmp_path):
    """A study of which everything failed, and one without rows."""
    failed = [point("a", 1, [], status="failed", reason="no network")]
    for name, points in (("failed", failed), ("empty", [])):
        folder = tmp_path / name
        (folder / "tables").mkdir(parents=True)
        page = opened(made(folder, tables_of(points, [], folder / "tables")))
        assert page.get_by_role("heading", name="The answer").is_visible()
        assert not page.locator("#ask").is_visible()


def test_of_a_machine_too_busy_to_tell_the_page_names_nobody(opened, tmp_path):
    points = [point(name, 1, [speed, speed + 0.1]) for name, speed in (("a", 1.0), ("b", 2.0))]
    points = [(row, [{**one, "taken_share": 0.9} for one in sessions]) for row, sessions in points]
    page = opened(made(tmp_path, tables_of(points, [quality(name) for name in "ab"], tmp_path / "tables")))
    outcome = page.locator("#outcome")
    expect(outcome).to_have_text("It cannot be told: lowest latency⚠ the machine was too busy to tell")


def described(page, chart: str) -> list[str]:
    """What the marks of a chart tell of themselves, in the order in which they are drawn."""
    marks = page.locator(f"#chart-{chart} .mark-symbol.role-mark path")
    return marks.evaluate_all("marks => marks.map((mark) => mark.getAttribute('aria-label'))")


def test_throughput_is_drawn_against_the_requests_in_flight(opened, tmp_path):
    speeds = {"a": {1: 100.0, 2: 180.0, 4: 190.0}, "b": {1: 80.0, 2: 120.0, 4: 240.0}}
    loaded = [in_flight(name, number, speed, 9.0) for name, of in speeds.items() for number, speed in of.items()]
    points = [point(name, 1, [5.0, 5.1]) for name in speeds]
    tables = tables_of(points, [quality(name) for name in speeds], tmp_path / "tables", throughput=loaded)
    page = opened(made(tmp_path, tables))
    see_all_charts(page)
    assert page.get_by_role("heading", name="Throughput against concurrency").is_visible()
    told = described(page, "load")
    assert len(told) == 6
    for name, of in speeds.items():
        for number, speed in of.items():
            parts = (f"Requests in flight: {number}", f"Images per second: {speed:g}", f"Framework: {name}")
            assert sum(all(part in text for part in parts) for text in told) == 1, parts
    expect(page.locator("#chart-load .mark-line path")).to_have_count(2)
    page.locator("#filter summary").click()
    page.get_by_label("b", exact=True).uncheck()
    expect(page.locator("#chart-load .mark-symbol.role-mark path")).to_have_count(3)


def test_tuned_launch_parameters_are_drawn_against_the_default_ones(opened, tmp_path):
    gains = {"a": (0.8, 0.75, 0.85), "b": (0.5, 0.4, 0.6)}
    columns = ("tuned_ratio", "tuned_ratio_ci_low", "tuned_ratio_ci_high")
    points = [point(name, 1, [5.0, 5.1]) for name in gains]
    points += [point(name, 1, [4.0], parameters="tuned", **dict(zip(columns, gain))) for name, gain in gains.items()]
    path = made(tmp_path, tables_of(points, [quality(name) for name in gains], tmp_path / "tables"))
    for width in (400, 1200):
        page = opened(path, width)
        see_all_charts(page)
        right = "texts => Math.max(...texts.map((text) => text.getBoundingClientRect().right))"
        box = page.locator("#chart-tuned svg.marks").bounding_box()
        assert page.locator("#chart-tuned svg.marks text").evaluate_all(right) <= box["x"] + box["width"]
    assert page.get_by_role("heading", name="Default against tuned").is_visible()
    assert [text for text in described(page, "tuned") if "a fp32 tuned" in text and "0.8" in text]
    across = "marks => marks.map((mark) => mark.getBoundingClientRect().x)"
    unity, *lines = page.locator("#chart-tuned .mark-rule.role-mark line").evaluate_all(across)
    first, second = page.locator("#chart-tuned .mark-symbol.role-mark path").evaluate_all(across)
    assert second < first < unity and len(lines) == 2  # each with its interval, left of 1: faster


def test_races_of_launch_settings_are_sorted_and_filtered_and_fit_on_a_phone(opened, tmp_path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    names = ("onnxruntime", "openvino")
    tuning = [row for name in names for row in candidates(framework=name)]
    points, accuracy = [point(name, 1, [5.0, 5.1], "int8") for name in names], [quality(name, "int8") for name in names]
    path = made(tmp_path, tables_of(points, accuracy, tmp_path / "tables", tuning=tuning))
    page = opened(path, 400, bypass_csp=True)
    page.get_by_text("All 6 settings that raced").click()
    ratios = "#table-raced tbody td:nth-child(4)"
    heading = page.locator("#table-raced thead button", has_text="Race’s ratio")
    heading.click()
    heading.click()
    assert [text[:4] for text in texts(page, ratios)[:4]] == ["1.90", "1.90", "0.70", "0.70"]  # the default's last
    page.locator("#filter summary").click()
    page.get_by_label("openvino").uncheck()
    expect(page.locator("#table-tuning tbody tr")).to_have_count(1)
    expect(page.locator("#table-raced tbody tr")).to_have_count(3)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_charts_of_what_only_some_studies_have_are_there_where_it_is(opened, tmp_path):
    """A version against its older self."""
    rounds = in_rounds(1, {called("a"): 5.0, f"{called('a')}@1.9": 5.5}, purposes={f"{called('a')}@1.9": "version"})
    pairs = [{**row, "first_version": "2.0", "second_version": "1.9"} for row in rounds[0]]
    (tmp_path / "tables").mkdir()
    points = [point("a", 1, [5.0, 5.1]), point("a", 1, [4.0, 4.1], "int8")]
    tables = tables_of(points, [quality("a"), quality("a", "int8")], tmp_path / "tables", pairs, rounds[1])
    page = opened(made(tmp_path, tables))
    see_all_charts(page)
    assert page.get_by_role("heading", name="Before and after an upgrade").is_visible()
    (mark,) = described(page, "versions")
    assert "Framework: a" in mark and "Precision: fp32" in mark
    page.locator("#filter summary").click()
    page.get_by_label("int8", exact=True).uncheck()
    expect(page.locator("#chart-versions .mark-symbol.role-mark path")).to_have_count(1)
    page.get_by_label("int8", exact=True).check()
    page.get_by_label("fp32", exact=True).uncheck()
    expect(page.locator("#chart-versions .chart")).to_be_hidden()
    assert page.locator("#chart-tuned").count() == 0
