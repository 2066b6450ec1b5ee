"""measurements.csv: what each session found, and how its process was launched, fed and disturbed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import columns, doubts, race, surroundings
from dliflow.analysis.doubts import Seen
from dliflow.analysis.rows import grouped
from dliflow.analysis.tables import shared
from dliflow.records import record

# Figures of an opened session that are the row's too; a test compares their kinds with those of the record's schema.
COPIED = (
    *("load_ms", "first_request_ms", "warmup_stopped_by", "peak_rss_mib", "threads_in_effect"),
    *("inputs_mib", "distinct_batches", "inputs_exceed_cache"),
)
COUNTERS = ("involuntary_switches", "major_faults", "minor_faults")
MACHINE = ("cpu", "hostname", "kernel", "microcode")


class Session(NamedTuple):
    """A session that gave figures: what performance.csv makes its configuration's row of."""

    row: shared.Row
    durations_ms: np.ndarray
    """Of its requests, float64, in their order."""
    seen: Seen


class Measured(NamedTuple):
    """What a configuration's records hold; of tuned launch settings what one race's do."""

    key: tuple
    """What has a slope of its own: the values of `columns.MEASURED`; of tuned settings those of `columns.POINT`."""
    node: str
    rows: shared.Rows
    """Those of measurements.csv."""
    sessions: dict[tuple, list[Session]]
    """By point (`columns.POINT`)."""
    groups: list[dict[str, Any]]
    """As `anchored.bursts` takes them; of tuned settings those of them and the default together."""
    tuned: bool = False


def read(study_plan: dict[str, Any]) -> Iterator[Measured]:
    """Each configuration, one after another: raw durations of thousands of them would fill the memory."""
    for configuration, planned in grouped(study_plan["sweep"], columns.MEASURED).items():
        yield _swept(configuration, planned)
    for row in study_plan["tune"]:
        yield from _tuned(row)


def _swept(configuration: tuple, planned: shared.Rows) -> Measured:
    """One row for each session, or for each batch size of a group that has none.

    Args:
        planned: the plan's rows of the configuration.
    """
    measured = Measured(configuration, planned[0]["node"], [], {}, [])
    known_of: dict[tuple, dict[str, Any]] = {}  # the rows of a record's batch sizes share what is read of it
    for one in planned:
        key = one["record"], one["reason"]
        if key not in known_of:
            known_of[key] = record.latest(one)
            measured.groups.extend(shared.figures(known_of[key]).get("groups", []))
        outcome = record.at_size(known_of[key], one["batch_size"])
        row = {**shared.identity(one, outcome), "record": outcome.get("path", one["record"])}
        groups = shared.figures(outcome).get("groups", [])
        sessions = [
            _session(row, outcome["record"], group, session, number, _member(group))
            for number, (group, session) in enumerate(_of_size(groups, row["batch_size"]), 1)
        ]
        measured.sessions.setdefault(shared.values(row, columns.POINT), []).extend(sessions)
        measured.rows.extend([session.row for session in sessions] or [row])
    return measured


def _tuned(planned: shared.Row) -> Iterator[Measured]:
    """Launch settings that are shown to be faster than the default ones: they took turns with these."""
    outcome = record.latest(planned)
    figures = shared.figures(outcome)
    if not figures.get("chosen"):
        return
    sessions = []
    for number, group in enumerate(figures["confirm"], 1):
        of_member = {"threads": group["members"][race.TUNED]["identity"]["threads"], "group": number}
        row = {**shared.identity(planned, outcome), **of_member, "record": planned["record"]}
        sessions += [
            _session(row, outcome["record"], group, session, opening, race.TUNED)
            for opening, session in enumerate(group["sessions"], 1)
        ]
    point = shared.values(planned, columns.POINT)
    yield Measured(
        point, planned["node"], [one.row for one in sessions], {point: sessions}, figures["confirm"], tuned=True
    )


def _member(group: dict[str, Any]) -> str:
    """The name of a sweep's only member."""
    (name,) = group["members"]
    return name


