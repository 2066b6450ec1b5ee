"""What a collection costs: three machines × 24 months × the default study's frameworks, made up, and real ones.

Printed are the processor seconds of publishing a study, of making the site, and of queries; the weight of what a reader
opens, and the seconds of opening it.

PYTHONPATH=workflow:tests:tests/browser .venv/bin/python benchmarks/collection.py --real STUDY
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
from collected import FACTS, WAYS, World, study
from pages import CHROMIUM, rendered
from playwright.sync_api import sync_playwright

from dliflow.collection import publish, shelf, site
from dliflow.report import read

MACHINES = {  # by CPU: how much slower than the first one, and what becomes of it in the course of the months
    "A server CPU": (1.0, {}),
    "A desktop CPU": (0.8, {12: {"kernel": "6.6.0"}}),
    "A small CPU": (2.5, {9: {"microcode": "0x11"}}),
}
NEW_IMAGES = 18  # the month from which other images are fed
QUERIES = {
    "the query of the site": Path(site.__file__).with_name("query.sql").read_text(),
    "all rows of performance": (
        "SELECT count(*) FROM read_parquet('studies/*/*/tables/performance.parquet', union_by_name = true)"
    ),
    "a configuration's history": (
        "SELECT parse_path(filename)[-4] AS machine, parse_path(filename)[-3] AS study, latency_reference_ms "
        "FROM read_parquet('studies/*/*/tables/performance.parquet', union_by_name = true, filename = true) "
        "WHERE framework = 'openvino' AND precision = 'int8' AND batch_size = 1 ORDER BY ALL"
    ),
    "sessions by framework": (
        "SELECT framework, median(load_ms) FROM read_parquet('studies/*/*/tables/measurements.parquet', "
        "union_by_name = true) GROUP BY ALL"
    ),
}


def generated(folder: Path, world: World, months: int) -> list[Path]:
    """The studies' folders."""
    folders = []
    for number, (cpu, (pace, events)) in enumerate(MACHINES.items()):
        facts = {**FACTS, "cpu": cpu, "hostname": f"host{number}"}
        for month in range(months):
            facts |= events.get(month, {})
            images = "bb" if month >= NEW_IMAGES else "aa"
            folders.append(study(folder / f"{number}-{month}", world, month, facts, pace=pace, images=images))
    page = rendered(read.tables(folders[0] / "results/tables"), folders[0] / "results")
    for each in folders:  # one for all: what it costs to make one is for benchmarks/page.py
        (each / "results/report/index.html").write_text(page, encoding="utf-8")
    return folders


def seconds(act: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """What an act takes, by default of the processors, so that others who are busy do not count."""
    started = clock()
    act()
    return clock() - started


def megabytes(paths: list[Path]) -> float:
    """Of these files together."""
    return sum(path.stat().st_size for path in paths) / 1e6


def weigh(out: Path, pages: list[Path]) -> None:
    """Print what a reader opens, and what the site holds."""
    history = sorted(pages[1:], key=lambda path: path.stat().st_size)
    print(f"overview: {megabytes(pages[:1]):.2f} MB")
    print(f"{len(history)} histories: {megabytes(history[:1]):.2f} to {megabytes(history[-1:]):.2f} MB")
    print(f"all of the site: {megabytes([path for path in out.rglob('*') if path.is_file()]):.0f} MB")


def answered(sql: str) -> list[tuple]:
    """The rows of a query, by a connection of its own."""
    with duckdb.connect(":memory:") as connection:
        return connection.execute(sql).fetchall()


def query(out: Path) -> None:
    """Print the median of five of each query, each with a new connection."""
    with contextlib.chdir(out):
        for name, sql in QUERIES.items():
            taken = [seconds(partial(answered, sql)) for _ in range(5)]
            print(f"{name}: {1000 * statistics.median(taken):.0f} ms")


def browse(pages: list[Path]) -> None:
    """Print what a reader waits for: the overview, the heaviest history, its first chart."""
    heaviest = max(pages[1:], key=lambda path: path.stat().st_size)
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        print(f"overview opens in {seconds(lambda: page.goto(pages[0].as_uri()), time.perf_counter):.2f} s")

        def drawn() -> None:
            page.goto(heaviest.as_uri())
            page.locator("#chart-latency svg.marks").wait_for()

        print(f"the heaviest history opens, with its first chart drawn, in {seconds(drawn, time.perf_counter):.2f} s")
        browser.close()


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--models", type=int, default=1)
    parser.add_argument("--real", type=Path, nargs="*", default=[], help="folders of finished studies")
    parser.add_argument("--keep", type=Path, help="where the collection and its site stay")
    args = parser.parse_args()
    world = World(models=[f"model{number}" for number in range(args.models)], frameworks=list(WAYS), sizes=(1, 2, 4, 8))
    with tempfile.TemporaryDirectory() as scratch:
        place = args.keep or Path(scratch)
        folders = generated(Path(scratch) / "studies", world, args.months)
        collection, out = place / "collection", place / "site"
        taken = [seconds(partial(publish.publish, collection, each)) for each in [*folders, *args.real]]
        fingerprints = len(shelf.machines(shelf.entries(collection)))
        print(f"{len(folders)} made up and {len(args.real)} real studies, {fingerprints} fingerprints of machines")
        print(f"publishing one: {statistics.median(taken):.2f} s, the slowest {max(taken):.2f} s")
        print(f"publishing one again: {seconds(partial(publish.publish, collection, folders[0])):.2f} s")
        pages: list[Path] = []
        print(f"making the site: {seconds(lambda: pages.extend(site.write(collection, out, 'Studies'))):.1f} s")
        weigh(out, pages)
        query(out)
        if CHROMIUM:
            browse(pages)


if __name__ == "__main__":
    main()
