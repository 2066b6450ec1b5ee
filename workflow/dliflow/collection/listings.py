"""The tables of the site: what there is, the last figures, what changed, where lines end, the studies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from dliflow.analysis import changes
from dliflow.analysis.columns import POINT
from dliflow.analysis.rows import Row, key, usable
from dliflow.collection import charts, history
from dliflow.collection.history import Break, Shown, Step
from dliflow.collection.shelf import Entry
from dliflow.report import names, units
from dliflow.report.listings import Cell, Heading, Line, Listing, Remarks, kind
from dliflow.report.listings import changes as told

Link = Callable[[str], str]
"""From the page to a file of the site, by its path there."""

LATENCY = Heading(
    "Latency",
    "At the machine’s reference state, the median of what the anchor took in its studies, with its 95 % interval.",
    "ms",
)
FPS = Heading("FPS", "Images per second: batch size / latency at the machine’s reference state.")


def day(date: str) -> str:
    """Of a date in ISO 8601."""
    return charts.minute(date)[:10]


def hardware(facts: Mapping[str, Any]) -> str:
    """What a machine is called: `AMD EPYC, 2 CPUs, 24 GiB`, and its GPUs where it has any."""
    cpu = facts["cpu"] or "a processor that tells no name"
    words = (cpu, names.count(facts["logical_cpus"], "CPU"), f"{facts['memory_gib']} GiB")
    return ", ".join(filter(None, (*words, names.gpus(facts.get("gpus", [])))))


# What there is of all machines.

OVERVIEW = [
    Heading(
        "Machine", "CPU, processors, memory and NVIDIA GPUs; leads to the history of the model there.", number=False
    ),
    Heading("Model", "As the study calls it.", number=False),
    Heading("Version", "Of the framework in its last study.", number=False),
    Heading("Fastest", "The configuration of lowest latency in that study.", number=False),
    LATENCY,
    Heading("Batch", "Images in a request of it."),
    Heading("Most FPS", "The configuration of most images per second in that study.", number=False),
    FPS,
    Heading("Top-1", "Of the fastest one, on the study’s labelled images.", "%"),
    Heading("Last", "Day of that study.", number=False),
    Heading("Studies", "That measured it."),
]


class Page(NamedTuple):
    """A page of the site: a model on a machine."""

    path: str
    machine: str
    """The hardware's digest."""
    model: str
    studies: list[Shown]
    """With the rows of the model."""

    @property
    def facts(self) -> dict[str, Any]:
        """Of the machine, in its last study."""
        facts: dict[str, Any] = self.studies[-1].entry.content["machine"]
        return facts


def overview(pages: Sequence[Page], link: Link) -> Listing:
    """A row for each framework × model × machine."""
    remarks = Remarks()
    lines = [line for page in pages for line in _frameworks(page, link, remarks)]
    numbered = [line._replace(anchor=f"all-{number}") for number, line in enumerate(lines)]
    caption = "Frameworks, models and machines with their last figures"
    return Listing("overview", caption, OVERVIEW, numbered, remarks.all(), named="Framework")


def _frameworks(page: Page, link: Link, remarks: Remarks) -> Iterable[Line]:
    by_framework: dict[str, list[Shown]] = {}
    for study in page.studies:
        for framework in dict.fromkeys(row["framework"] for row in study.speeds):
            by_framework.setdefault(framework, []).append(study)
    for framework, every in by_framework.items():
        study = every[-1]
        rows = [row for row in usable(study.performance) if row["framework"] == framework]
        fastest = min(rows, key=lambda row: history.latency(row).value)
        most = max(rows, key=lambda row: row["batch_size"] / history.latency(row).value)
        cells = [
            Cell(hardware(page.facts), link=link(page.path)),
            Cell(page.model),
            Cell(fastest["framework_version"] or units.EMPTY),
            Cell(names.configuration(fastest, framework=False)),
            _latency(fastest, remarks.mark(study.doubt)),
            Cell(str(fastest["batch_size"])),
            Cell(f"{names.configuration(most, framework=False)}, batch {most['batch_size']}"),
            Cell(units.significant(1000 * most["batch_size"] / history.latency(most).value)),
            _top1(study, fastest),
            Cell(day(study.date)),
            Cell(str(len(every))),
        ]
        yield Line("", framework, {"framework": framework}, cells)


def _latency(row: Row, marks: tuple[str, ...] = ()) -> Cell:
    latency = history.latency(row)
    low, high = latency.interval or (None, None)
    return Cell(units.significant(latency.value), interval=units.interval(low, high), marks=marks)


def _top1(study: Shown, row: Row) -> Cell:
    top1 = next((one["top1"] for one in study.evaluated if history.same_configuration(one, row)), None)
    if top1 is None:
        return Cell(units.EMPTY, why="it was not evaluated on labelled images")
    return Cell(units.bare_percent(top1))


# The last figures of a model on a machine.

