"""Pages made of tables, and opened in a browser from disk."""

from __future__ import annotations

import argparse
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from study_rows import ABOUT

from dliflow.analysis.recommendation import Goal
from dliflow.report import answer, conclusion, missing, page, plots, read, summary
from dliflow.stages import report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LIMIT_MS = 120_000  # of anything that is waited for in it, on a busy machine too
SCREENSHOTS = os.environ.get("DLIFLOW_TEST_SCREENSHOTS")  # a folder where the pictures are to stay


def made(folder: Path, tables: read.Tables, title: str = "Inference of tiny") -> Path:
    """The page of these tables, which lie in the folder `tables`, as the stages make it."""
    plots.draw(tables, folder / "plots")
    parser = argparse.ArgumentParser()
    report.arguments(parser)
    places = {"tables": "tables", "plots": "plots", "logs": "logs", "run": "run.json", "out": "report/index.html"}
    options = [f"--{name}={folder / place}" for name, place in places.items()]
    report.run(parser.parse_args([*options, "--title", title]))
    return folder / "report/index.html"


def rendered(
    tables: read.Tables, folder: Path, records: Mapping[str, str] | None = None, goal: Goal | None = None
) -> str:
    """The page of these tables without pictures, as text.

    Args:
        records: behind the tables, with their digests.
        goal: as a config sets it.
    """
    settings = conclusion.settings(tables)
    answers = answer.answers(answer.recommendations(tables), goal)
    sources = page.Sources(
        tables=tables,
        about=ABOUT,
        summary=answer.summary(tables, answers, settings, goal, "t"),
        goal="" if goal is None else summary.constraint(goal),
        records=dict(records or {}),
        settings=settings,
        missing=missing.missing(tables, folder / "logs"),
        figures={},
        jobs=[],
        run=None,
        out=folder / "report/index.html",
    )
    return page.render("t", sources)


def plain(html: str) -> str:
    """A page's text without what only keeps words in one line."""
    html = html.replace("\u00a0", " ").replace("&nbsp;", " ")
    return re.sub(r'<span class="name">([^<]*)</span>', r"\1", html)


class Opened:
    """A page in the browser, and what it said and asked for."""

    def __init__(self, context: Any, path: Path):
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: message.type == "error" and self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: (self.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.url = path.as_uri()
        self.page.goto(self.url)

    @property
    def outside(self) -> list[str]:
        """Whatever it asked for beside itself and what is written in it."""
        return [url for url in self.asked if not url.startswith((self.url, "data:", "blob:"))]
