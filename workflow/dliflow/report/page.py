"""The page: everything in one file, nothing from the network, no script but its own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import quote

import jinja2
import vl_convert
import yaml
from markupsafe import Markup, escape

from dliflow import wording
from dliflow.analysis.rows import Rows, grouped
from dliflow.report import (
    canvas,
    charts,
    comparison,
    cost,
    distribution,
    machines,
    names,
    operators,
    points,
    throughput,
    times,
    tuning,
    units,
)
from dliflow.report.conclusion import EVALUATED, Setting
from dliflow.report.listings import Listing, accuracy, nodes, parity, performance, rounds
from dliflow.report.listings import changes as changes_list
from dliflow.report.listings import throughput as throughput_list
from dliflow.report.listings import tuning as tuning_list
from dliflow.report.listings import versions as version_list
from dliflow.report.missing import Missing
from dliflow.report.origins import origins
from dliflow.report.read import Tables
from dliflow.study import paths, plan

HERE = Path(__file__).parent
# Every section is a file of this name in partials/, in this order, and is given the same context. Where it comes out
# empty, the page does not name it.
SECTIONS = {
    "doubtful": "Doubtful",
    "answer": "The answer",
    "failed": "What failed",
    "filter": "",
    "changes": "What changed",
    "charts": "Charts",
    "accuracy": "Quality",
    "performance": "Performance",
    "rounds": "Rounds",
    "nodes": "Node against node",
    "tuning": "Launch parameters",
    "throughput": "Throughput",
    "operators": "Where the time goes",
    "parity": "Parity",
    "missing": "What is missing",
    "time": "Time",
    "machines": "Machines and versions",
    "study": "What was studied",
    "method": "How it was measured",
    "reading": "How to read it",
}
PLOTS = {
    "ranking": "All configurations in their order",
    "fps": "FPS over batch size",
    "accuracy": "Accuracy",
    "tradeoff": "Accuracy against latency",
    "comparison": "Measured together, in rounds",
    "machine": "The machine’s speed over the study",
    "throughput": "Images per second with several requests in flight",
}
# Of these there is an interactive one: with scripts, on a screen, the picture is for screen readers only.
TWINS = ("ranking", "fps", "tradeoff", "throughput")
PORTION = 200  # rows whose details a block holds, and that the script makes in one go
HASHES = 1000  # records whose hashes stand in the page; of more they would be most of it
LARGEST = 1_000_000  # bytes of a picture in the page; a larger one is left to its file
# In this order, as one module: what the others use comes first.
SCRIPTS = ("data", "filter", "tables", "charts", "answer")
THEMED = {canvas.INK: "ink", canvas.MUTED: "muted", canvas.GRID: "grid", canvas.FAINT: "faint", canvas.PAPER: "paper"}


def inline(svg: str, name: str, title: str = "") -> Markup:
    """A plot's SVG as a part of a page: the page's colours, its own ids, nothing before the element."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    for colour, variable in THEMED.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(title or PLOTS.get(name, name))}"', 1))


def plots(folder: Path) -> dict[str, Markup]:
    """Every plot that is there and not too large, by its name."""
    files = {name: folder / f"{name}.svg" for name in PLOTS}
    fit = {name: path for name, path in files.items() if path.exists() and path.stat().st_size <= LARGEST}
    return {name: inline(path.read_text("utf-8"), name) for name, path in fit.items()}


def unbroken(text: str) -> Markup:
    """A text of which no figure is parted from its unit, and neither `--cores` nor `top-1` broken at a hyphen."""
    escaped = str(escape(units.unbroken(text)))
    return Markup(re.sub(r"(?<!\S)(?:-[\w-]+|top-\d)", r'<span class="name">\g<0></span>', escaped))


def environment(*folders: Path) -> jinja2.Environment:
    """Jinja with everything from the tables escaped.

    Args:
        folders: of templates, beside the report's own.
    """
    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE, *folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters.update(
        significant=units.significant,
        percent=lambda share: units.unbroken(units.percent(share)),
        at_most=units.at_most,
        points=units.points,
        scientific=units.scientific,
        mebibytes=units.mebibytes,
        more=lambda of: units.unbroken(units.more(of)),
        duration=lambda seconds: units.unbroken(units.duration(seconds)),
        unbroken=unbroken,
        bound=cost.percent,
        moment=units.moment,
        listed=names.listed,
        yaml=lambda value: yaml.safe_dump(value, allow_unicode=True, sort_keys=False),
        configuration=names.configuration,
        member=names.member,
        anchor=names.anchor,
        origins=origins,
        setting=names.setting,
    )
    jinja.globals.update(
        interval=lambda *ends: units.unbroken(units.interval(*ends)),
        count=names.count,
        whole=operators.whole,
        bare_percent=units.bare_percent,
        points=units.points,
        ratio=units.ratio,
        ratio_interval=lambda *of: units.unbroken(units.ratio_interval(*of)),
        launched=wording.settings,
    )
    return jinja


