"""Write the report, and the summary for the terminal and as data, from the tables, the plots and the logs."""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.analysis.recommendation import Goal
from dliflow.errors import DliflowError
from dliflow.files import write_json, write_text
from dliflow.records import marks, notes
from dliflow.report import answer, conclusion, missing, names, page, read, summary, times
from dliflow.study import paths


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--tables", type=Path, default=Path(paths.RESULTS, "tables"), help="folder of the CSV tables")
    parser.add_argument("--plots", type=Path, default=Path(paths.PLOTS), help="folder of the SVG plots")
    parser.add_argument("--logs", type=Path, default=Path(paths.RESULTS, "logs"), help="folder of logs and job times")
    parser.add_argument(
        "--run", type=Path, default=Path(paths.RUN), help="JSON: when this run was started, if it is there"
    )
    parser.add_argument("--title", help="heading of the page; made of the models' names when absent")
    parser.add_argument("--goal", type=Goal.of, help="JSON: what of the config's goal is set")
    parser.add_argument("--mark", type=Path, help="written when there is a figure to report")
    parser.add_argument(
        "--out", type=Path, default=Path(paths.REPORT), help="the page; summary.txt and summary.json come beside it"
    )


def run(args: argparse.Namespace) -> None:
    """Write the files, and the mark.

    Raises:
        DliflowError: when there is to be a mark, but not one figure. The files are written all the same.
    """
    tables = read.tables(args.tables)
    settings = conclusion.settings(tables)
    answers = answer.answers(answer.recommendations(tables, settings), args.goal)
    gaps = missing.missing(tables, args.logs)
    jobs = times.jobs(args.logs)
    this_run = times.this_run(jobs, notes.run(args.run))
    models = dict.fromkeys(row["model"] for row in (*tables.performance, *tables.accuracy))
    title = args.title or f"Inference of {names.listed(list(models), 4) or 'no model'}"
    data = answer.summary(tables, answers, settings, args.goal, title)
    sources = page.Sources(
        tables=tables,
        about=read.about(args.tables),
        summary=data,
        goal=summary.constraint(args.goal) if args.goal else "",
        records=read.records(args.tables),
        settings=settings,
        missing=gaps,
        figures=page.plots(args.plots),
        jobs=jobs,
        run=this_run,
        out=args.out,
    )
    write_text(args.out, page.render(title, sources))
    write_json(args.out.with_name("summary.json"), data)
    by_name = {one.name: one for one in answers}
    kinds = list(data["doubts"].values())
    text = summary.render(settings, by_name, args.goal, gaps, kinds, jobs, this_run, str(args.out))
    write_text(args.out.with_name("summary.txt"), text)
    if args.mark is not None:
        if not any(row["status"] == "ok" for row in (*tables.accuracy, *tables.performance)):
            reasons = (f"  {names.listed(gap.configurations, 3)}: {gap.reason}" for gap in gaps)
            raise DliflowError("\n".join(["nothing of this study could run on this machine:", *reasons]))
        drawn = sorted(path for path in args.plots.glob("*.svg"))
        marks.write(args.mark, [*(args.tables / f"{name}.csv" for name in tables._fields), *drawn])
