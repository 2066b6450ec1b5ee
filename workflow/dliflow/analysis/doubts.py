"""What weakens the figures of a configuration: what was seen, and what to do about it. Pure functions of records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

from dliflow.analysis import comparison

# Shares from which on a figure is worth a warning. They are judgements, not laws: below them the effect drowns in the
# spread between processes that the interval already shows.
OTHERS, STEAL, SPEED, FREQUENCY, DRIFT, VAGUE = 0.02, 0.01, 1.15, 1.10, 0.02, 0.05
FAULT_NS, FAULTS = 500, 0.05  # what a page fault takes at least (trap, 4 KiB of zeros), and the share of a request
# From these on figures tell more of the machine than of what was measured on it, and nothing is called the fastest.
BUSY = 0.25  # of the processors' time went to others: half a processor of two, by which results differ at least as much
SLOWED = 3.0  # times as long as at its best took the pacer; the states of a sound machine lie within a factor of two
FALSE_ALARMS = 0.01  # of the test for drift, among configurations that do not drift


def probe_ms(probe: dict[str, list[int]]) -> float | None:
    """The probe's figure for the whole machine: mean over the processors of their median, in ms."""
    return float(np.mean([np.median(values) for values in probe.values()])) / 1e6 if probe else None


def taken_share(found: list[dict[str, Any]]) -> float | None:
    """Share of the usable processors' time that other processes and the hypervisor took; None where one cannot tell.

    Args:
        found: for each process (or group of rounds) its `disturbance` and the machine's `usable_cpus`.
    """
    shares = [share for share in (_share(found, "others_cpu_s"), _share(found, "steal_s")) if share is not None]
    return sum(shares) if shares else None


def _share(found: list[dict[str, Any]], key: str) -> float | None:
    """Share of the usable processors' time, over all processes; None where one could not tell."""
    spent = [figures["disturbance"][key] for figures in found]
    room = sum(figures["disturbance"]["wall_s"] * figures["usable_cpus"] for figures in found)
    return None if None in spent or room == 0 else sum(spent) / room


