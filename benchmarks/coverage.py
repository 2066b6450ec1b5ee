"""How often intervals hold the truth, and warm-up ends where it should. Nothing is asserted.

    PYTHONPATH=workflow:tests .venv/bin/python benchmarks/coverage.py [RUNS]

Whole sweeps and comparisons are simulated on machines that change their speed, in RUNS studies of each kind (200), and
read as records would be. Simulated processes warm up in the real timing loop with a simulated clock.
"""

from __future__ import annotations

import argparse
import gc
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import synthetic

from dliflow.analysis import anchored, comparison, state
from dliflow.measuring import measure, series

SLOW = math.log(1.4)  # how much slower the slower speed is
GROUPS, SESSIONS, LEVELS, ROUNDS, CONFIGURATIONS = 5, 3, 4, 2, 17
MEMBERS = (1.0, 1.0, 0.5, 0.0)  # of a comparison: their slopes
SESSIONS_OF_PAIR, ROUNDS_OF_PAIR = 1, 6  # of a comparison's group
SLOPES = (0.0, 0.5, 1.0)  # of the configurations, by turns
LEADERS, GROUPS_OF_LEADERS = 4, 8  # the first configurations, which are compared at each batch size behind the sweep
OF_PROCESS, OF_SESSION, OF_BURST, OF_ANCHOR = 0.03, 0.07, 0.024, 0.01  # standard deviations of logarithms
SWEEP_S = 600.0  # before a comparison
LOAD_S, BURST_S = 0.25, 0.04  # a session of two rounds takes 0.45 s
JOB_S = 0.6 + LEVELS * SESSIONS * (LOAD_S + (2 * ROUNDS + 1) * BURST_S)  # with its start
STALLS, STALLED = 0.05, 0.3  # share of the bursts that a stall hits, and the mean of the logarithm that it adds

State = Callable[[np.ndarray], np.ndarray]  # of the machine at seconds: logarithm of how much slower it is


class Machine(NamedTuple):
    """How a machine changes its speed, and what else goes wrong on it."""

    name: str
    fast_s: float = math.inf
    """How long it stays at its full speed, in the mean."""
    slow_s: float = 0.0
    drift: float = 0.0
    """By how much its logarithm rises in the sweep."""
    step: float = 0.0
    """By how much it is higher behind the sweep."""
    one_processor: bool = False
    """Whether the slow speed is that of one processor: who has slope 0.5 has one thread, which lies on it or not."""
    heavy: bool = False
    """Whether bursts scatter as Student's t with two degrees of freedom does."""
    stalls: bool = False
    anchor: float = 0.0
    """Standard deviation of the anchor's processes."""
    unlike: float = 0.0
    """That of the logarithm of how much sessions scatter, of a configuration at a batch size."""
    wide: float = 0.0
    """By how much more they scatter at the slow speed, as a share."""


MACHINES = (
    Machine("at one speed"),
    *(Machine(f"speeds of {seconds:g} s", seconds, seconds) for seconds in (0.1, 1, 10, 60, 120)),
    *(Machine(f"slow {seconds:g} s, fast {2 * seconds:g} s", 2 * seconds, seconds) for seconds in (0.1, 1, 10, 60)),
    Machine("one processor, 10 s", 10, 10, one_processor=True),
    Machine("drift by 20 %", drift=0.2),
    Machine("drift, speeds of 1 min", 60, 60, drift=0.2),
    Machine("slower in rounds, 1 min", 60, 60, step=0.25),
    Machine("heavy tails, 10 s", 10, 10, heavy=True),
    Machine("stalls, 10 s", 10, 10, stalls=True),
    Machine("anchors differ by 3 %", 10, 10, anchor=0.03),
    Machine("rows scatter unlike, 10 s", 20, 10, unlike=0.5),
    Machine("scatter where slow, 10 s", 20, 10, wide=2.0),
    Machine("both, 1 min", 120, 60, unlike=0.5, wide=2.0),
)


