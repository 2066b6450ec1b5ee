"""What weakens the figures of a configuration: what was seen, and what to do about it. Pure functions of records."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from dliflow import comparison

# Shares from which on a figure is worth a warning. They are judgements, not laws: below them the effect drowns in the
# spread between processes that the interval already shows.
OTHERS, STEAL, SPEED, FREQUENCY, DRIFT = 0.02, 0.01, 1.15, 1.10, 0.02
FALSE_ALARMS = 0.01  # of the test for drift, among configurations that do not drift


def probe_ms(probe: dict[str, list[int]]) -> float | None:
    """The probe's figure for the whole machine: mean over the processors of their median, in ms."""
    return float(np.mean([np.median(values) for values in probe.values()])) / 1e6 if probe else None


def _share(found: list[dict[str, Any]], key: str) -> float | None:
    """Share of the usable processors' time, over all processes; None where one could not tell."""
    spent = [figures["disturbance"][key] for figures in found]
    room = sum(figures["disturbance"]["wall_s"] * figures["usable_cpus"] for figures in found)
    return None if None in spent or room == 0 else sum(spent) / room


def _speed(found: list[dict[str, Any]]) -> str | None:
    """Did a fixed piece of work take the same time on all processors, before and after, in all processes?"""
    medians = [
        float(np.median(values)) / 1e6
        for figures in found
        for probe in (figures["probe_before_ns"], figures["probe_after_ns"])
        for values in probe.values()
    ]
    if not medians or max(medians) <= SPEED * min(medians):
        return None
    return (
        f"the machine's speed changed: a fixed piece of work took {min(medians):.2f} to {max(medians):.2f} ms on its "
        "processors; trust comparisons with configurations that took turns with it, or use a quieter machine"
    )


def _pace(found: list[dict[str, Any]]) -> str | None:
    """Did the pacer, which works like inference, take the same time beside all processes?"""
    medians = [float(np.median(np.concatenate(figures["pacer_ns"]))) / 1e6 for figures in found]
    if max(medians) <= SPEED * min(medians):
        return None
    return (
        f"the machine's speed changed between repetitions: beside them the pacer took {min(medians):.2f} to "
        f"{max(medians):.2f} ms; trust comparisons in rounds, look at latency_over_pacer, or use a quieter machine"
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


def disturbances(found: list[dict[str, Any]]) -> list[str]:
    """Warnings about a configuration's processes.

    Args:
        found: for each process the record's figures (`disturbance`, `probe_before_ns`, `probe_after_ns`, `pacer_ns`,
            `drift`, `drift_p`) and the machine's `usable_cpus`.
    """
    told = [_drift(found), _speed(found), _pace(found), _frequency(found)]
    others, steal = _share(found, "others_cpu_s"), _share(found, "steal_s")
    if others is not None and others > OTHERS:
        told.append(f"other processes took {others:.0%} of the processors' time; stop them")
    if steal is not None and steal > STEAL:
        told.append(f"the hypervisor gave {steal:.0%} of the processors' time to other machines; use another host")
    faults = sum(figures["disturbance"]["major_faults"] for figures in found)
    if faults:
        told.append(f"{faults} page faults read from disk during requests; free some memory")
    return [warning for warning in told if warning]


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


def state(states: Optional[comparison.States]) -> Optional[str]:
    """A warning about a comparison whose outcome depends on what the machine was doing."""
    if states is None or not states.matter:
        return None
    fast, slow = (f"{found.ratio:.1%}" for found in (states.fast, states.slow))
    return (
        f"who is faster depends on the state of the machine: the first takes {fast} of the second's time when the "
        f"machine is fast, {slow} when it is slow; decide by the state that yours will be in"
    )