NOW = [
    Heading("Batch", "Images in a request."),
    LATENCY,
    Heading("Since before", "Latency over that of the study before on the same line; below 1 it is faster."),
    Heading("Verdict", "What the interval of that ratio shows: shown where both were measured together, in rounds, "
            "likely where that was at different times. Of all that did not change about 5 % look as if they had.",
            number=False),
    FPS,
    Heading("Memory", "Peak resident memory of the process.", "MiB"),
    Heading("Size", "The converted model’s files.", "MiB"),
    Heading("Version", "Of the framework.", number=False),
    Heading("Study", "Day of the study that measured it.", number=False),
    Heading("On the line", "Studies that measured it since the line began."),
]  # fmt: skip


def now(studies: Sequence[Shown], steps: Sequence[Step]) -> Listing:
    """The last figures of each point, and how its latency changed since the study before."""
    remarks, anchors = Remarks(), charts.anchors(studies)
    since = {
        (step.after.entry.path, key(row, POINT)): row
        for step in steps
        for row in step.changes
        if row["quantity"] == changes.LATENCY.name
    }
    lines = []
    for point, (study, row, count) in history.latest(studies).items():
        change = since.get((study.entry.path, point))
        cells = [
            Cell(str(row["batch_size"])),
            _latency(row, (*remarks.mark(row["warnings"]), *remarks.mark(study.doubt))),
            _ratio(change),
            Cell(change["verdict"] if change else units.EMPTY, why="" if change else "there is none before"),
            Cell(units.significant(1000 * row["batch_size"] / history.latency(row).value)),
            _figure(row["peak_rss_mib"]),
            _figure(row["model_bytes"], units.mebibytes),
            Cell(row["framework_version"] or units.EMPTY),
            Cell(day(study.date)),
            Cell(str(count)),
        ]
        lines.append(Line(anchors[point], names.configuration(row), kind(row), cells))
    caption = "The last figures of every configuration and batch size"
    return Listing("now", caption, NOW, lines, remarks.all())


def _figure(value: Optional[float], show: Callable[[Any], str] = units.significant) -> Cell:
    return Cell(show(value), why="" if value is not None else "it was not measured")


def _ratio(change: Optional[Row]) -> Cell:
    if change is None or change["change"] is None:
        return Cell(units.EMPTY, why=(change or {}).get("warnings") or "there is no study before on its line")
    low, high = change["change_ci_low"], change["change_ci_high"]
    return Cell(units.ratio(change["change"], low, high), interval=units.ratio_interval(change["change"], low, high))


# What changed.

CHANGED = [
    Heading("Study", "Day of the later one.", number=False),
    Heading("Batch", "Images in a request; none where quality is meant."),
    Heading("Quantity", "What changed.", number=False),
    Heading("Before", "In the last study before that measured it."),
    Heading("After", "In the later one."),
    Heading("Change", "After over before; of shares the difference, in percentage points."),
    Heading("Verdict", "Shown: exact, on the same images, or measured together, in rounds. Likely: the 95 % interval "
            "shows it, but both were measured at different times.", number=False),
    Heading("Versions", "Of the framework, before and after.", number=False),
]  # fmt: skip
STEPS = [
    Heading("From", "Day of the study before.", number=False),
    Heading("Shown", "Changes that are exact, told by the same images, or measured together, in rounds."),
    Heading("Likely", "Changes that intervals show, of figures that were measured at different times."),
    Heading("None shown", "Figures of which no difference is shown."),
    Heading("The same", "What is told in words, and did not change."),
    Heading("Cannot tell", "Figures without an interval, or not measured in the same way."),
    Heading("Versions", "Of frameworks that are not the same in both.", number=False),
]
IN_STEPS = (changes.SHOWN, changes.LIKELY, changes.TIE, changes.SAME, changes.UNTOLD)


def counted(steps: Sequence[Step]) -> Listing:
    """How many figures changed from study to study, from the newest on."""
    lines = []
    for number, step in enumerate(steps):
        counts = Counter(next(kind for kind in IN_STEPS if row["verdict"].startswith(kind)) for row in step.changes)
        cells = [
            Cell(day(step.before.date)),
            *(Cell(f"{counts[name]:,}") for name in IN_STEPS),
            Cell(names.listed(_versions(step)) or units.EMPTY, why="" if _versions(step) else "all are the same"),
        ]
        lines.append(Line(f"step-{number}", day(step.after.date), {}, cells))
    return Listing("steps", "How much changed from study to study", STEPS, lines, {}, named="Study")


def _versions(step: Step) -> list[str]:
    """`openvino 2026.3 → 2026.4`."""
    changed = ((row["framework"], row["old_version"], row["new_version"]) for row in step.changes)
    return [
        f"{framework} {old} → {new}"
        for framework, old, new in dict.fromkeys(changed)
        if old and new and old != new
    ]  # fmt: skip


