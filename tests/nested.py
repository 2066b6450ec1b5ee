"""Groups of sessions of rounds whose truth is known, of the structure that records have."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

ANCHOR = 2e6  # ns, where the state is 0
BEGUN = datetime.datetime(2026, 11, 27, 12, tzinfo=datetime.timezone.utc)


def groups(
    latency_ms: Mapping[str, Callable[[float], float]],
    count: int = 6,
    sessions: int = 3,
    rounds: int = 2,
    batch_sizes: tuple[int, ...] = (1,),
    state: Callable[[int], float] = lambda burst: 0.0,
    sd: tuple[float, float, float] = (0.0, 0.0, 0.0),
    seed: int = 0,
    threads: int = 2,
    session_s: float = 1.0,
) -> list[dict[str, Any]]:
    """`figures.groups` as a record has them.

    Args:
        latency_ms: for each member its latency as a function of the state.
        count: of groups.
        sessions: of each batch size in a group; the latency grows with the batch size.
        rounds: of each session.
        batch_sizes: one for a comparison.
        state: the logarithm of the anchor, over what it is at 0, at a burst, which are counted from 0.
        threads: of the anchor.
        session_s: from the beginning of one session to that of the next.
        sd: of groups, sessions and bursts: of the logarithm of each member's latency.
    """
    rng = np.random.default_rng(seed)
    of_group, of_session, of_burst = sd
    made, burst, session = [], 0, 0
    for _ in range(count):
        process = {name: rng.normal(0, of_group) for name in latency_ms}
        of_this = []
        for batch_size in rng.permutation(np.repeat(batch_sizes, sessions)).tolist():
            opening = {name: process[name] + rng.normal(0, of_session) for name in latency_ms}
            anchor_ns, of_rounds = [int(ANCHOR * np.exp(state(burst)))], []
            for _ in range(rounds):
                order = rng.permutation(list(latency_ms)).tolist()
                latency_ns = {}
                for name in order:
                    log = opening[name] + rng.normal(0, of_burst)
                    latency_ns[name] = [int(1e6 * batch_size * latency_ms[name](state(burst)) * np.exp(log))] * 3
                    anchor_ns.append(int(ANCHOR * np.exp(state(burst))))
                    burst += 1
                of_rounds.append({"order": order, "latency_ns": latency_ns})
            opened = {name: {"batch_size": batch_size} for name in latency_ms}
            of_this.append({"opened": opened, "rounds": of_rounds, "anchor_ns": [[each] * 3 for each in anchor_ns]})
            begun = BEGUN + datetime.timedelta(seconds=session * session_s)
            of_this[-1] |= {"anchor_threads": threads, "started_at": begun.isoformat()}
            session += 1
        made.append({"sessions": of_this})
    return made
