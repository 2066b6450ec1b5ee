"""What weakens the figures of a configuration: what was seen, and what to do about it. Pure functions of records.

`Seen` is what several processes, or groups of rounds, showed: figures of their records and of their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from dliflow.analysis import surroundings
from dliflow.analysis.comparison import TIE, Ratio, States

Seen = Sequence[dict[str, Any]]

# Shares from which on a figure is worth a warning. They are judgements, not laws: below them the effect drowns in the
# spread between processes that the interval already shows.
OTHERS, STEAL, SPEED, FREQUENCY, DRIFT, VAGUE = 0.02, 0.01, 1.15, 1.10, 0.02, 0.05
FAULT_NS, FAULTS = 500, 0.05  # what a page fault takes at least (trap, 4 KiB of zeros), and the share of a request
# From these on figures tell more of the machine than of what was measured on it, and nothing is called the fastest.
BUSY = 0.25  # of the processors' time went to others: half a processor of two, by which results differ at least as much
SLOWED = 3.0  # times as long as at its best took the pacer; the states of a sound machine lie within a factor of two
FALSE_ALARMS = 0.01  # of the test for drift, among configurations that do not drift


def _resting(processes: Seen) -> list[dict[str, Any]]:
    """Those beside whose threads, which slept, probe and pacer had the processors to themselves."""
    return [figures for figures in processes if figures["at_rest"]]


def _restless(processes: Seen) -> str | None:
    """Did threads of the framework go on spinning?"""
    if len(_resting(processes)) == len(processes):
        return None
    return (
        "the framework's threads did not sleep between requests, so probe and pacer had no processor of their own and "
        "tell nothing about the machine; trust comparisons in rounds, where they are stopped"
    )


def _speed(processes: Seen) -> str | None:
    """Did a fixed piece of work take the same time on all processors, before and after, in all processes?"""
    medians = [
        float(np.median(values)) / 1e6
        for figures in _resting(processes)
        for probe in (figures["probe_before_ns"], figures["probe_after_ns"])
        for values in probe.values()
    ]
    if not medians or max(medians) <= SPEED * min(medians):
        return None
    return (
        f"the machine's speed changed: a fixed piece of work took {min(medians):.2f} to {max(medians):.2f} ms on its "
        "processors; trust comparisons with configurations that took turns with it, or use a quieter machine"
    )


def _pace(processes: Seen) -> str | None:
    """Did the pacer, which works like inference, take the same time beside all processes?"""
    made_by = sorted({surroundings.pacer(figures) for figures in processes})
    if len(made_by) > 1:
        return (
            f"the pacer was not the same for all repetitions ({'; '.join(made_by)}): latency_over_pacer mixes them; "
            "measure all again"
        )
    medians = [value for value in map(surroundings.pacer_ms, processes) if value is not None]
    if not medians or max(medians) <= SPEED * min(medians):
        return None
    return (
        f"the machine's speed changed between repetitions: beside them the pacer took {min(medians):.2f} to "
        f"{max(medians):.2f} ms; trust comparisons in rounds, look at latency_over_pacer, or use a quieter machine"
    )


def _faults(processes: Seen) -> str | None:
    """Did requests wait for memory that the allocator had given back to the system after the last one?"""
    each = [figures["disturbance"]["minor_faults"] / len(figures["latency_ns"]) for figures in processes]
    shares = [faults * FAULT_NS / np.median(figures["latency_ns"]) for faults, figures in zip(each, processes)]
    if np.median(shares) <= FAULTS:
        return None
    return (
        f"each request made {np.median(each):,.0f} page faults, since the memory allocator returns memory and fetches "
        'it anew; to see what that costs, set launch.environment: {MALLOC_TRIM_THRESHOLD_: "4294967296", '
        'MALLOC_MMAP_THRESHOLD_: "4294967296"} (glibc), or LD_PRELOAD there for another allocator'
    )


def _frequency(processes: Seen) -> str | None:
    values = [
        value
        for figures in processes
        for when in ("frequencies_before_mhz", "frequencies_after_mhz")
        for value in figures["disturbance"][when].values()
    ]
    if not values or max(values) <= FREQUENCY * min(values):
        return None
    return (
        f"processor frequencies went from {min(values):.0f} to {max(values):.0f} MHz; set the governor to performance"
    )


def _drift(processes: Seen) -> str | None:
    """Did latency rise or fall inside a process, after its warm-up, by more than chance and so that it matters?"""
    testable = [figures for figures in processes if None not in (figures["drift"], figures["drift_p"])]
    tested = [figures for figures in testable if abs(figures["drift"]) > DRIFT]
    drifts = [figures["drift"] for figures in tested if figures["drift_p"] < FALSE_ALARMS / len(processes)]
    if not drifts:
        return None
    return (
        f"latency drifted inside {len(drifts)} of {len(processes)} processes, by {max(drifts, key=abs):+.0%} from the "
        "first quarter of requests to the last; let the machine come to rest (heat, frequency, other work), or raise "
        "latency.warmup_requests and latency.warmup_limit_s"
    )


def _taken(processes: Seen) -> list[str]:
    """Did others take processors?"""
    warnings = []
    others, steal = surroundings.share(processes, "others_cpu_s"), surroundings.share(processes, "steal_s")
    if others is not None and others > OTHERS:
        mark = "DOUBTFUL: " if others > BUSY else ""
        warnings.append(f"{mark}other processes took {others:.0%} of the processors' time; stop them")
    if steal is not None and steal > STEAL:
        mark = "DOUBTFUL: " if steal > BUSY else ""
        warnings.append(
            f"{mark}the hypervisor gave {steal:.0%} of the processors' time to other machines; use another host"
        )
    return warnings


def _disk(processes: Seen) -> str | None:
    """Did requests wait for memory that lay on disk?"""
    faults = sum(figures["disturbance"]["major_faults"] for figures in processes)
    return f"{faults:,.0f} page faults read from disk during requests; free some memory" if faults else None


def disturbances(processes: Seen) -> list[str]:
    """Warnings about a configuration's processes.

    Args:
        processes: of each the record's figures (`disturbance`, `probe_before_ns`, `probe_after_ns`, `pacer_ns`,
            `pacer`, `at_rest`, `latency_ns`), the row's `drift` and `drift_p`, and the machine's `usable_cpus`.
    """
    possible = [
        _drift(processes),
        _restless(processes),
        _speed(processes),
        _pace(processes),
        _frequency(processes),
        _faults(processes),
        *_taken(processes),
        _disk(processes),
    ]
    return [warning for warning in possible if warning]


def goals(processes: Seen) -> list[str]:
    """Warnings about processes that ended before they had measured what was asked.

    Args:
        processes: of each the record's figures (`requests_asked`, `width_asked`, `latency_ns`) and the row's
            `latency_half_width`.
    """
    warnings = []
    short = [one for one in processes if one["width_asked"] is None and len(one["latency_ns"]) < one["requests_asked"]]
    if short:
        fewest = min(len(one["latency_ns"]) for one in short)
        warnings.append(
            f"only {fewest} of {short[0]['requests_asked']} requests were made in {len(short)} of {len(processes)} "
            "processes before the time was up; raise latency.limit_s, or set it to null"
        )
    widths = [one["latency_half_width"] for one in processes if one["width_asked"] is not None]
    vague = [width for width in widths if width is None or width > VAGUE]
    if 2 * len(vague) > len(processes):  # a few of them do no harm: what is quoted comes from all
        known = [width for width in vague if width is not None]
        how = f"knowing their own median to ± {max(known):.0%} only" if known else "too early to know their own median"
        warnings.append(f"{len(vague)} of {len(processes)} processes ended {how}; raise latency.limit_s")
    return warnings


def _same_batch(processes: Seen) -> str | None:
    """Requests ought to rotate over distinct batches; some datasets are too small for it."""
    for figures in processes:
        if figures["distinct_batches"] == 1 and figures["distinct_asked"] is None:
            return (
                "each request was the same batch, which stays in the processor's caches: there are images for one of "
                f"{figures['batch_size']} only; use more images (dataset, latency.images), or set latency.distinct: 1 "
                "if that is wanted"
            )
    return None


def _outside(processes: Seen) -> str | None:
    """A framework may pin its threads itself, and whoever asked for processors would not know."""
    for figures in processes:
        if figures["launch"]["in_effect"]["outside"]:
            return (
                f"threads could run on processors {figures['launch']['in_effect']['outside']}, too, which launch does "
                "not name: the framework sets that itself; look for an option against it, or confine the whole "
                "workflow (a container's --cpuset-cpus)"
            )
    return None


def _crowded(processes: Seen) -> str | None:
    """More threads than processors wait for each other."""
    for figures in processes:
        if (figures["threads_in_effect"] or 0) > figures["usable_cpus"]:
            return (
                f"{figures['threads_in_effect']} threads shared {figures['usable_cpus']} processors; set threads to no "
                "more than that"
            )
    return None


def launches(processes: Seen) -> list[str]:
    """Warnings about how a configuration's processes were launched and fed.

    Args:
        processes: of each the record's figures, its `launch`, `batch_size`, `threads_in_effect` and
            `usable_cpus`.
    """
    return [warning for warning in (_same_batch(processes), _outside(processes), _crowded(processes)) if warning]


def comparison(
    groups: list[dict[str, Any]],
    usable_cpus: int,
    ratio: Ratio,
    states: Optional[States],
    width: float,
    pair: Sequence[str] = (),
) -> list[str]:
    """Warnings about a pair that was measured in rounds.

    Args:
        groups: of rounds, each with the machine's `disturbance` and what its members `told`.
        pair: names of the two members.
        ratio: the pair's over all of them, and `states` the same by the machine's state.
        width: half of the ratio's interval that was asked for, as a share of the ratio.
    """
    of_pair = [_state(states), _unsettled(ratio, width), _rounds_speed(groups)]
    members = [f"{name}: {warning}" for name in pair for warning in _member(groups, name)]
    taken = _taken([{**one, "usable_cpus": usable_cpus} for one in groups])
    return [*(warning for warning in of_pair if warning), *taken, *members]


def _member(groups: list[dict[str, Any]], name: str) -> list[str]:
    """What a member's own processes, one in each group, told."""
    processes = [
        {**group["told"][name], "latency_ns": [ns for one in group["rounds"] for ns in one["latency_ns"][name]]}
        for group in groups
    ]
    return [warning for warning in (_faults(processes), _disk(processes), _outside(processes)) if warning]