def changing(rng: np.random.Generator, machine: Machine, seconds: float) -> State:
    """The machine's state in a study that takes so long."""

    def speed(at: np.ndarray) -> np.ndarray:
        behind = machine.step * (at > seconds)
        return slow[np.searchsorted(switches, at)] * SLOW + machine.drift * at / seconds + behind

    count = 0 if math.isinf(machine.fast_s) else 20 + int(3 * seconds / (machine.fast_s + machine.slow_s)) * 2
    starts_slow = count > 0 and rng.random() < machine.slow_s / (machine.fast_s + machine.slow_s)
    slow = (np.arange(count + 1) + starts_slow) % 2 == 1
    switches = np.cumsum(rng.exponential(np.where(slow[:-1], machine.slow_s, machine.fast_s))) if count else np.empty(0)
    return speed


def noise(rng: np.random.Generator, machine: Machine, sd: float, shape: tuple[int, ...]) -> np.ndarray:
    """Of bursts."""
    return sd * (rng.standard_t(2, shape) / 1.2 if machine.heavy else rng.normal(size=shape))


class Study(NamedTuple):
    """What was measured of configurations that all take 1 ms at full speed."""

    sweep: dict[int, anchored.Bursts]
    rounds: dict[int, anchored.Bursts]
    """Of the leaders."""
    mean: float
    """State of the machine in the sweep."""
    scatter: np.ndarray
    """float64 (configuration, batch size): how much sessions scatter, over those of others."""


def study(rng: np.random.Generator, machine: Machine) -> Study:
    """A sweep, and behind it the leaders' rounds."""
    jobs = GROUPS * CONFIGURATIONS
    speed = changing(rng, machine, jobs * JOB_S)
    order = np.concatenate([rng.permutation(CONFIGURATIONS) for _ in range(GROUPS)])
    opened = LEVELS * SESSIONS
    session_s = LOAD_S + (2 * ROUNDS + 1) * BURST_S
    start = 0.6 + np.arange(jobs)[:, None] * JOB_S + np.arange(opened) * session_s
    bursts = speed(start[..., None] + LOAD_S + (np.arange(2 * ROUNDS + 1) + 0.5) * BURST_S)
    anchor = bursts[..., ::2] + noise(rng, machine, OF_ANCHOR, (jobs, opened, ROUNDS + 1))
    anchor += rng.normal(0, machine.anchor, (jobs, 1, 1))
    beside = (anchor[..., 1:] + anchor[..., :-1]) / 2
    slopes = np.array(SLOPES)[order % 3][:, None, None]
    touched = slopes * bursts[..., 1::2]
    if machine.one_processor:
        on_it = rng.random((jobs, opened, 1)) < 0.5
        touched = np.where(slopes == 0.5, on_it, slopes) * bursts[..., 1::2]
    latency = touched + noise(rng, machine, OF_BURST, touched.shape)
    levels = np.array([rng.permutation(np.repeat(np.arange(LEVELS), SESSIONS)) for _ in range(jobs)])
    scatter = np.exp(machine.unlike * rng.normal(size=(CONFIGURATIONS, LEVELS)))
    of_session = scatter[order[:, None], levels][..., None] * of_sessions(machine, bursts)
    latency += rng.normal(0, OF_PROCESS, (jobs, 1, 1)) + of_session * rng.normal(size=(jobs, opened, 1))
    if machine.stalls:
        latency += rng.exponential(STALLED, latency.shape) * (rng.random(latency.shape) < STALLS)
    shape = (GROUPS, opened, ROUNDS)
    group = np.broadcast_to(np.arange(GROUPS)[:, None, None], shape).ravel()
    session = np.repeat(np.arange(GROUPS * opened), ROUNDS)
    at = np.repeat(start, ROUNDS, axis=1)
    of = {}
    for number in range(CONFIGURATIONS):
        mine = order == number
        level = np.repeat(levels[mine].ravel(), ROUNDS)
        of[number] = anchored.Bursts(
            level, group, session, latency[mine].ravel(), beside[mine].ravel(), at[mine].ravel()
        )
    mean = (SLOW * machine.slow_s / (machine.fast_s + machine.slow_s) if machine.slow_s else 0) + machine.drift / 2
    return Study(of, of_leaders(rng, machine, speed, jobs * JOB_S, scatter[:LEADERS]), mean, scatter)


