"""throughput.csv: images per second with several requests in flight at a time, and what each takes under that load."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import anchored, columns, doubts, load, state, stats, strain, surroundings
from dliflow.analysis.load import Busy, Reached
from dliflow.analysis.rows import grouped, key
from dliflow.analysis.state import Estimate
from dliflow.analysis.tables import shared
from dliflow.analysis.tables.measurements import launch
from dliflow.records import record

LOADED = (*columns.MEASURED, "in_flight")  # what has a slope of its own
POINT = (*LOADED, "batch_size")  # what a row is of
ALONE = (*columns.MEASURED, "batch_size")  # what has a knee
PERCENTS = (50, 90, 99)
KNOWN = (*POINT, "framework_version", "threads", "status", "reason", "record", "p99_budget_ms")


class Session(NamedTuple):
    """An opening at one batch size with one number of requests in flight."""

    group: dict[str, Any]
    session: dict[str, Any]
    of: dict[str, Any]
    """Its record."""

    @property
    def name(self) -> str:
        """That of the only member."""
        (name,) = self.group["members"]
        return name

    @property
    def opened(self) -> dict[str, Any]:
        """What opening it showed."""
        return self.session["opened"][self.name]

    @property
    def windows(self) -> list[Busy]:
        """Of its bursts."""
        return [load.busy(round_, self.name) for round_ in self.session["rounds"]]


def rows(
    study_plan: dict[str, Any],
    parity_rows: shared.Rows,
    swept: Mapping[str, Mapping[tuple, anchored.Bursts]],
    best: strain.Best = MappingProxyType({}),
) -> shared.Rows:
    """One row for each configuration, batch size and number of requests in flight.

    Args:
        swept: by node and configuration the bursts of the sweep, at whose reference state they are read off where it
            has one.
        best: `strain.best_states` of all other measurements of the study.
    """
    parity = {shared.values(row): row for row in parity_rows}
    loaded: dict[str, dict[tuple, anchored.Bursts]] = {}
    table: shared.Rows = []
    for planned in grouped(study_plan["throughput"], columns.MEASURED).values():
        of_groups, sessions = _read(planned)
        for configuration, groups in _by_configuration(sessions).items():
            (bursts,) = anchored.bursts(groups, load.request_ms).values()
            loaded.setdefault(planned[0]["node"], {})[configuration] = bursts
        table += [_point(its_rows, sessions[point]) for point, its_rows in grouped(of_groups, POINT).items()]
    nodes = {node: _node(of_node, swept.get(node, {})) for node, of_node in loaded.items()}
    measured = [row for row in table if row.get("sessions")]
    for row in measured:
        reference, estimates = nodes[row["node"]]
        row["anchor_threads"] = loaded[row["node"]][key(row, LOADED)].threads
        row |= _rates(row, reference, estimates[key(row, LOADED), row["batch_size"]])
    best = strain.best_states(measured, best)
    for row in measured:
        row["warnings"] = doubts.joined([*doubts.of_strain(strain.under_load(row, best)), *row["warnings"]])
    for row in table:
        shared.fail_with_parity(row, parity[shared.values(row)])
    for of_one in grouped(_good(table), ALONE).values():
        _mark_knee(of_one)
    for of_setting in grouped(_good(table), columns.SETTING).values():
        _mark_budget(of_setting)
    return table


def _read(planned: shared.Rows) -> tuple[shared.Rows, dict[tuple, list[Session]]]:
    """The rows of a configuration's groups, and the sessions of each of its points.

    Args:
        planned: the plan's rows of the configuration.
    """
    of_groups: shared.Rows = []
    sessions: dict[tuple, list[Session]] = {}
    known_of: dict[tuple, dict[str, Any]] = {}
    for one in planned:
        place = one["record"], one["reason"]
        if place not in known_of:
            known_of[place] = record.latest(one)
        outcome = record.at_size(known_of[place], one["batch_size"], one["in_flight"])
        row = {**shared.identity(one, outcome), "record": outcome.get("path", one["record"])}
        of_groups.append(row)
        sessions.setdefault(key(row, POINT), []).extend(_sessions(outcome, row))
    return of_groups, sessions


def _point(its_rows: shared.Rows, sessions: Sequence[Session]) -> shared.Row:
    """A point's row, with all figures that need no other point."""
    failed = [row for row in its_rows if row["status"] == "failed"]
    row = {name: (failed or its_rows)[0].get(name) for name in KNOWN}
    if failed and sessions:
        row["reason"] = f"{len(failed)} of {len(its_rows)} groups: {failed[0]['reason']}"
    return row | (_figures(sessions) if sessions else {})


def _sessions(outcome: dict[str, Any], row: shared.Row) -> Iterator[Session]:
    """Those of a record that are of a row."""
    for group in shared.figures(outcome).get("groups", []):
        for one in group["sessions"]:
            whole = Session(group, one, outcome["record"])
            if (whole.opened["batch_size"], whole.opened["in_flight"]) == (row["batch_size"], row["in_flight"]):
                yield whole


Node = tuple[anchored.Reference, Mapping[tuple[tuple, int], Estimate]]


