"""What the page costs: seconds to make it and to open it, and its size, for a study of 70 points and one of 5,000.

PYTHONPATH=workflow:tests:tests/browser .venv/bin/python benchmarks/page.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pages import CHROMIUM
from playwright.sync_api import sync_playwright
from study_rows import point, quality, tables_of
from test_page import ROWS, see_all_charts

from dliflow.report import plots, read
from dliflow.stages import report

PRECISIONS, SIZES = ("fp32", "fp16", "bf16", "int8"), (1, 2, 4, 8, 16)


def study(folder: Path, points: int) -> read.Tables:
    """Tables of so many points: models × frameworks × precisions × batch sizes, in this order."""
    rng, rows, accuracy = np.random.default_rng(0), [], []
    frameworks = [f"framework{number}" for number in range(7)]
    places = [(f"model{model}", framework, precision) for model in range(1000) for framework in frameworks
              for precision in PRECISIONS]  # fmt: skip
    for model, framework, precision in places[: -(-points // len(SIZES))]:
        top1 = rng.uniform(0.6, 0.9)
        ends = {"top1": top1, "top1_ci_low": top1 - 0.05, "top1_ci_high": top1 + 0.05}
        accuracy.append({**quality(framework, precision), "model": model, **ends})
        for size in SIZES:
            medians = rng.lognormal(1.5, 0.5) * size**0.8 * rng.lognormal(0, 0.05, 15)
            row, sessions = point(framework, size, list(medians), precision, peak_rss_mib=rng.uniform(90, 700))
            rows.append(({**row, "model": model}, [{**one, "model": model} for one in sessions]))
    return tables_of(rows[:points], accuracy, folder)


def made(folder: Path, tables: read.Tables) -> tuple[Path, float, float]:
    """The page, and the seconds that the pictures and the page took."""
    started = time.perf_counter()
    plots.draw(tables, folder / "plots")
    drawn = time.perf_counter()
    parser = argparse.ArgumentParser()
    report.arguments(parser)
    out = folder / "report/index.html"
    places = {"tables": folder / "tables", "plots": folder / "plots", "logs": folder / "logs", "out": out}
    report.run(parser.parse_args([f"--{name}={place}" for name, place in places.items()]))
    return out, drawn - started, time.perf_counter() - drawn


def taken(page: Any, act: Any, condition: str) -> float:
    """Seconds from an act of the reader to what it brings about, drawn."""
    started = time.perf_counter()
    act()
    page.wait_for_function(condition)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return time.perf_counter() - started


def opened(browser: Any, path: Path) -> dict[str, float]:
    """Seconds of what a reader waits for."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    seconds = {"open": taken(page, lambda: page.goto(path.as_uri()), f"document.querySelector({ROWS!r}) !== null")}
    started = time.perf_counter()
    see_all_charts(page)
    seconds["all charts"] = time.perf_counter() - started
    heading = page.get_by_role("columnheader", name="Raw").get_by_role("button")
    seconds["sort"] = taken(page, heading.click, "document.querySelector('#table-performance [aria-sort]') !== null")
    page.locator("#filter summary").click()
    box = page.locator("#filter [value=framework0]")
    gone = "document.querySelector('#table-performance [data-framework=framework0]') === null"
    seconds["filter"] = taken(page, box.uncheck, gone)
    row = page.locator(f"{ROWS} button.open").first
    seconds["distribution"] = taken(page, row.click, "document.querySelector('tr.details svg') !== null")
    field = page.locator("#ask [name=latency_ms]")
    seconds["constraint"] = taken(page, lambda: field.fill("5"), "document.querySelector('#outcome .verdict') !== null")
    page.close()
    return seconds


def main() -> None:
    """Print a line for each size of study."""
    with sync_playwright() as running, tempfile.TemporaryDirectory() as scratch:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for points in (70, 5000):
            folder = Path(scratch, str(points))
            folder.mkdir()
            path, drawn, written = made(folder, study(folder / "tables", points))
            waits = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in opened(browser, path).items())
            print(f"{points} points: pictures {drawn:.1f} s, page {written:.1f} s, {path.stat().st_size / 1e6:.2f} MB")
            print(f"  in the browser: {waits}")
        browser.close()


if __name__ == "__main__":
    main()
