"""What weakens figures: what was seen, and what to do about it. Pure functions of what records hold.

Only what is unusual is told: that machines change their speed is what the anchor and the intervals are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import comparison as compared
from dliflow.analysis import surroundings
from dliflow.analysis.comparison import TIE, Pair, Ratio
from dliflow.analysis.ranking import Standing
from dliflow.analysis.strain import BUSY, Strain

# Shares from which on a figure is worth a warning. They are judgements, not laws: below them the effect drowns in the
# spread between sessions that the interval already shows.
OTHERS, STEAL, FREQUENCY, VAGUE = 0.05, 0.02, 1.10, 0.10
DOUBTFUL = "DOUBTFUL: "  # before a warning of a machine too busy to measure on
BETWEEN = " · "  # two warnings of one row; within one a semicolon stands before what to do
MORE_GROUPS = "raise latency.groups"  # what to do about the interval of the sweep, and about nothing else
FAULT_NS, FAULTS = 500, 0.05  # what a page fault takes at least (trap, 4 KiB of zeros), and the share of a request


class Seen(NamedTuple):
    """A session of one member: what `opened` in its record tells, its requests' durations, and its group."""

    opened: dict[str, Any]
    latency_ns: np.ndarray
    group: dict[str, Any]
    usable_cpus: int
    distinct_asked: Optional[int]


def _groups(sessions: Sequence[Seen]) -> list[dict[str, Any]]:
    """Their groups, each once."""
    return list({id(one.group): one.group for one in sessions}.values())


def _faults(sessions: Sequence[Seen]) -> str | None:
    """Did requests wait for memory that the allocator had given back to the system after the last one?"""
    each = [one.opened["counters"]["minor_faults"] / len(one.latency_ns) for one in sessions]
    shares = [faults * FAULT_NS / np.median(one.latency_ns) for faults, one in zip(each, sessions)]
    if np.median(shares) <= FAULTS:
        return None
    return (
        f"each request made {np.median(each):,.0f} page faults, since the memory allocator returns memory and fetches "
        'it anew; to see what that costs, set launch.environment: {MALLOC_TRIM_THRESHOLD_: "4294967296", '
        'MALLOC_MMAP_THRESHOLD_: "4294967296"} (glibc), or LD_PRELOAD there for another allocator'
    )


def _frequency(groups: Sequence[dict[str, Any]]) -> str | None:
    values = [
        value
        for group in groups
        for when in ("frequencies_before_mhz", "frequencies_after_mhz")
        for value in group["disturbance"][when].values()
    ]
    if not values or max(values) <= FREQUENCY * min(values):
        return None
    return (
        f"processor frequencies went from {min(values):.0f} to {max(values):.0f} MHz; set the governor to performance"
    )


def of_others(groups: Sequence[dict[str, Any]], usable_cpus: int, busy: Optional[bool] = None) -> list[str]:
    """Did others take processors?

    Args:
        busy: whether they took too much; by all groups together when absent.
    """
    shares = (surroundings.share(groups, usable_cpus, key) for key in ("others_cpu_s", "steal_s"))
    others, steal = (share or 0.0 for share in shares)
    mark = DOUBTFUL if (others + steal > BUSY if busy is None else busy) else ""
    warnings = []
    if others > OTHERS:
        warnings.append(f"{mark}other processes took {100 * others:.0f} % of the processors' time; stop them")
    if steal > STEAL:
        warnings.append(
            f"{mark}the hypervisor gave {100 * steal:.0f} % of the processors' time to other machines; use another host"
        )
    return warnings


def of_strain(strain: Strain) -> list[str]:
    """Was the machine too slow? That others took too much of it is told with how much."""
    if not strain.slow:
        return []
    return [f"{DOUBTFUL}the anchor took {strain.slowed:.1f} times as long as at its best; let the machine come to rest"]


def doubtful(warnings: Iterable[str]) -> list[str]:
    """Those of a row's warnings that make its figures doubtful, without the mark."""
    return [warning.removeprefix(DOUBTFUL) for warning in warnings if warning.startswith(DOUBTFUL)]


def joined(warnings: Sequence[str]) -> str:
    """As a cell: those that make figures doubtful stand first."""
    return BETWEEN.join(sorted(warnings, key=lambda warning: not warning.startswith(DOUBTFUL)))


def separate(cell: str | None) -> list[str]:
    """The warnings of a cell, as `joined` wrote them; none of an empty one."""
    return cell.split(BETWEEN) if cell else []


def _disk(sessions: Sequence[Seen]) -> str | None:
    """Did requests wait for memory that lay on disk?"""
    faults = sum(one.opened["counters"]["major_faults"] for one in sessions)
    return f"{faults:,.0f} page faults read from disk during requests; free some memory" if faults else None


def _same_batch(sessions: Sequence[Seen]) -> str | None:
    """Requests ought to rotate over distinct batches; some datasets are too small for it."""
    for one in sessions:
        if one.opened["distinct_batches"] == 1 and one.distinct_asked is None:
            return (
                "each request was the same batch, which stays in the processor's caches: there are images for one of "
                f"{one.opened['batch_size']} only; use more images (dataset, latency.images), or set latency.distinct: "
                "1 if that is wanted"
            )
    return None


