"""When a process has warmed up: a rule to stop by; benchmarks/coverage.py shows how well it does. Needs numpy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BATCH = 5  # of the 5 in MSER-5
STEADY_FROM = 5 * BATCH  # with fewer batches the rule can only say yes


def steady(durations: Sequence[int]) -> bool:
    """Whether the series has come to rest, in its second half at the latest.

    MSER-5 (K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69,
    1997) on the medians of batches of five, which single outliers do not move: the truncation point after which the
    mean's standard error is smallest must lie in the first half (K. Hoad, S. Robinson, R. Davies, "Automating warm-up
    length estimation", JORS 61, 2010). Two batches at least remain, since one has no variance.
    """
    count = len(durations) // BATCH
    if len(durations) < STEADY_FROM:
        return False
    batches = np.asarray(durations[-count * BATCH :], float).reshape(count, BATCH)
    medians = np.median(batches, axis=1)
    errors = [float(medians[start:].var()) / (count - start) for start in range(count - 1)]
    return int(np.argmin(errors)) <= count / 2
