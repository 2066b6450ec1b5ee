"""What studies of many models cost: planning, tables, pictures, page and exports, and the engine beside each job.

    PYTHONPATH=workflow:tests:tests/browser .venv/bin/python benchmarks/scale.py [--models 1 10 96] [--engine 100]

The default study of so many models (of 105 measuring jobs and 84 points each) is planned by Snakemake; then its records
are made up, and every stage that comes after them is run as the workflow runs it. Seconds are of the wall clock, and
beside them of a processor, which other work on the machine moves less; MB are the most that was resident. Where there
is a Chromium, the page is opened and used. With --engine, Snakemake runs so many of the jobs of the last study, each of
which only writes its file: what passes between two of them is the engine's own.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import records
from pages import CHROMIUM
from project import Project, copy_of_the_repository
from test_browser import ROWS, see_all_charts

from dliflow.files import digest, write_json
from dliflow.study import options, paths, plan, yaml_files
from dliflow.study.study import Study

MODEL = "efficientnet_lite0"  # whose entry every model of the study is a copy of
STAGES = ("tables", "plots", "report", "export_tables", "recommend")
# Seconds for which a page did not answer, at most: a browser notes what takes longer than 50 ms.
LONGEST = """new Promise((done) => {
  const longest = (entries) => Math.max(0, ...entries.map((entry) => entry.duration)) / 1000;
  new PerformanceObserver((list) => done(longest(list.getEntries()))).observe({ type: 'longtask', buffered: true });
  setTimeout(() => done(0), 1000);
})"""


class Cost(NamedTuple):
    """Of a process and those that it started."""

    seconds: float
    processor_s: float
    megabytes: float

    def __str__(self) -> str:
        return f"{self.seconds:7.1f} s ({self.processor_s:.1f} s of a processor) {self.megabytes:6.0f} MB"


def cost(command: list[str], folder: Path, log: Path) -> Cost:
    """What a command takes; the benchmark ends where it fails."""
    started = time.perf_counter()
    with open(log, "w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, stdout=stream, stderr=stream, env={**os.environ, "PYTHONPATH": "workflow"}
        )
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{shlex.join(command)[:300]}: failed; see {log}:\n{log.read_text()[-2000:]}")
    return Cost(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6)


def checkout(folder: Path, models: int) -> Project:
    """A copy of this repository whose study is the default one of so many models."""
    project = copy_of_the_repository(folder, folder / "envs")
    names = [f"model{number:03}" for number in range(1, models + 1)]
    for name in names:
        shutil.copy(folder / f"config/models/{MODEL}.yaml", folder / f"config/models/{name}.yaml")
    project.configure(models=names)
    return project


def study_of(project: Project) -> Study:
    """What its config says."""
    with chdir(project.folder):
        return Study.read(yaml_files.mapping(Path("config/config.yaml")), "the study")


def latency(row: dict[str, Any]) -> float:
    """Of batch size 1, ms: made up of what identifies a configuration, the same in all its records."""
    seed = int(digest([row[key] for key in (*plan.IDENTITY, "parameters")], 8), 16)
    return float(np.random.default_rng(seed).lognormal(1.5, 0.5))


def points_of(study: Study) -> int:
    """How many rows with figures performance.csv will have."""
    rows = (row for row in study.plan["sweep"] if row["reason"] is None and row["group"] == 1)
    return sum(1 for _ in rows)


def planned(project: Project, log: Path) -> Cost:
    """A dry run."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "all"]
    return cost(command, project.folder, log)


def stage(project: Project, study: Study, name: str, log: Path) -> Cost:
    """A stage that makes what people read."""
    given = {"tables": options.tables(study), "report": options.report(study), "recommend": options.report(study)}
    command = [sys.executable, "-m", "dliflow", name, *shlex.split(given.get(name, ""))]
    return cost(command, project.folder, log)


def size(*files: Path) -> str:
    """Of files together."""
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


def taken(page: Any, act: Callable[[], Any], condition: str) -> float:
    """Seconds from an act of the reader to what it brings about, drawn."""
    started = time.perf_counter()
    act()
    page.wait_for_function(condition)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return time.perf_counter() - started