def _state(states: Optional[States]) -> Optional[str]:
    """Does the outcome depend on what the machine was doing?"""
    if states is None or not states.matter:
        return None
    fast, slow = (f"{state.ratio:.1%}" for state in (states.fast, states.slow))
    return (
        f"who is faster depends on the state of the machine: the first takes {fast} of the second's time when the "
        f"machine is fast, {slow} when it is slow; decide by the state that yours will be in"
    )


def _unsettled(ratio: Ratio, width: float) -> Optional[str]:
    """Did the budget end before anything was known?"""
    if ratio.verdict != TIE:
        return None
    if ratio.interval is None:
        return "one group of rounds gives no interval; raise compare.groups"
    half = ratio.interval[1] / ratio.ratio - 1
    if half <= width:
        return None
    return (
        f"the ratio is known to no better than ± {half:.1%}, where ± {width:.1%} was asked for: a smaller difference "
        "would not have shown; raise compare.budget_s"
    )


def _rounds_speed(groups: list[dict[str, Any]]) -> Optional[str]:
    """Did the pacer take the same time in all rounds, but for the odd moment?"""
    paces = [float(np.median(round_["pacer_ns"])) / 1e6 for group in groups for round_ in group["rounds"]]
    low, high = np.percentile(paces, [5, 95])
    if high <= SPEED * low:
        return None
    return (
        f"the machine's speed changed during the rounds (the pacer took {low:.2f} to {high:.2f} ms in nine of ten): "
        "ratios hold for such a mixture; the columns fast and slow tell them apart"
    )