def of_sessions(machine: Machine, states: np.ndarray) -> np.ndarray:
    """Standard deviation of sessions that have seen these states (…, burst), one for all bursts of each."""
    return OF_SESSION * (1 + machine.wide * states.mean(-1, keepdims=True) / SLOW)


def of_leaders(
    rng: np.random.Generator, machine: Machine, speed: State, begin: float, scatter: np.ndarray
) -> dict[int, anchored.Bursts]:
    """The bursts of rounds that begin then: one comparison after another, of all leaders at one batch size each.

    Args:
        scatter: of each leader at each batch size, over that of others.
    """
    touched = np.array([SLOPES[number % 3] for number in range(LEADERS)])
    of: dict[int, anchored.Bursts] = {}
    for level in range(LEVELS):
        start, end = starts(GROUPS_OF_LEADERS, LEADERS, begin)
        latency, beside = turns(rng, machine, speed, start, touched, scatter[:, level])
        group, session, _ = (index.ravel() for index in np.indices(latency.shape[:3]))
        at = np.broadcast_to(start[..., None], latency.shape[:3]).ravel()
        for member in range(LEADERS):
            here = (latency[..., member].ravel(), beside[..., member].ravel(), at)
            one = anchored.Bursts(np.full(len(group), level), group, group * SESSIONS_OF_PAIR + session, *here)
            of[member] = anchored.joined(of[member], one) if member in of else one
        begin = end
    return of


def starts(groups: int, members: int, begin: float) -> tuple[np.ndarray, float]:
    """When each session of a comparison has opened all its members, float64 (group, session), and when it has ended."""
    session_s = members * LOAD_S + (2 * ROUNDS_OF_PAIR * members + 1) * BURST_S
    group_s = members + SESSIONS_OF_PAIR * session_s  # a second to start each
    opened = members + np.arange(SESSIONS_OF_PAIR) * session_s + members * LOAD_S
    return begin + np.arange(groups)[:, None] * group_s + opened, begin + groups * group_s


def holds(interval: tuple[float, float] | None, truth: float) -> float:
    """1 where the interval holds the truth (a logarithm), 0 where not, nan where there is none."""
    return np.nan if interval is None else float(interval[0] <= math.exp(truth) <= interval[1])


def half(interval: tuple[float, float] | None) -> float:
    """Half the interval's width, of the logarithm."""
    return np.nan if interval is None else math.log(interval[1] / interval[0]) / 2


def sweeps(runs: int) -> None:
    """Coverage of the intervals of the latency at the reference state, and as measured."""
    print(f"Sweeps, {runs} of each: share of 95 % intervals that hold the truth, half of their width in the median")
    print("(widest: of the quarter of the rows whose sessions scatter most, where they are not all alike)")
    print(f"{'':26}{'at the reference state, slope':>32}{'':24}{'with rounds':>25}{'':24}{'as measured':>16}")
    print(
        f"{'':26}{'all':>8}" + "".join(f"{slope:>8.1f}" for slope in SLOPES) + f"{'half':>8}{'off by':>8}{'widest':>8}"
        f"{'held':>9}{'half':>8}{'off by':>8}{'slopes':>24}{'held':>8}{'half':>8}"
    )
    for number, machine in enumerate(MACHINES):
        rng = np.random.default_rng(number)
        rows = []
        for _ in range(runs):
            one = study(rng, machine)
            (reference,) = anchored.reference_state(one.sweep.values()).values()
            stalled = STALLS * STALLED if machine.stalls else 0.0
            most = np.quantile(one.scatter, 0.75)
            for (configuration, level), point in state.estimates(one.sweep, rounds=one.rounds).items():
                slope = SLOPES[configuration % 3]
                truth = slope * reference + stalled
                rows.append(
                    (
                        *(slope, configuration < LEADERS, one.scatter[configuration, level] > most),
                        *(holds(point.reference_interval, truth), half(point.reference_interval)),
                        *(math.log(point.reference) - truth, point.slope),
                        *(holds(point.interval, slope * one.mean + stalled), half(point.interval)),
                    )
                )
        slope, leads, scattered, held, width, off, found, held_measured, width_measured = np.array(rows).T
        alone, leads = leads == 0, leads == 1
        print(
            f"{machine.name:26}{np.nanmean(held):8.1%}"
            + "".join(f"{np.nanmean(held[slope == each]):8.1%}" for each in SLOPES)
            + f"{np.nanmedian(width[alone]):8.1%}{off.mean():8.1%}"
            + (f"{np.nanmean(held[scattered == 1]):8.1%}" if machine.unlike else f"{'–':>8}")
            + f"{np.nanmean(held[leads]):9.1%}{np.nanmedian(width[leads]):8.1%}{off[leads].mean():8.1%}"
            + "".join(f"{np.median(found[slope == each]):8.2f}" for each in SLOPES)
            + f"{np.nanmean(held_measured):8.1%}{np.nanmedian(width_measured):8.1%}",
            flush=True,
        )


