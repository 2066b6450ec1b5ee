"""Write the report and the summary for the terminal from the tables, the plots and the logs."""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow import paths
from dliflow.files import read_json, write_text
from dliflow.report import conclusion, missing, page, read, summary, times


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--tables", type=Path, default=Path(paths.RESULTS, "tables"), help="folder of the CSV tables")
    parser.add_argument("--plots", type=Path, default=Path(paths.PLOTS), help="folder of the SVG plots")
    parser.add_argument("--logs", type=Path, default=Path(paths.RESULTS, "logs"), help="folder of logs and job times")
    parser.add_argument(
        "--run", type=Path, default=Path(paths.RUN), help="JSON: when this run was started, if it is there"
    )
    parser.add_argument("--title", help="heading of the page; made of the models' names when absent")
    parser.add_argument("--out", type=Path, default=Path(paths.REPORT), help="the page; summary.txt comes beside it")


def run(args: argparse.Namespace) -> None:
    """Write both files."""
    tables = read.tables(args.tables)
    settings = conclusion.settings(tables)
    gaps = missing.missing(tables, args.logs)
    jobs = times.jobs(args.logs)
    this_run = times.this_run(jobs, read_json(args.run) if args.run.exists() else None)
    models = dict.fromkeys(row["model"] for row in (*tables.performance, *tables.accuracy))
    title = args.title or f"Inference of {', '.join(models) or 'no model'}"
    figures = page.plots(args.plots)
    write_text(args.out, page.render(title, tables, settings, gaps, figures, jobs, this_run))
    text = summary.render(settings, gaps, tables.accuracy, jobs, this_run, str(args.out))
    write_text(args.out.with_name("summary.txt"), text)
