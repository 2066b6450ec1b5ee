"""A real browser, without a network, and pages to open in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import CHROMIUM, LIMIT_MS, Opened, made
from study_rows import whole


@pytest.fixture(scope="session")
def study_page(tmp_path_factory) -> Path:
    """Of a study of twenty configurations at four batch sizes."""
    folder = tmp_path_factory.mktemp("study")
    return made(folder, whole(folder / "tables"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, headless."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium; apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        playwright.expect.set_options(timeout=LIMIT_MS)
        # In containers /dev/shm may be missing, or too small for a page.
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
        chromium = running.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=LIMIT_MS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser) -> Iterator[Any]:
    """Opens a page from disk, with the network off; fails where it complained, or asked for anything else."""
    contexts, pages = [], []

    def open_page(path: Path, width: int = 1200, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, **options)
        context.set_default_timeout(LIMIT_MS)
        contexts.append(context)
        pages.append(Opened(context, path))
        return pages[-1].page

    yield open_page
    said, outside = ([each for page in pages for each in of(page)] for of in (lambda p: p.said, lambda p: p.outside))
    for context in contexts:
        context.close()
    assert said == []
    assert outside == []
