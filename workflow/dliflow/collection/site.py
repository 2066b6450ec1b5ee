"""The static site of a collection: an overview, a page for each model on each machine, and the studies themselves.

All is in one folder that needs nothing else: copied anywhere it opens from disk and from any web server. The site is
made anew from the collection each time; nothing in it is the only copy of anything.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dliflow.collection import charts, history, listings, shelf
from dliflow.collection.history import Shown
from dliflow.collection.listings import Page
from dliflow.collection.shelf import Entry
from dliflow.errors import DliflowError
from dliflow.files import digest, replacing, write_json, write_text
from dliflow.report import canvas, names, page, points
from dliflow.report.charts import Palette, palette
from dliflow.wording import some

HERE = Path(__file__).parent
MARK = "site.json"  # in a folder that is a site, and may be replaced by a newer one
INDEX = "index.html"
PARTS = {MARK, INDEX, "studies", "history"}  # all that a site has at its top
OVERVIEW = {
    "overview": "Machines, models and frameworks",
    "studies": "Studies",
    "fingerprints": "Machines",
    "query": "Ask it yourself",
}
HISTORY = {
    "filter": "",
    "over_time": "History",
    "changed": "What changed",
    "now": "The last figures",
    "breaks": "Where lines end",
    "studies": "Studies",
    "fingerprints": "Machines",
}
TABLES = ("data", "filter", "tables")  # scripts of a page without charts
CHARTS = (*TABLES, "charts")
PICTURES = ("latency", "top1")  # the charts that are pictures, too


def write(collection: Path, out: Path, title: str) -> list[Path]:
    """Write the site; the pages that it has, the overview first.

    Raises:
        DliflowError: when a study is damaged, or when another folder than a site stands where it is to be.
    """
    entries = shelf.entries(collection)
    for each in entries:
        shelf.verify(each)
    _may_replace(out)
    shown = history.read(entries)
    tables = charts.tables(shown)
    looks, scales = canvas.looks(tables), palette(tables)
    pages = _pages(shown)
    try:
        with replacing(out) as scratch:
            scratch.mkdir()
            for each in entries:
                shutil.copytree(each.folder, scratch / "studies" / each.path, ignore=shutil.ignore_patterns(".*"))
            write_text(scratch / INDEX, overview(title, entries, shown, pages))
            for one in pages:
                write_text(scratch / one.path, model(one, looks, scales))
            write_json(scratch / MARK, {"schema": 1, "studies": [each.path for each in entries]})
    except OSError as error:
        raise DliflowError(f"{out}: {error.strerror or error}; no site was written") from error
    return [out / INDEX, *(out / one.path for one in pages)]


def _may_replace(out: Path) -> None:
    """Refuse a folder that is no site, or more than one: all that is in it would be gone, a `.git` too."""
    if not os.path.lexists(out):
        return
    if not out.is_dir() or (any(out.iterdir()) and not (out / MARK).is_file()):
        raise DliflowError(f"{out}: is there, and is no site of a collection; name a new folder, or delete it yourself")
    others = sorted(path.name for path in out.iterdir() if path.name not in PARTS)
    if others:
        raise DliflowError(
            f"{out}: is replaced as a whole, and holds what is no part of a site: {some(others)}; name a new folder, "
            "and copy the site from there"
        )


def _pages(studies: Sequence[Shown]) -> list[Page]:
    """One for each model on each machine."""
    return [
        Page(f"history/{machine}/{file_name(model)}.html", machine, model, [each.of(model) for each in of_machine])
        for machine, of_machine in history.by_hardware(studies).items()
        for model in history.models(of_machine)
    ]


def file_name(model: str) -> str:
    """A model's name for a file: another one for another model, whatever letters it has."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", model)[:60]
    return safe if safe == model else f"{safe}-{digest(model, 8)}"


def _link(path: str) -> Callable[[str], str]:
    """From a page of the site to its other files."""
    return lambda target: quote(os.path.relpath(target, Path(path).parent))


def overview(title: str, entries: Sequence[Entry], shown: Sequence[Shown], pages: Sequence[Page]) -> str:
    """The first page."""
    link, valid = _link(INDEX), [each for each in entries if each.invalid is None]
    days = [listings.day(each.content["last"]) for each in entries]
    counts = {
        "studies": len(valid),
        "machines": len({history.hardware(each) for each in valid}),
        "invalid": len(entries) - len(valid),
        "first": days[0],
        "last": days[-1],
    }
    tables = {
        "overview": listings.overview(pages, link),
        "studies": listings.studies(entries, _doubts(shown), link),
    }
    query = (HERE / "query.sql").read_text("utf-8").rstrip()
    context = {"counts": counts, "listings": tables, "machines": shelf.machines(entries), "query": query, "charts": []}
    return _whole(title, OVERVIEW, INDEX, context, rows={})


def _doubts(studies: Iterable[Shown]) -> dict[str, str]:
    """Of each study, by its path."""
    return {each.entry.path: each.doubt for each in studies}


def model(of: Page, looks: dict[tuple, canvas.Look], scales: Palette) -> str:
    """The page of a model on a machine."""
    link, data = _link(of.path), charts.rows(of.studies, looks)
    drawn, steps = charts.drawn(scales, data), history.steps(of.studies, of.model)
    title = f"{of.model} on {listings.hardware(of.facts)}"
    entries, speeds = [each.entry for each in of.studies], [{**row, "model": of.model} for row in data[charts.SPEED]]
    stills = {chart.heading: charts.still(chart, data, chart.heading) for chart in drawn if chart.name in PICTURES}
    tables = {
        "now": listings.now(of.studies, steps),
        "steps": listings.counted(steps),
        "changed": listings.changed(steps),
        "breaks": listings.ended(history.breaks(of.studies, of.model)),
        "studies": listings.studies(entries, _doubts(of.studies), link),
    }
    context = {
        "charts": drawn,
        "stills": stills,
        "filters": {**page.filters(speeds), "skipped": []},
        "listings": tables,
        "machines": shelf.machines(entries),
    }
    rows = {name: points.compact(each) for name, each in data.items()}
    return _whole(title, HISTORY, of.path, context, rows)


def _whole(title: str, headings: Mapping[str, str], path: str, context: dict[str, Any], rows: Mapping[str, Any]) -> str:
    """A page of the site.

    Args:
        path: of the page, in the site.
        context: what its sections show, among it its `listings` and its `charts`.
        rows: those behind the charts.
    """
    jinja, link, drawn = page.environment(HERE), _link(path), context["charts"]
    jinja.filters.update(link=link, gpus=names.gpus)
    say: Any = jinja.get_template("macros.html.j2").make_module({})
    long = (listing for listing in context["listings"].values() if listing.cut)
    blocks = {f"rows-{listing.name}": page.rows_of(say, listing, {}) for listing in long}
    template, parts = jinja.get_template("site.html.j2"), page.sections(jinja, context, headings)
    embedded, scripts = {"charts": [chart._asdict() for chart in drawn]}, CHARTS if drawn else TABLES
    home = "" if path == INDEX else link(INDEX)
    return page.whole(template, title, parts, embedded, {"charts": rows, **blocks}, scripts, home=home)