class Section(NamedTuple):
    """A part of the page, below an anchor of its name."""

    name: str
    heading: str
    html: Markup


def sections(
    jinja: jinja2.Environment, context: dict[str, Any], headings: Mapping[str, str] = SECTIONS
) -> list[Section]:
    """All that have something to say.

    Args:
        headings: of the page's sections by the names of their files, in their order.
    """
    every = [
        Section(name, heading, Markup(jinja.get_template(f"partials/{name}.html.j2").render(context).strip()))
        for name, heading in headings.items()
    ]
    return [section for section in every if section.html]


class Sources(NamedTuple):
    """What the page is made of."""

    tables: Tables
    about: dict[str, Any]
    """`about.json` beside the tables."""
    summary: dict[str, Any]
    """`summary.json`: what to deploy, for every constraint."""
    goal: str
    """The config's goal, in words; empty where none is set."""
    records: dict[str, str]
    """Digests of the records behind the tables, by path; empty where the study is not finished."""
    settings: list[Setting]
    missing: list[Missing]
    figures: dict[str, Markup]
    jobs: list[times.Job]
    run: Optional[times.Run]
    out: Path
    """Where the page will lie."""


def render(title: str, of: Sources) -> str:
    """The page as text."""
    tables, jinja, rows = of.tables, environment(), points.rows(of.tables, of.settings)

    def link(path: Optional[str]) -> str:
        return quote(os.path.relpath(path, of.out.parent)) if path else ""

    jinja.filters.update(link=link)
    jinja.tests.update(deployed=lambda row: deployed(row, finished=bool(of.records)))
    anchors = machines.anchors(tables.measurements)
    versions = machines.versions(tables) | ({plan.ANCHOR: anchors} if anchors else {})
    details = distribution.details(tables)
    races = tuning.races(tables.tuning)
    opens = {one.anchor: number // PORTION for number, one in enumerate(details)}
    # Of these parts, which a config can switch off, another section says why they are missing.
    unmeasured = {name for name in ("comparison", "throughput") if not getattr(tables, name)}
    context: dict[str, Any] = {
        **of._asdict(),
        "figures": {name: svg for name, svg in of.figures.items() if name not in unmeasured},
        "accuracy": list(grouped((row for row in tables.accuracy if row["status"] == "ok"), EVALUATED).values()),
        "doubts": [doubt for kind in of.summary["doubts"].values() for doubt in kind],
        "profiles": operators.profiles(tables.profile),
        "beside": operators.beside(tables.profile),
        "failed": [item for item in of.missing if item.status == "failed"],
        "skipped": [item for item in of.missing if item.status != "failed"],
        "shares": times.shares(of.jobs),
        "total": sum(job.seconds for job in of.jobs),
        "effort": times.effort(tables.measurements),
        "machines": machines.machines(tables.measurements),
        "csv": {name: link(path) for name, path in paths.TABLES.items()},
        "hashes": link(paths.MARKS["tables"]) if len(of.records) > HASHES else "",
        "loaded": throughput.blocks(tables.throughput),
        "upgrades": changes_list.upgrades(tables.changes),
        "opens": opens,
        "charts": charts.charts(tables, rows),
        "filters": filters(rows["points"]),
        "plots": {name: heading for name, heading in PLOTS.items() if name not in unmeasured},
        "folder": paths.PLOTS,
        "twins": TWINS,
        "listings": {
            "performance": performance.listing(of.settings, tables.performance),
            "accuracy": accuracy.listing(tables.accuracy, link),
            "parity": parity.listing(tables.parity, link),
            "rounds": rounds.listing(comparison.blocks(tables), link),
            "tuning": tuning_list.listing(races, link),
            "raced": tuning_list.raced(races),
            "throughput": throughput_list.listing(tables.throughput, link),
            "nodes": nodes.listing(tables.nodes),
            "versions": version_list.listing(versions, of.about),
            "changes": changes_list.listing(tables.changes),
            "unchanged": changes_list.unchanged(tables.changes),
        },
    }
    say = jinja.get_template("macros.html.j2").make_module({})
    embedded = {"words": of.summary["words"], "charts": [chart._asdict() for chart in context["charts"]]}
    blocks = dict(parts(say, of, rows, details, context["listings"], opens))
    template = jinja.get_template("template.html.j2")
    return whole(template, title, sections(jinja, context), embedded, blocks, SCRIPTS)


def deployed(row: Mapping[str, Any], finished: bool) -> bool:
    """Whether a row's folder is there, or comes: those of what a study recommends are made beside its page or after it.

    Args:
        row: of `summary.json`.
        finished: whether the study is; of one that is not, nothing more is made.
    """
    if row["deploy"] is None:
        return False
    return (finished and bool(row["recommended_for"])) or Path(row["deploy"]).exists()


def whole(
    template: jinja2.Template,
    title: str,
    parts: Sequence[Section],
    embedded: Mapping[str, Any],
    blocks: Mapping[str, Any],
    used: Sequence[str],
    **more: Any,
) -> str:
    """A page with its style, its data, its scripts and the policy that allows these.

    Args:
        embedded: what the scripts read at once; where its `charts` are not empty, what draws them comes along.
        blocks: what the scripts ask for by name.
        used: names of the scripts.
        more: what else the template shows.
    """
    # The package's stub asks for an argument that the function itself does not need.
    libraries = [vl_convert.javascript_bundle()] if embedded["charts"] else []  # type: ignore[call-arg]
    script = "\n".join((HERE / f"scripts/{name}.js").read_text("utf-8") for name in used)
    return template.render(
        title=title,
        css=Markup((HERE / "page.css").read_text("utf-8")),
        policy=policy([*libraries, script]),
        sections=parts,
        data=as_json(embedded),
        blocks={name: block(value) for name, value in blocks.items()},
        libraries=[Markup(library) for library in libraries],
        script=Markup(script),
        **more,
    )


def parts(
    say: Any,
    of: Sources,
    rows: dict[str, Rows],
    details: list[distribution.Details],
    listings: dict[str, Listing],
    opens: dict[str, int],
) -> Iterator[tuple[str, Any]]:
    """What the scripts ask for by name, each when it is needed.

    Args:
        say: the macros.
        rows: those behind the charts.
        opens: by anchor in which block a row's details are.
    """
    yield "charts", {name: points.compact(each) for name, each in rows.items()}
    for number, answers in enumerate(of.summary["answers"]):
        known = [{key: row[key] for key in ("id", "name", "batch_size", "text", "doubts")} for row in answers["rows"]]
        cards = [say.recommended(row) for row in answers["rows"]]
        yield (
            f"answer-{number}",
            {**{key: answers[key] for key in ("tables", "outcomes")}, "rows": known, "cards": cards},
        )
    for number, portion in enumerate(portions(details)):
        yield f"details-{number}", {one.anchor: say.details(one) for one in portion}
    for name, listing in listings.items():
        if listing.cut:
            yield f"rows-{name}", rows_of(say, listing, opens if name == "performance" else {})


def rows_of(say: Any, listing: Listing, opens: Mapping[str, int]) -> list[Markup]:
    """All rows of a table, a portion at a time: made one and all at once, they would keep a reader waiting.

    Args:
        say, opens: as of `parts`.
    """
    return [say.lines(listing, portion, opens) for portion in portions(listing.lines)]


def portions(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """So many at a time."""
    return (items[first : first + PORTION] for first in range(0, len(items), PORTION))


def block(value: Any) -> Markup:
    """A value as a block of the page: JSON, compressed, in letters that end no element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(base64.b64encode(gzip.compress(text.encode("utf-8"), 6, mtime=0)).decode())


def filters(rows: Rows) -> dict[str, list]:
    """What the filter can choose from, in the order of the tables."""
    choices = {name: list(dict.fromkeys(row[name] for row in rows)) for name in ("framework", "precision")}
    settings = {row["setting"]: {"name": row["setting"], "model": row["model"]} for row in rows}
    sizes = sorted({row["batch"] for row in rows})
    return {**choices, "setting": list(settings.values()), "batch": sizes, "skipped": [True]}


def as_json(value: Any) -> Markup:
    """JSON that is safe within a script element: no text in it can end that or begin another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def policy(scripts: list[str]) -> str:
    """What the page may do: run these scripts and no others, and fetch nothing."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