def _outside(sessions: Sequence[Seen]) -> str | None:
    """A framework may pin its threads itself, and whoever asked for processors would not know."""
    for one in sessions:
        outside = one.opened["launch"]["in_effect"]["outside"]
        if outside:
            return (
                f"threads could run on processors {outside}, too, which launch does not name: the framework sets that "
                "itself; look for an option against it, or confine the whole workflow (a container's --cpuset-cpus)"
            )
    return None


def _crowded(sessions: Sequence[Seen]) -> str | None:
    """More threads than processors wait for each other."""
    for one in sessions:
        if (one.opened["threads_in_effect"] or 0) > one.usable_cpus:
            return (
                f"{one.opened['threads_in_effect']} threads shared {one.usable_cpus} processors; set threads to no "
                "more than that"
            )
    return None


def _anchors(groups: Sequence[dict[str, Any]]) -> str | None:
    """Was the anchor the same for all?"""
    kinds = sorted({surroundings.anchor(group, session) for group in groups for session in group["sessions"]})
    if len(kinds) < 2:
        return None
    return f"the anchor was not the same in all groups ({'; '.join(kinds)}): they cannot be compared; measure all again"


def of_interval(half_width: Optional[float]) -> list[str]:
    """Is the latency at the reference state hardly known?

    Args:
        half_width: half its interval, as a share of it; None for no interval.
    """
    if half_width is None:
        return [f"one session: no interval; {MORE_GROUPS}"]
    if half_width <= VAGUE:
        return []
    return [f"the latency at the reference state is known to ± {100 * half_width:.0f} % only; {MORE_GROUPS}"]


def beside_latency(of: Standing) -> str:
    """What weakens the latency that is quoted; where rounds settle it, the sweep's interval does not."""
    warnings: str = of.row["warnings"] or ""
    return beside_rounds(warnings) if of.rounds else warnings


def beside_rounds(warnings: str) -> str:
    """A row's without that of the sweep's interval, for what does not rest on it."""
    return BETWEEN.join(text for text in separate(warnings) if not text.endswith(MORE_GROUPS))


def of_point(sessions: Sequence[Seen], under_load: bool = False, busy: Optional[bool] = None) -> list[str]:
    """Warnings about a configuration at a batch size, beside that of its interval.

    Args:
        under_load: several requests are in flight: then more threads than processors are what was asked for.
        busy: whether others took too much of the machine; by all groups together when absent.
    """
    groups, usable_cpus = _groups(sessions), sessions[0].usable_cpus
    possible = [
        _anchors(groups),
        _same_batch(sessions),
        _outside(sessions),
        None if under_load else _crowded(sessions),
        _frequency(groups),
        _faults(sessions),
        *of_others(groups, usable_cpus, busy),
        _disk(sessions),
    ]
    return [warning for warning in possible if warning]


def of_pair(groups: Sequence[dict[str, Any]], usable_cpus: int, pair: Pair, ratio: Ratio, width: float) -> list[str]:
    """Warnings about a pair that was measured in rounds.

    Args:
        ratio: the pair's over all of them.
        width: half of the ratio's interval that was asked for, as a share of the ratio.
    """
    warnings = [_state(groups, pair), _unsettled(ratio, width), *of_others(groups, usable_cpus)]
    members = [f"{name}: {warning}" for name in pair[:2] for warning in _member(groups, usable_cpus, name)]
    return [*(warning for warning in warnings if warning), *members]


def _member(groups: Sequence[dict[str, Any]], usable_cpus: int, name: str) -> list[str]:
    """What a member's own processes, one in each group, told."""
    sessions = [
        Seen(session["opened"][name], durations(session, name), group, usable_cpus, None)
        for group in groups
        for session in group["sessions"]
    ]
    return [warning for warning in (_faults(sessions), _disk(sessions), _outside(sessions)) if warning]


def durations(session: dict[str, Any], name: str) -> np.ndarray:
    """Of all requests of a member in a session, ns, in their order."""
    return np.concatenate([round_["latency_ns"][name] for round_ in session["rounds"]])


def _state(groups: Sequence[dict[str, Any]], pair: Pair) -> Optional[str]:
    """Does the outcome depend on what the machine was doing?"""
    states = compared.at_state(groups, pair)
    if not states.matter:
        return None
    return (
        "who is faster depends on the state of the machine: the first takes "
        f"{100 * states.fast.ratio:.1f} % of the second's time when the machine is fast, "
        f"{100 * states.slow.ratio:.1f} % when it is slow; decide by the state that yours will be in"
    )


def _unsettled(ratio: Ratio, width: float) -> Optional[str]:
    """Did the budget end before anything was known?"""
    if ratio.verdict != TIE:
        return None
    if ratio.interval is None:
        return "one group of rounds gives no interval; raise compare.groups"
    half = (ratio.interval[1] / ratio.interval[0]) ** 0.5 - 1
    if half <= width:
        return None
    return (
        f"the ratio is known to no better than ± {100 * half:.1f} %, where ± {100 * width:.1f} % was asked for: a "
        "smaller difference would not have shown; raise compare.budget_s"
    )