def _node(loaded: Mapping[tuple, anchored.Bursts], swept: Mapping[tuple, anchored.Bursts]) -> Node:
    """A node's reference state, and by `LOADED` and batch size the wall time for each request.

    The reference is the sweep's, so that latency and throughput are of the same state; where the anchor had so many
    threads under load only, that of these bursts.
    """
    reference = anchored.reference_state(loaded.values()) | anchored.reference_state(swept.values())
    return reference, state.estimates(loaded, reference)


def _by_configuration(sessions: Mapping[tuple, Sequence[Session]]) -> dict[tuple, list[dict[str, Any]]]:
    """Groups as `anchored.bursts` takes them, with the sessions of one configuration and number in flight alone."""
    groups: dict[tuple, dict[int, dict[str, Any]]] = {}
    for point, of_point in sessions.items():
        for one in of_point:
            same = groups.setdefault(point[:-1], {})
            same.setdefault(id(one.group), {**one.group, "sessions": []})["sessions"].append(one.session)
    return {configuration: list(same.values()) for configuration, same in groups.items()}


def _figures(sessions: Sequence[Session]) -> dict[str, Any]:
    """The figures of a row that its own sessions tell."""
    windows = [one.windows for one in sessions]
    latencies = [np.concatenate([each.latency_ns for each in of_one]) / 1e6 for of_one in windows]
    latencies = [values for values in latencies if len(values)]
    first = sessions[0]
    peaks = [one.opened["peak_rss_mib"] for one in sessions if one.opened["peak_rss_mib"] is not None]
    return {
        **{f"latency_p{percent}_ms": stats.percentile(latencies, percent) for percent in PERCENTS},
        "mode": first.opened["mode"],
        "threads_in_effect": first.opened["threads_in_effect"],
        "launch": launch(first.opened["launch"]["asked"], first.of["figures"]),
        "load_ms": float(np.median([one.opened["load_ms"] for one in sessions])),
        "peak_rss_mib": max(peaks, default=None),
        "requests": sum(map(len, latencies)),
        "wall_s": sum(each.wall_ns for of_one in windows for each in of_one) / 1e9,
        "groups": len({id(one.group) for one in sessions}),
        "sessions": len(sessions),
        "anchor_ms": surroundings.anchor_ms(one.session for one in sessions),
        "warnings": doubts.of_point(_seen(sessions), under_load=True),
    }


def _rates(row: shared.Row, reference: anchored.Reference, estimate: Estimate) -> dict[str, Any]:
    """The figures of a row that rest on the whole study of its node.

    Args:
        estimate: of the wall time for each request, ms.
    """

    def rate(request_ms: float) -> float:
        return float(row["batch_size"] / request_ms * 1e3)

    def ends(name: str, interval: Optional[tuple[float, float]]) -> dict[str, float]:
        return {} if interval is None else {f"{name}_ci_low": rate(interval[1]), f"{name}_ci_high": rate(interval[0])}

    return {
        "images_per_s": rate(estimate.reference),
        **ends("images_per_s", estimate.reference_interval),
        "images_per_s_measured": rate(estimate.latency),
        **ends("images_per_s_measured", estimate.interval),
        "state_slope": estimate.slope,
        "reference_anchor_ms": math.exp(reference[row["anchor_threads"]]),
    }


def _seen(sessions: Sequence[Session]) -> list[doubts.Seen]:
    """What doubts ask of them; sessions with other numbers in flight, whose anchor has other threads, are left out."""
    groups = {id(one.group): {**one.group, "sessions": []} for one in sessions}
    for one in sessions:
        groups[id(one.group)]["sessions"].append(one.session)
    return [
        doubts.Seen(
            one.opened,
            doubts.durations(one.session, one.name),
            groups[id(one.group)],
            one.of["machine"]["usable_cpus"],
            one.of["figures"]["distinct_asked"],
        )
        for one in sessions
    ]


def _good(table: shared.Rows) -> shared.Rows:
    """Rows whose figures can be believed."""
    return [row for row in table if row["status"] == "ok" and row.get("images_per_s")]


def _mark_knee(of_one: shared.Rows) -> None:
    """Say of each row whether it is the knee.

    Args:
        of_one: rows of a configuration and batch size.
    """
    reached = [Reached(row["in_flight"], row["images_per_s"], row.get("images_per_s_ci_high")) for row in of_one]
    place = load.knee(reached)
    for row in of_one:
        row["knee"] = row["in_flight"] == place


def _mark_budget(of_setting: shared.Rows) -> None:
    """Say of each row whether it keeps the budget of latency, if there is one, and which has most images per second.

    Args:
        of_setting: rows of a model, device and node.
    """
    known = [row for row in of_setting if row["p99_budget_ms"] is not None and row["latency_p99_ms"] is not None]
    for row in known:
        row["within_budget"] = row["latency_p99_ms"] <= row["p99_budget_ms"]
    within = [row for row in known if row["within_budget"]]
    most = max(within, key=lambda row: row["images_per_s"], default=None)
    for row in known:
        row["most_within_budget"] = row is most
