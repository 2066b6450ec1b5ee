"""The site of a collection in a browser, from disk and from a server, as a reader uses it."""

from __future__ import annotations

import functools
import http.server
import threading
from pathlib import Path

import pytest
from collected import FACTS, World, study
from pages import LIMIT_MS, SCREENSHOTS
from playwright.sync_api import expect
from test_browser import NASTY, see_all_charts, tab_to, texts

from dliflow.collection import publish, shelf, site

WORLD = World(frameworks=("openvino", "tflite"), sizes=(1, 4))
MONTHS = 4
KERNEL = {**FACTS, "kernel": "6.2.0"}  # from the third month on


def collected(folder: Path, world: World = WORLD, facts: dict = FACTS, later: dict = KERNEL) -> Path:
    """A collection of some months."""
    for month in range(MONTHS):
        of_month = study(folder / str(month), world, month, later if month > 1 else facts)
        publish.publish(folder / "collection", of_month)
    return folder / "collection"


@pytest.fixture(scope="session")
def site_pages(tmp_path_factory) -> list[Path]:
    """Of four months, with a new kernel in the middle: the overview, and the only model's history."""
    folder = tmp_path_factory.mktemp("site")
    return site.write(collected(folder), folder / "site", "Our studies")


def marks(page, chart: str) -> int:
    """How many marks a chart has: those of figures, which a click would lead from."""
    return page.locator(f"#chart-{chart} .mark-symbol.role-mark").last.locator("path").count()


def lines(page, chart: str) -> int:
    """How many lines are drawn of at least two studies."""
    return page.evaluate(
        "name => [...document.querySelectorAll(`#chart-${name} .mark-line path`)]"
        ".filter((path) => path.getAttribute('d').includes('L')).length",
        chart,
    )


def test_the_overview_sorts_and_leads_to_a_history(opened, site_pages):
    page = opened(site_pages[0])
    assert texts(page, "#table-overview tbody th") == ["openvino", "tflite"]
    page.get_by_role("columnheader", name="Latency").get_by_role("button").click()
    assert page.locator("#table-overview th[aria-sort]").get_attribute("aria-sort") == "ascending"
    target = page.locator("#table-overview tbody a").first.get_attribute("href")
    assert (site_pages[0].parent / target).samefile(site_pages[1])
    assert page.locator("#table-studies tbody tr").count() == MONTHS


def test_a_new_kernel_ends_every_line_and_says_so(opened, site_pages):
    page = opened(site_pages[1])
    see_all_charts(page)
    configurations = 4 + 3
    assert marks(page, "latency") == configurations * MONTHS
    assert lines(page, "latency") == configurations * 2
    assert "kernel: 6.1.0 → 6.2.0" in page.locator("#breaks").inner_text()
    assert page.locator("#table-steps tbody tr").count() == 2


def test_the_filter_holds_for_charts_and_tables(opened, site_pages):
    page = opened(site_pages[1])
    see_all_charts(page)
    page.locator("#filter summary").click()
    page.get_by_label("openvino", exact=True).uncheck()
    page.locator("#filter").get_by_label("Batch size").select_option("4")
    expect(page.locator("#chart-latency .size")).to_have_text(", batch size 4")
    assert page.locator("#table-now tbody tr").count() == 3
    expect(page.locator("#chart-latency .mark-line path")).to_have_count(6)  # three, before and after


def test_the_keyboard_alone_sorts_filters_and_follows_links(opened, site_pages):
    page = opened(site_pages[0])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to(page, "#table-overview th button")
    page.keyboard.press("Enter")
    assert page.locator("#table-overview th[aria-sort]").get_attribute("aria-sort") == "ascending"
    tab_to(page, "#table-overview tbody a")
    assert page.evaluate("document.activeElement.href") == site_pages[1].as_uri()
    page = opened(site_pages[1])
    tab_to(page, "#filter summary")
    page.keyboard.press("Enter")
    tab_to(page, "#filter input[value=openvino]")
    page.keyboard.press("Space")
    expect(page.locator("#table-now tbody tr")).to_have_count(3 * 2)  # those of tflite
    tab_to(page, "#table-now th button")
    page.keyboard.press("Enter")
    assert page.locator("#table-now th[aria-sort]").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("which", ["overview", "history"])
def test_nothing_is_wider_than_the_screen_and_axe_is_content(opened, site_pages, which, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = site_pages[0 if which == "overview" else 1]
    page = opened(path, width, color_scheme=scheme, bypass_csp=True)  # axe is a script that the page forbids
    see_all_charts(page)
    if page.locator("#filter").count():
        page.locator("#filter summary").click()
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS, f"{which}-{scheme}-{width}.png"), full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    results = axe.Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_without_scripts_pictures_and_tables_stand(opened, site_pages):
    page = opened(site_pages[1], java_script_enabled=False)
    assert page.locator(".still svg").count() == 2 and page.locator(".still svg").first.is_visible()
    assert not page.locator(".interactive").first.is_visible() and not page.locator("#filter").is_visible()
    assert page.locator("#table-now tbody tr").count() == (4 + 3) * 2


def test_names_of_any_kind_are_text(opened, tmp_path):
    facts = {**FACTS, "cpu": NASTY[0], "hostname": NASTY[1], "kernel": NASTY[2]}
    collection = collected(tmp_path, World(models=NASTY, frameworks=["tflite"], sizes=(1,)), facts, facts)
    shelf.mark_invalid(shelf.entries(collection)[0], NASTY[1])
    first, *histories = site.write(collection, tmp_path / "site", NASTY[1])
    assert len(histories) == len(NASTY)
    for path in (first, *histories):
        page = opened(path)
        see_all_charts(page)
        assert page.locator("img").count() == 0
    assert NASTY[0] in opened(first).locator("#fingerprints").inner_text()


def test_a_web_server_serves_it_as_it_is(browser, site_pages):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site_pages[0].parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.set_default_timeout(LIMIT_MS)
        said: list[str] = []
        page.on("console", lambda one: one.type == "error" and said.append(f"{one.location['url']}: {one.text}"))
        page.on("requestfailed", lambda request: said.append(request.url))
        page.on("response", lambda response: response.ok or said.append(response.url))
        page.goto(f"http://127.0.0.1:{server.server_port}/index.html")
        page.locator("#table-overview tbody a").first.click()
        page.wait_for_url(f"**/{site_pages[1].name}*")
        see_all_charts(page)
        assert marks(page, "latency") == 7 * MONTHS
        page.locator("#studies a").first.click()
        expect(page).to_have_title("A study")
        page.close()
        server.shutdown()
    assert [text for text in said if "favicon.ico" not in text] == []  # which a browser asks a server for by itself
