"""What the tables tell of a deployed row, for its README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dliflow.analysis.quality import quality as quality_of
from dliflow.analysis.ranking import FASTEST, TIE, Ranking, Standing
from dliflow.analysis.rows import Row, Rows, key
from dliflow.files import read_json
from dliflow.report import conclusion, cost, names, units
from dliflow.report.read import CONFIGURATION, POINT, Tables

MODES = {
    "queue": "the framework's own queue of requests, set up for that many",
    "threads": "as many threads that call one session",
    "sessions": "as many threads, each with a session of its own",
    "processes": "as many processes, each with a session and processors of its own",
}
"""How several requests come to be in flight, by `mode` of throughput.csv."""


class Figure(NamedTuple):
    """A line of the table of figures."""

    name: str
    value: str


class Place(NamedTuple):
    """Where a row stands at its batch size."""

    standing: Standing
    ties: list[str]
    """Where it leads, or is level with who does: with whom no difference was shown."""

    @property
    def row(self) -> Row:
        """Of performance.csv."""
        return self.standing.row


def standing(ranking: Ranking, row: Row) -> Place:
    """What is quoted of a row."""
    standings = ranking.sizes[row["batch_size"]]
    mine = next(one for one in standings if one.row == row)
    level = [one for one in standings if one.verdict in (FASTEST, TIE)]
    return Place(mine, [names.configuration(one.row) for one in level if one is not mine] if mine in level else [])


def performance(one: Standing) -> Iterator[Figure]:
    """Speed and memory; intervals are those of the tables."""
    row = one.row
    yield Figure("latency of a batch at the machine's reference state", f"{units.figure(one.latency)} ms")
    measured = units.interval(row["latency_ci_low_ms"], row["latency_ci_high_ms"])
    yield Figure(
        "latency of a batch as measured, median",
        f"{units.significant(row['latency_p50_ms'])} {measured}".rstrip() + " ms",
    )
    yield Figure("images per second at the reference state", units.figure(one.fps))
    for column, name in (("load_ms", "loading the model"), ("first_request_ms", "first request")):
        if row[column] is not None:
            yield Figure(name, f"{units.significant(row[column])} ms")
    if row["peak_rss_mib"] is not None:
        yield Figure("memory of the process, at most", f"{units.significant(row['peak_rss_mib'])} MiB")
    if row["model_bytes"] is not None:
        yield Figure("files of the model", f"{units.mebibytes(row['model_bytes'])} MiB")


def throughput(loads: Rows) -> Iterator[Figure]:
    """What was measured with several requests in flight.

    Args:
        loads: of throughput.csv.
    """
    for row in loads:
        ends = units.interval(row["images_per_s_ci_low"], row["images_per_s_ci_high"])
        name = f"images per second with {names.count(row['in_flight'], 'request')} in flight, at the reference state"
        yield Figure(name, f"{units.significant(row['images_per_s'])} {ends}".rstrip())
        yield Figure("how so many are in flight", MODES[row["mode"]])


def quality(tables: Tables, row: Row) -> Iterator[Figure]:
    """Accuracy, and agreement where there are images without labels."""
    of_row = [each for each in tables.accuracy if key(each, CONFIGURATION) == key(row, CONFIGURATION)]
    for each in of_row:
        if each["status"] != "ok":
            yield Figure(f"accuracy on {each['dataset']}", f"{each['status']}: {each['reason']}")
            continue
        images = f"of {each['images']:,} images of {each['dataset']}"
        for name, column in (("top-1", "top1"), ("top-5", "top5")):
            ends = units.interval(each[f"{column}_ci_low"], each[f"{column}_ci_high"], units.bare_percent)
            yield Figure(name, f"{units.percent(each[column])} {ends} {images}")
        if each["top1_change"] is not None:
            ends = units.interval(each["top1_change_ci_low"], each["top1_change_ci_high"], units.points)
            change = f"{units.points(each['top1_change'])} pp {ends}".rstrip()
            yield Figure("change of top-1", f"{change} against {names.member(each['baseline'])}, on the same images")
        if each["unlabelled_agreement"] is not None:
            low, high = each["unlabelled_agreement_ci_low"], each["unlabelled_agreement_ci_high"]
            share = f"{units.percent(each['unlabelled_agreement'])} {units.interval(low, high, units.bare_percent)}"
            images = f"of {each['unlabelled_images']:,} images of {each['unlabelled_dataset']}"
            yield Figure("same class as FP32", f"{share} {images}")
        of = quality_of(each)
        if of.most is not None:
            alone = "" if of.alone is None else f"; by the images alone {units.at_most(of.alone)}"
            yield Figure("top-1 lost, at most", f"{cost.most(of)}{alone}")


def doubts(tables: Tables, row: Row) -> list[str]:
    """What must be known before a figure is believed, one after another."""
    known = conclusion.costs(tables.accuracy).get(key(row, CONFIGURATION))
    words = [known.warning, known.doubt] if known else ["there is no row of its accuracy"]
    return [word for word in (*words, row["warnings"] or "") if word]


def last_record(tables: Tables, row: Row) -> Optional[dict[str, Any]]:
    """The newest record with a measurement of the row; None where there is none."""
    mine = [each for each in tables.measurements if key(each, POINT) == key(row, POINT) and each["status"] == "ok"]
    return read_json(Path(max(mine, key=lambda each: each["finished_at"])["record"])) if mine else None


def circumstances(row: Row, record: Optional[dict[str, Any]]) -> Iterator[Figure]:
    """When and on what it was measured.

    Args:
        record: one of the row; None where there is none.
    """
    if row["threads_in_effect"] is not None:
        yield Figure("compute threads", str(row["threads_in_effect"]))
    if record is not None:
        machine = record["machine"]
        yield Figure("measured", record["finished_at"].partition("T")[0])
        cores = f"{machine['usable_cpus']} processors, {machine['physical_cores']} cores"
        virtual = "a virtual machine" if machine["virtualised"] else "no virtual machine"
        flags = ", ".join(machine["flags"]) or "none that speed up inference"
        yield Figure("machine", f"{machine['cpu']} ({cores}; {virtual}; {machine['os']} {machine['kernel']})")
        yield Figure("its instructions", flags)
    if row["launch"]:
        yield Figure("launch", row["launch"])
