"""`python benchmarks/slowed.py SHARE worker ...`: dliflow's worker, with every request made longer by a share of it.

The rest of the request's time is spent spinning, as a slower network would spend it.
"""

from __future__ import annotations

import dataclasses
import sys
import time

from dliflow.__main__ import main
from dliflow.measuring import session

share = float(sys.argv[1])
open_model = session.Imported.open


def open_slowed(imported, batch_size):
    """A session as it is, but for its `predict`."""
    opened = open_model(imported, batch_size)

    def slowed(batch):
        start = time.perf_counter_ns()
        scores = opened.predict(batch)
        end = start + (time.perf_counter_ns() - start) * (1 + share)
        while time.perf_counter_ns() < end:
            pass
        return scores

    return dataclasses.replace(opened, predict=slowed)


session.Imported.open = open_slowed
sys.exit(main(sys.argv[2:]))