def compared(rng: np.random.Generator, machine: Machine, groups: int) -> tuple[np.ndarray, np.ndarray, float]:
    """The bursts of a comparison whose members all take 1 ms at full speed: their logarithms, and the anchor's beside.

    Both float64 (group, session, round, member). And the reference state of the sweep before it, by anchors alike.
    """
    start, end = starts(groups, len(MEMBERS), SWEEP_S)
    speed, at = changing(rng, machine, end), np.linspace(0, SWEEP_S, 5000)
    reference = float(np.median((speed(at) + speed(at + 2 * BURST_S)) / 2))
    return *turns(rng, machine, speed, start, np.array(MEMBERS), np.ones(len(MEMBERS))), reference


def turns(
    rng: np.random.Generator, machine: Machine, speed: State, start: np.ndarray, slopes: np.ndarray, scatter: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same of members with these slopes and this scatter, whose sessions start then (group, session)."""
    (groups, sessions), members, bursts = start.shape, len(slopes), ROUNDS_OF_PAIR * len(slopes)
    states = speed(start[..., None] + (np.arange(2 * bursts + 1) + 0.5) * BURST_S)
    anchor = states[..., ::2] + noise(rng, machine, OF_ANCHOR, (groups, sessions, bursts + 1))
    anchor += rng.normal(0, machine.anchor, (groups, 1, 1))
    shape = (groups, sessions, ROUNDS_OF_PAIR, members)
    place = np.argsort(rng.random(shape))
    beside = np.take_along_axis(((anchor[..., 1:] + anchor[..., :-1]) / 2).reshape(shape), place, -1)
    if machine.one_processor:
        slopes = np.where(slopes == 0.5, rng.random((groups, sessions, 1, members)) < 0.5, slopes)
    latency = slopes * np.take_along_axis(states[..., 1::2].reshape(shape), place, -1)
    latency += noise(rng, machine, OF_BURST, shape) + rng.normal(0, OF_PROCESS, (groups, 1, 1, members))
    of_session = scatter * of_sessions(machine, states)[..., None]
    latency += of_session * rng.normal(size=(groups, sessions, 1, members))
    if machine.stalls:
        latency += rng.exponential(STALLED, shape) * (rng.random(shape) < STALLS)
    return latency, beside


def rounds(latency: np.ndarray, beside: np.ndarray, pair: tuple[int, int]) -> comparison.Rounds:
    """What a pair's rounds say."""
    first, second = pair
    group, session, _ = np.indices(latency.shape[:3])
    return comparison.Rounds(
        *(group.ravel(), (group * SESSIONS_OF_PAIR + session).ravel()),
        *((latency[..., first] - latency[..., second]).ravel(), beside[..., [first, second]].mean(-1).ravel()),
    )


def comparisons(runs: int) -> None:
    """Coverage of ratios, and how often two of the same are called different, where it ends when all is decided."""
    least, most, width = 8, 20, 0.01
    print(
        f"\nComparisons, {runs} of each: share of intervals that hold the true ratio, of pairs and of whole comparisons"
    )
    print("(wanted: 95 % of the latter), and of pairs of the same that are called different")
    kinds = {
        f"{least} groups": (least, ((0, 1),)),
        f"{least} groups, slopes differ": (least, ((0, 3),)),
        f"{least} to {most}, until decided": (most, ((0, 1),)),
        "the same, three pairs": (most, ((0, 1), (0, 2), (0, 3))),
    }
    print(f"{'':26}{'':26}{'pairs':>8}{'whole':>8}{'the same':>10}{'groups':>8}{'half':>8}")
    for number, machine in enumerate(MACHINES):
        for kind, (last, pairs) in kinds.items():
            rng = np.random.default_rng(1000 + number)
            confidence = comparison.confidence([comparison.Pair("", "", "")] * len(pairs))
            held, different, groups, widths = [], [], [], []
            for _ in range(runs):
                latency, beside, reference = compared(rng, machine, last)
                for count in range(least, last + 1):
                    each = [rounds(latency[:count], beside[:count], pair) for pair in pairs]
                    if all(comparison.settled(one, reference, confidence, width) for one in each):
                        break
                known = [comparison.read_off(one, reference, confidence) for one in each]
                slopes = [MEMBERS[first] - MEMBERS[second] for first, second in pairs]
                held.append([holds(one.interval, slope * reference) for one, slope in zip(known, slopes)])
                different += [one.verdict != comparison.TIE for one, slope in zip(known, slopes) if not slope]
                widths += [half(one.interval) for one in known]
                groups.append(count)
            print(
                f"{machine.name:26}{kind:26}{np.mean(held):8.1%}{np.all(held, axis=1).mean():8.1%}"
                + (f"{np.mean(different):10.1%}" if different else f"{'–':>10}")
                + f"{np.mean(groups):8.1f}{np.median(widths):8.1%}",
                flush=True,
            )


def warmups(runs: int) -> None:
    """Where the warm-up ended, and how far off the median of fifty requests after it is."""
    most = 200
    print(f"\nWarm-up of at most {most} requests, {runs} runs: how many it made.", end=" ")
    print(f"slow_first is slow before {synthetic.SLOW}")
    print(f"{'':16}{'2.5 %':>7}{'median':>8}{'97.5 %':>8}{'steady':>9}{'too early':>12}{'median off by':>15}")
    for number, distribution in enumerate((*synthetic.STATIONARY, synthetic.slow_first)):
        rng = np.random.default_rng(100 + number)
        counts, stopped, medians = [], [], []
        for _ in range(runs):
            simulated = synthetic.Synthetic(distribution(rng, most + 50))
            warm_up = measure.run(
                simulated.predict,
                synthetic.BATCHES,
                requests=most,
                limit_s=None,
                until=series.steady,
                ask_from=series.STEADY_FROM,
                clock=simulated.clock,
            )
            counts.append(len(warm_up.latency_ns))
            stopped.append(warm_up.stopped_by == "until")
            medians.append(np.median(simulated.durations[simulated.made : simulated.made + 50]))
        low, middle, high = np.percentile(counts, [2.5, 50, 97.5])
        early = f"{np.mean(np.array(counts) < synthetic.SLOW):.1%}" if distribution is synthetic.slow_first else "–"
        bias = np.mean(medians) / synthetic.LEVEL - 1
        print(
            f"{distribution.__name__:16}{low:7.0f}{middle:8.0f}{high:8.0f}{np.mean(stopped):9.0%}{early:>12}{bias:15.2%}"
        )


if __name__ == "__main__":
    gc.freeze()  # each run of the timing loop collects garbage; nothing of what is loaded now is any
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUNS", nargs="?", type=int, default=200, help="studies of each kind")
    runs = parser.parse_args().runs
    sweeps(runs)
    comparisons(runs)
    warmups(runs)