def _resting(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those beside whose threads, which slept, probe and pacer had the processors to themselves."""
    return [figures for figures in found if figures["at_rest"]]


def _restless(found: list[dict[str, Any]]) -> str | None:
    """Did threads of the framework go on spinning?"""
    if len(_resting(found)) == len(found):
        return None
    return (
        "the framework's threads did not sleep between requests, so probe and pacer had no processor of their own and "
        "tell nothing about the machine; trust comparisons in rounds, where they are stopped"
    )


def _speed(found: list[dict[str, Any]]) -> str | None:
    """Did a fixed piece of work take the same time on all processors, before and after, in all processes?"""
    medians = [
        float(np.median(values)) / 1e6
        for figures in _resting(found)
        for probe in (figures["probe_before_ns"], figures["probe_after_ns"])
        for values in probe.values()
    ]
    if not medians or max(medians) <= SPEED * min(medians):
        return None
    return (
        f"the machine's speed changed: a fixed piece of work took {min(medians):.2f} to {max(medians):.2f} ms on its "
        "processors; trust comparisons with configurations that took turns with it, or use a quieter machine"
    )


def pacer_ms(figures: dict[str, Any]) -> float | None:
    """What the pacer took beside one process, ms; None where the framework's threads worked against it."""
    return float(np.median(np.concatenate(figures["pacer_ns"]))) / 1e6 if figures["at_rest"] else None


def pacer(figures: dict[str, Any]) -> str:
    """What the pacer was made by; with other libraries it is another piece of work."""
    return f"numpy {figures['pacer']['numpy']}, {figures['pacer']['blas']}"


def _pace(found: list[dict[str, Any]]) -> str | None:
    """Did the pacer, which works like inference, take the same time beside all processes?"""
    made_by = sorted({pacer(figures) for figures in found})
    if len(made_by) > 1:
        return (
            f"the pacer was not the same for all repetitions ({'; '.join(made_by)}): latency_over_pacer mixes them; "
            "measure all again"
        )
    medians = [value for value in map(pacer_ms, found) if value is not None]
    if not medians or max(medians) <= SPEED * min(medians):
        return None
    return (
        f"the machine's speed changed between repetitions: beside them the pacer took {min(medians):.2f} to "
        f"{max(medians):.2f} ms; trust comparisons in rounds, look at latency_over_pacer, or use a quieter machine"
    )


def _faults(found: list[dict[str, Any]]) -> str | None:
    """Did requests wait for memory that the allocator had given back to the system after the last one?"""
    each = [figures["disturbance"]["minor_faults"] / len(figures["latency_ns"]) for figures in found]
    shares = [faults * FAULT_NS / np.median(figures["latency_ns"]) for faults, figures in zip(each, found)]
    if np.median(shares) <= FAULTS:
        return None
    return (
        f"each request made {np.median(each):,.0f} page faults, since the memory allocator returns memory and fetches "
        'it anew; to see what that costs, set launch.environment: {MALLOC_TRIM_THRESHOLD_: "4294967296", '
        'MALLOC_MMAP_THRESHOLD_: "4294967296"} (glibc), or LD_PRELOAD there for another allocator'
    )


def _frequency(found: list[dict[str, Any]]) -> str | None:
    values = [
        value
        for figures in found
        for when in ("frequencies_before_mhz", "frequencies_after_mhz")
        for value in figures["disturbance"][when].values()
    ]
    if not values or max(values) <= FREQUENCY * min(values):
        return None
    return (
        f"processor frequencies went from {min(values):.0f} to {max(values):.0f} MHz; set the governor to performance"
    )


def _drift(found: list[dict[str, Any]]) -> str | None:
    """Did latency rise or fall inside a process, after its warm-up, by more than chance and so that it matters?"""
    testable = [figures for figures in found if None not in (figures["drift"], figures["drift_p"])]
    tested = [figures for figures in testable if abs(figures["drift"]) > DRIFT]
    told = [figures["drift"] for figures in tested if figures["drift_p"] < FALSE_ALARMS / len(found)]
    if not told:
        return None
    return (
        f"latency drifted inside {len(told)} of {len(found)} processes, by {max(told, key=abs):+.0%} from the first "
        "quarter of requests to the last; let the machine come to rest (heat, frequency, other work), or raise "
        "latency.warmup_requests and latency.warmup_limit_s"
    )


def _taken(found: list[dict[str, Any]]) -> list[str]:
    """Did others take processors?"""
    told = []
    others, steal = _share(found, "others_cpu_s"), _share(found, "steal_s")
    if others is not None and others > OTHERS:
        mark = "DOUBTFUL: " if others > BUSY else ""
        told.append(f"{mark}other processes took {others:.0%} of the processors' time; stop them")
    if steal is not None and steal > STEAL:
        mark = "DOUBTFUL: " if steal > BUSY else ""
        told.append(
            f"{mark}the hypervisor gave {steal:.0%} of the processors' time to other machines; use another host"
        )
    return told


def _disk(found: list[dict[str, Any]]) -> str | None:
    """Did requests wait for memory that lay on disk?"""
    faults = sum(figures["disturbance"]["major_faults"] for figures in found)
    return f"{faults:,.0f} page faults read from disk during requests; free some memory" if faults else None


def disturbances(found: list[dict[str, Any]]) -> list[str]:
    """Warnings about a configuration's processes.

    Args:
        found: for each process the record's figures (`disturbance`, `probe_before_ns`, `probe_after_ns`, `pacer_ns`,
            `pacer`, `at_rest`, `drift`, `drift_p`, `latency_ns`) and the machine's `usable_cpus`.
    """
    told = [
        _drift(found),
        _restless(found),
        _speed(found),
        _pace(found),
        _frequency(found),
        _faults(found),
        *_taken(found),
        _disk(found),
    ]
    return [warning for warning in told if warning]


def goals(found: list[dict[str, Any]]) -> list[str]:
    """Warnings about processes that ended before they had measured what was asked.

    Args:
        found: for each process the record's figures (`requests_asked`, `width_asked`, `stopped_by`, `latency_ns`,
            `interval_ns`).
    """
    told = []
    short = [one for one in found if one["width_asked"] is None and len(one["latency_ns"]) < one["requests_asked"]]
    if short:
        made = min(len(one["latency_ns"]) for one in short)
        told.append(
            f"only {made} of {short[0]['requests_asked']} requests were made in {len(short)} of {len(found)} processes "
            "before the time was up; raise latency.limit_s, or set it to null"
        )
    wide = [half_width(one["interval_ns"], one["latency_ns"]) for one in found if one["width_asked"] is not None]
    vague = [width for width in wide if width is None or width > VAGUE]
    if 2 * len(vague) > len(found):  # a few of them do no harm: what is quoted comes from all
        known = [width for width in vague if width is not None]
        how = f"knowing their own median to ± {max(known):.0%} only" if known else "too early to know their own median"
        told.append(f"{len(vague)} of {len(found)} processes ended {how}; raise latency.limit_s")
    return told


def half_width(interval: Optional[Sequence[float]], durations: Sequence[float]) -> Optional[float]:
    """Half the width of the interval of a median, as a share of the durations' median; both in any one unit."""
    return None if interval is None else float((interval[1] - interval[0]) / 2 / np.median(durations))


def _same_batch(found: list[dict[str, Any]]) -> str | None:
    """Requests ought to rotate over distinct batches; some datasets are too small for it."""
    for figures in found:
        if figures["distinct_batches"] == 1 and figures["distinct_asked"] is None:
            return (
                "each request was the same batch, which stays in the processor's caches: there are images for one of "
                f"{figures['batch_size']} only; use more images (dataset, latency.images), or set latency.distinct: 1 "
                "if that is wanted"
            )
    return None


def _outside(found: list[dict[str, Any]]) -> str | None:
    """A framework may pin its threads itself, and whoever asked for processors would not know."""
    for figures in found:
        if figures["launch"]["in_effect"]["outside"]:
            return (
                f"threads could run on processors {figures['launch']['in_effect']['outside']}, too, which launch does "
                "not name: the framework sets that itself; look for an option against it, or confine the whole "
                "workflow (a container's --cpuset-cpus)"
            )
    return None


def _crowded(found: list[dict[str, Any]]) -> str | None:
    """More threads than processors wait for each other."""
    for figures in found:
        if (figures["threads_in_effect"] or 0) > figures["usable_cpus"]:
            return (
                f"{figures['threads_in_effect']} threads shared {figures['usable_cpus']} processors; set threads to no "
                "more than that"
            )
    return None


def launches(found: list[dict[str, Any]]) -> list[str]:
    """Warnings about how a configuration's processes were launched and fed.

    Args:
        found: for each process the record's figures, its `launch`, `batch_size`, `threads_in_effect` and
            `usable_cpus`.
    """
    return [warning for warning in (_same_batch(found), _outside(found), _crowded(found)) if warning]


def together(
    groups: list[dict[str, Any]],
    usable_cpus: int,
    found: comparison.Ratio,
    states: Optional[comparison.States],
    width: float,
    pair: Sequence[str] = (),
) -> list[str]:
    """Warnings about a pair that was measured in rounds.

    Args:
        groups: of rounds, each with the machine's `disturbance` and what its members `told`.
        pair: names of the two members.
        found: the pair's ratio over all of them, and `states` the same by the machine's state.
        width: half of the ratio's interval that was asked for, as a share of the ratio.
    """
    told = [_state(states), _unsettled(found, width), _rounds_speed(groups)]
    members = [f"{name}: {warning}" for name in pair for warning in _member(groups, name)]
    taken = _taken([{**one, "usable_cpus": usable_cpus} for one in groups])
    return [*(warning for warning in told if warning), *taken, *members]


def _member(groups: list[dict[str, Any]], name: str) -> list[str]:
    """What a member's own processes, one in each group, told."""
    found = [
        {**group["told"][name], "latency_ns": [ns for one in group["rounds"] for ns in one["latency_ns"][name]]}
        for group in groups
    ]
    return [warning for warning in (_faults(found), _disk(found), _outside(found)) if warning]


def _state(states: Optional[comparison.States]) -> Optional[str]:
    """Does the outcome depend on what the machine was doing?"""
    if states is None or not states.matter:
        return None
    fast, slow = (f"{found.ratio:.1%}" for found in (states.fast, states.slow))
    return (
        f"who is faster depends on the state of the machine: the first takes {fast} of the second's time when the "
        f"machine is fast, {slow} when it is slow; decide by the state that yours will be in"
    )


def _unsettled(found: comparison.Ratio, width: float) -> Optional[str]:
    """Did the budget end before anything was known?"""
    if found.verdict != comparison.TIE:
        return None
    if found.interval is None:
        return "one group of rounds gives no interval; raise compare.groups"
    half = found.interval[1] / found.ratio - 1
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
