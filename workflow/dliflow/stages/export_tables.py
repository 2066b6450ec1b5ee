"""Write what other programs read: Parquet, a workbook, tables and figures for papers."""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.analysis import columns
from dliflow.records import marks
from dliflow.report import read
from dliflow.report.exports import figures, latex, markdown, papers, parquet, xlsx
from dliflow.study import paths


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--tables", type=Path, default=Path(paths.RESULTS, "tables"), help="folder of the CSV tables")
    parser.add_argument("--mark", type=Path, help="written last")
    parser.add_argument("--out", type=Path, default=Path(paths.EXPORT), help="folder")


def run(args: argparse.Namespace) -> None:
    """Write all of them."""
    tables = read.tables(args.tables)
    sources = {name: args.tables / f"{name}.csv" for name in columns.TABLES}
    for name, source in sources.items():
        parquet.write(name, source, args.out / f"{name}.parquet")
    xlsx.write(tables, args.out / "study.xlsx")
    for name, texts in (("ranking", papers.ranking(tables)), ("accuracy", papers.accuracy(tables))):
        markdown.write(texts, args.out / f"{name}.md")
        latex.write(texts, args.out / f"{name}.tex")
    figures.write(tables, args.out / "figures")
    if args.mark is not None:
        marks.write(args.mark, sources.values())