def opened(browser: Any, path: Path, picture: Path) -> dict[str, float]:
    """Seconds of what a reader waits for.

    Args:
        picture: a screenshot of the table and what is around it, to be looked at.
    """
    # Waiting for a condition evaluates text, which the page's policy forbids.
    page = browser.new_page(viewport={"width": 1200, "height": 900}, bypass_csp=True)
    ready = "document.querySelector('#table-performance thead button') !== null"
    seconds = {"open": taken(page, lambda: page.goto(path.as_uri()), ready)}
    seconds["all rows"] = taken(page, lambda: None, "document.getElementById('cut-performance') === null")
    started = time.perf_counter()
    see_all_charts(page)
    seconds["all charts"] = time.perf_counter() - started
    page.screenshot(path=picture.with_name(f"{picture.stem}-top.png"))
    heading = page.get_by_role("columnheader", name="Raw").get_by_role("button")
    seconds["sort"] = taken(page, heading.click, "document.querySelector('#table-performance [aria-sort]') !== null")
    page.locator("#filter summary").click()
    first = page.locator("#filter [name=framework]").first
    gone = f"document.querySelector('#table-performance [data-framework={first.get_attribute('value')}]') === null"
    seconds["filter"] = taken(page, first.uncheck, gone)
    settings = page.locator("#filter [name=setting]")
    if settings.locator("option").count() > 1:
        last = settings.locator("option").last.get_attribute("value")
        shown = f"document.querySelector('#table-performance [data-setting=\"{last}\"]') !== null"
        seconds["another model"] = taken(page, lambda: settings.select_option(last), shown)
    row = page.locator(f"{ROWS} button.open").first
    seconds["distribution"] = taken(page, row.click, "document.querySelector('tr.details svg') !== null")
    page.screenshot(path=picture)
    field = page.locator("#ask [name=latency_ms]")
    page.evaluate("document.querySelector('#outcome .verdict').classList.add('before')")
    answered = "document.querySelector('#outcome .verdict:not(.before)') !== null"
    seconds["constraint"] = taken(page, lambda: field.fill("5"), answered)
    seconds["at a stretch, at most"] = page.evaluate(LONGEST)
    page.close()
    return seconds


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; None where there is none."""
    if CHROMIUM is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def engine(project: Project, study: Study, jobs: int) -> tuple[list[float], float, float]:
    """What Snakemake costs beside each measuring job, with all of them ready.

    Every other file is there. A job's process is a shell that notes when it starts, writes the file and notes that.

    Returns:
        What passes between the end of a job and the start of the next, s; what Snakemake itself takes of a processor
        for each, s, which other work on the machine moves less; and what is resident of it, MB.
    """
    folder, notes = project.folder, project.folder / "notes.txt"
    stub = folder / "stub.sh"
    stub.write_text(
        "#!/bin/sh\nfor out; do :; done\n"  # the last word of the command
        f'date +%s.%N >>{notes}; mkdir -p "${{out%/*}}"; echo {{}} >"$out"; date +%s.%N >>{notes}\n'
    )
    stub.chmod(0o755)
    project.edit("workflow/rules/common.smk", "else sys.executable", f'else "{stub}"')
    swept = set(plan.records(study.plan, "sweep"))
    for output in plan.needed(study.plan):
        path = folder / output
        if output in swept:
            path.unlink(missing_ok=True)
        elif not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{\n}\n")
        if path.name == "environment.json":
            path.with_name("bin").mkdir()
            path.with_name("bin").joinpath("python").symlink_to(sys.executable)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-triggers", "mtime", "--", "all"]
    with open(folder / "engine.log", "w") as stream:
        running = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=stream, start_new_session=True)
        process, spent, resident = psutil.Process(running.pid), [], 0.0
        while running.poll() is None and (not spent or spent[-1][0] < jobs):
            time.sleep(0.5)
            ended = len(notes.read_text().split()) // 2 if notes.exists() else 0
            if ended and running.poll() is None:
                times = process.cpu_times()
                spent.append((ended, times.user + times.system))
                resident = process.memory_info().rss / 1e6
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    (first, before), (last, after) = spent[0], spent[-1]
    stamps = [float(word) for word in notes.read_text().split()][: 2 * jobs]
    between = [start - end for end, start in zip(stamps[1::2], stamps[2::2])]
    return between, (after - before) / (last - first), resident


def main() -> None:
    """Print some lines for each study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, nargs="+", default=[1, 10, 96])
    parser.add_argument("--engine", type=int, default=0, metavar="JOBS", help="of the last study are run by Snakemake")
    parser.add_argument("--stages", nargs="*", default=STAGES, help="that are to be run, in this order")
    parser.add_argument("--folder", type=Path, help="where the studies are made and stay, whose name is new")
    args = parser.parse_args()
    with chromium() as browser, tempfile.TemporaryDirectory() as scratch:
        for models in args.models:
            folder = (args.folder or Path(scratch)) / str(models)
            project = checkout(folder, models)
            study = study_of(project)
            jobs, points = len(plan.records(study.plan, "sweep")), points_of(study)
            print(f"{models} models, {jobs} measuring jobs of the sweep, {points} points", flush=True)
            print(f"  dry run        {planned(project, folder / 'dry-run.log')}", flush=True)
            if args.stages:
                with chdir(folder):
                    records.study(study.plan, np.random.default_rng(0), latency)
                given = options.of_tables(study)
                write_json(folder / paths.STUDY.format(digest=digest(given)), given)
            for name in args.stages:
                print(f"  {name:14} {stage(project, study, name, folder / f'{name}.log')}", flush=True)
            if "report" in args.stages:
                page, data = folder / paths.REPORT, folder / paths.SUMMARY_DATA
                print(f"  page {size(page)}, summary.json {size(data)}", flush=True)
                if browser is not None:
                    waits = opened(browser, page, folder / "page.png")
                    print(f"  {', '.join(f'{name} {seconds:.2f} s' for name, seconds in waits.items())}", flush=True)
        if args.engine:
            between, processor_s, resident = engine(project, study, args.engine)
            middle, most = np.quantile(between, [0.5, 0.9])
            print(
                f"  engine: {middle:.3f} s between jobs in the median, {most:.3f} s at the ninth decile, of them "
                f"{processor_s:.3f} s of a processor by Snakemake itself; {resident:.0f} MB"
            )


if __name__ == "__main__":
    main()
