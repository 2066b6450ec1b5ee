"""What a page of many points costs: its pictures and itself, and what a reader waits for in Chromium.

    PYTHONPATH=workflow:tests:tests/browser .venv/bin/python benchmarks/page.py [--points 70 5000] [--folder FOLDER]

The tables are made up: a study of 80 points (20 configurations at four batch sizes, with sessions and rounds) once for
each of so many models. The stages that draw its pictures and write its page are run as the workflow runs them; then the
page is opened from disk and used. Seconds are of the wall clock, for the stages beside those of a processor. With
--folder, tables, pages and screenshots stay there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from project import ROOT
from scale import chromium, cost, opened, size
from study_rows import ABOUT, Row, whole

from dliflow.analysis.tables import shared
from dliflow.files import digest, write_json
from dliflow.study import paths

EACH = 80  # points of a model


def study(folder: Path, models: int) -> None:
    """The tables of a study of so many models, in this folder."""
    template = whole(folder / "of-one")
    names = [f"model{number:03}" for number in range(1, models + 1)]
    records: dict[str, str] = {}
    for table, rows in template._asdict().items():
        copies = [copy_for(model, row) for model in names for row in rows]
        shared.frame(copies, table).to_csv(folder / f"{table}.csv", index=False)
        records |= {row["record"]: digest(row["record"], 64) for row in copies if row.get("record")}
    write_json(folder / Path(paths.ABOUT).name, {**ABOUT, "models": dict.fromkeys(names, ABOUT["models"]["tiny"])})
    write_json(folder / Path(paths.MARKS["tables"]).name, {"made_of": records})


def copy_for(model: str, row: Row) -> Row:
    """A row of the template as one of this model, with a record of its own."""
    if "record" not in row:
        return {**row, "model": model}
    way = "-".join(str(row[name]) for name in ("framework", "precision", "group") if row.get(name) is not None)
    return {**row, "model": model, "record": f"results/local/{model}/{row['record'] or way}.json"}


def stage(name: str, folder: Path, *more: str) -> str:
    """What one of the workflow's stages takes for the tables in `tables`."""
    command = [sys.executable, "-m", "dliflow", name, f"--tables={folder / 'tables'}", *more]
    return str(cost(command, ROOT, folder / f"{name}.log"))


def main() -> None:
    """Print some lines for each page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, nargs="+", default=[70, 5000], help="of the pages, in steps of a model's")
    parser.add_argument("--folder", type=Path, help="where everything is made and stays")
    args = parser.parse_args()
    with chromium() as browser, tempfile.TemporaryDirectory() as scratch:
        for points in args.points:
            models = max(1, round(points / EACH))
            folder = (args.folder or Path(scratch)).absolute() / str(points)
            (folder / "tables").mkdir(parents=True)
            study(folder / "tables", models)
            print(f"{models * EACH:,} points of {models} models", flush=True)
            plots, page = folder / "plots", folder / "report/index.html"
            print(f"  pictures {stage('plots', folder, f'--out={plots}')}", flush=True)
            given = (f"--plots={plots}", f"--logs={folder / 'logs'}", f"--run={folder / 'run.json'}", f"--out={page}")
            print(f"  page     {stage('report', folder, *given)}", flush=True)
            print(f"  page {size(page)}, summary.json {size(page.with_name('summary.json'))}", flush=True)
            if browser is not None:
                waits = opened(browser, page, folder / "page.png")
                print(f"  {', '.join(f'{name} {seconds:.2f} s' for name, seconds in waits.items())}", flush=True)


if __name__ == "__main__":
    main()
