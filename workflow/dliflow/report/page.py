"""The page: everything in one file, no scripts, nothing from the network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional

import jinja2
from markupsafe import Markup

from dliflow.analysis.rows import grouped
from dliflow.report import canvas, comparison, machines, names, times, tuning, units
from dliflow.report.conclusion import Setting, doubts
from dliflow.report.missing import Missing
from dliflow.report.read import Tables

TEMPLATE = Path(__file__).with_name("template.html.j2")
PLOTS = {
    "ranking": "All configurations in their order",
    "fps": "FPS over batch size",
    "accuracy": "Accuracy",
    "tradeoff": "Accuracy against latency",
    "comparison": "Measured together, in rounds",
    "machine": "The machine's speed over the study",
}
THEMED = {canvas.INK: "ink", canvas.MUTED: "muted", canvas.GRID: "grid", canvas.FAINT: "faint", canvas.PAPER: "paper"}


def inline(svg: str, name: str) -> Markup:
    """A plot's SVG as a part of a page: the page's colours, its own ids, nothing before the element."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    for colour, variable in THEMED.items():
        svg = svg.replace(colour, f"var(--{variable})")
    title = PLOTS.get(name, name)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{title}"', 1))


def plots(folder: Path) -> dict[str, Markup]:
    """Every plot that is there, by its heading."""
    paths = {name: folder / f"{name}.svg" for name in PLOTS}
    return {PLOTS[name]: inline(path.read_text("utf-8"), name) for name, path in paths.items() if path.exists()}


def environment() -> jinja2.Environment:
    """Jinja with everything from the tables escaped."""
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update(
        significant=units.significant,
        percent=units.percent,
        at_most=units.at_most,
        points=units.points,
        scientific=units.scientific,
        mebibytes=units.mebibytes,
        more=units.more,
        duration=units.duration,
        listed=names.listed,
        configuration=names.configuration,
        member=names.member,
        setting=names.setting,
    )
    jinja.globals.update(
        interval=units.interval,
        count=names.count,
        bare_percent=units.bare_percent,
        points=units.points,
        ratio=units.ratio,
        ratio_interval=units.ratio_interval,
        settings_in_words=tuning.settings,
    )
    return jinja


def render(
    title: str,
    tables: Tables,
    settings: list[Setting],
    missing: list[Missing],
    figures: dict[str, Markup],
    jobs: list[times.Job],
    run: Optional[times.Run],
) -> str:
    """The page as text."""
    good = [row for row in tables.accuracy if row["status"] == "ok"]
    context: dict[str, Any] = {
        "title": title,
        "tables": tables,
        "accuracy": list(grouped(good, ("model", "device", "dataset")).values()),
        "settings": settings,
        "doubts": [doubt for kind in doubts(settings, tables.accuracy) for doubt in kind],
        "compared": comparison.blocks(tables),
        "races": tuning.races(tables.tuning),
        "failed": [item for item in missing if item.status == "failed"],
        "skipped": [item for item in missing if item.status != "failed"],
        "figures": figures,
        "shares": times.shares(jobs),
        "total": sum(job.seconds for job in jobs),
        "run": run,
        "effort": times.effort(tables.measurements),
        "machines": machines.machines(tables.measurements),
        "versions": machines.versions(tables),
    }
    return environment().get_template(TEMPLATE.name).render(context)