def _of_size(groups: list[dict[str, Any]], batch_size: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each session of this batch size, with its group: a record has several where a process broke."""
    for group in groups:
        name = _member(group)
        yield from (
            (group, session) for session in group["sessions"] if session["opened"][name]["batch_size"] == batch_size
        )


def _session(
    row: shared.Row, of: dict[str, Any], group: dict[str, Any], session: dict[str, Any], number: int, name: str
) -> Session:
    """The whole row of a session, and what it is made of.

    Args:
        row: its identity.
        of: its record.
        number: of the session among those of its batch size in this record.
        name: of the member.
    """
    ready, opened, usable_cpus = group["members"][name], session["opened"][name], of["machine"]["usable_cpus"]
    latency_ns = doubts.durations(session, name)
    whole = {
        **row,
        "session": number,
        **_durations(latency_ns / 1e6, row["batch_size"]),
        **{key: opened[key] for key in COPIED},
        **{key: opened["counters"][key] for key in COUNTERS},
        **{key: ready[key] for key in ("import_ms", "model_bytes")},
        "energy_mj": energy_mj(session, name),
        "rounds": len(session["rounds"]),
        "warmup_requests": len(opened["warmup_ns"]),
        "warmup_ms": sum(opened["warmup_ns"]) / 1e6,
        "anchor_ms": surroundings.anchor_ms([session]),
        "anchor_threads": session["anchor_threads"],
        "anchor": surroundings.anchor(group, session),
        "launch": launch(opened["launch"]["asked"], of["figures"]),
        "settings": shared.settings(ready["identity"]),
        "started_at": session["started_at"],
        "wall_ms": session["wall_ms"],
        "group_ms": group["wall_s"] * 1e3,
        **{key: group["disturbance"][key] for key in ("others_cpu_s", "steal_s")},
        "taken_share": surroundings.taken_share([group], usable_cpus),
        **{key: of["machine"].get(key) for key in MACHINE},
        "finished_at": of["finished_at"],
    }
    seen = Seen(opened, latency_ns, group, usable_cpus, of["figures"]["distinct_asked"])
    return Session(whole, latency_ns / 1e6, seen)


def energy_mj(session: dict[str, Any], name: str) -> Optional[float]:
    """mJ that the machine took for a request, over all bursts of a session; None where it does not tell."""
    taken = [round_.get("energy_uj", {}).get(name) for round_ in session["rounds"]]
    return None if None in taken else sum(taken) / len(doubts.durations(session, name)) / 1e3


def _durations(durations: np.ndarray, batch_size: int) -> dict[str, Any]:
    """What the durations of a session's requests tell.

    Args:
        durations: float64 (requests,), ms, in their order.
    """
    median = float(np.median(durations))
    return {
        "requests": len(durations),
        "latency_p50_ms": median,
        "latency_mean_ms": float(durations.mean()),
        "latency_mad_ms": float(np.median(np.abs(durations - median))),
        "latency_min_ms": float(durations.min()),
        "latency_max_ms": float(durations.max()),
        "fps": batch_size / median * 1e3,
    }


def launch(asked: dict[str, Any], figures: dict[str, Any]) -> str:
    """How a record's processes were launched and fed where that is not the default, in few words.

    Args:
        asked: the config's `launch`.
        figures: the record's, which tell of the inputs.
    """
    words = placed(asked)
    words += ["random inputs"] if figures["inputs"] == "random" else []
    most = figures["distinct_asked"]
    words += [f"{most} distinct input{'s' if most > 1 else ''}"] if most else []
    return "; ".join(words)


def placed(asked: dict[str, Any]) -> list[str]:
    """What of the config's `launch` is not the default, in words."""
    words = {"cpus": "cpus", "numa_node": "NUMA node", "priority": "nice"}
    given = [f"{word} {asked[key]}" for key, word in words.items() if asked[key] is not None]
    return given + [f"{name}={value}" for name, value in asked["environment"].items()]