def changed(steps: Sequence[Step]) -> Listing:
    """All that is shown or likely to have changed, from the newest step on; latencies come first, what is shown before.

    Of the rows of a step the order is that of `changes.changes`, which is by how sure a change is.
    """
    every = [
        (step, row)
        for step in steps
        for row in sorted(step.changes, key=lambda row: row["quantity"] != changes.LATENCY.name)
        if changes.shown(row) or changes.likely(row)
    ]
    remarks = Remarks()
    lines = [
        Line(f"change-{number}", names.configuration(row), kind(row), _change(step, row, remarks))
        for number, (step, row) in enumerate(every)
    ]  # fmt: skip
    return Listing("changed", "What changed from study to study", CHANGED, lines, remarks.all())


def _change(step: Step, row: Row, remarks: Remarks) -> list[Cell]:
    size = row.get("batch_size")
    versions: list[str] = [row["old_version"] or units.EMPTY, row["new_version"] or units.EMPTY]
    return [
        Cell(day(step.after.date)),
        Cell(units.EMPTY, why="quality is that of all batch sizes") if size is None else Cell(str(size)),
        Cell(told.WORDS[row["quantity"]]),
        told.figure(row, "old")._replace(marks=remarks.mark(_earlier(step, row))),
        told.figure(row, "new"),
        told.difference(row),
        told.verdict(row, told.worse(row), _doubts(step, row, remarks)),
        Cell(" → ".join(dict.fromkeys(versions))),
    ]


def _earlier(step: Step, row: Row) -> str:
    """What to say of an old figure that the study before does not have."""
    same = row["before"].entry.path == step.before.entry.path
    return "" if same else "is of an older study than the one before, which did not measure this"


def _doubts(step: Step, row: Row, remarks: Remarks) -> tuple[str, ...]:
    """Of a latency, the marks of the studies on either side in which the machine was too busy."""
    if row["quantity"] != changes.LATENCY.name:
        return ()
    sides = {"the study before": row["before"], "the later study": step.after}
    return tuple(
        mark for called, side in sides.items() if side.doubt for mark in remarks.mark(f"{called}: {side.doubt}")
    )


# Where lines end, and the studies behind all.

BREAKS = [
    Heading("From", "Day of the study before.", number=False),
    Heading("What is not the same", "Figures of before and after may not be compared.", number=False),
]
STUDIES = [
    Heading("State", "Whether it was finished, whether the machine was too busy, whether it counts.", number=False),
    Heading("Page", "The study’s own page.", number=False),
    Heading("Data", "Its study.json; the tables as Parquet lie beside it.", number=False),
    Heading("Machine", "CPU, processors, memory and NVIDIA GPUs.", number=False),
    Heading("Kernel", "Of the machine.", number=False),
    Heading("Host", "Its name, as the machine tells.", number=False),
    Heading("Models", "That were studied.", number=False),
    Heading("Config", "Digest of it: studies with the same one asked for the same.", number=False),
    Heading("Frameworks", "With the versions that gave figures.", number=False),
]


def ended(breaks: Sequence[Break]) -> Listing:
    """Where lines end, and why."""
    lines = [
        Line(f"break-{number}", day(each.after.date), {}, [Cell(day(each.before.date)), Cell("; ".join(each.reasons))])
        for number, each in enumerate(breaks)
    ]  # fmt: skip
    return Listing("breaks", "Where lines end", BREAKS, lines, {}, named="Study")


def studies(entries: Sequence[Entry], doubts: Mapping[str, str], link: Link) -> Listing:
    """Every study, from the newest on.

    Args:
        doubts: of those that count, by path.
    """
    remarks = Remarks()
    lines = [
        _study(each, remarks.mark(doubts.get(each.path)), number, link) for number, each in enumerate(reversed(entries))
    ]
    return Listing("studies", "All studies", STUDIES, lines, remarks.all(), named="Measured")


def _study(of: Entry, doubt: tuple[str, ...], number: int, link: Link) -> Line:
    content = of.content
    versions = [f"{name} {', '.join(each)}" for name, each in content["versions"].items() if each]
    state = f"{content['status']}{', doubtful' if doubt else ''}" if of.invalid is None else f"invalid: {of.invalid}"
    cells = [
        Cell(state, tone="loss reason" if of.invalid is not None else "", marks=doubt),
        Cell("page", link=link(f"studies/{of.path}/page/index.html")),
        Cell("study.json", link=link(f"studies/{of.path}/study.json")),
        Cell(hardware(content["machine"])),
        Cell(content["machine"]["kernel"]),
        Cell(names.listed(content["hostnames"]) or units.EMPTY, why="" if content["hostnames"] else "it tells none"),
        Cell(names.listed(list(content["models"]), 3)),
        Cell(content["config_digest"]),
        Cell(names.listed(versions)),
    ]
    return Line(f"study-{number}", charts.minute(content["last"]).replace("T", " ").removesuffix("Z"), {}, cells)
