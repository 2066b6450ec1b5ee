"""`python benchmarks/slowed.py SHARE worker ...`: dliflow's stage, with every request made longer by a share of it.

The rest of the request's time is spent spinning, as a slower network would spend it.
"""

from __future__ import annotations

import sys
import time

from dliflow.__main__ import main
from dliflow.measuring import session

share = float(sys.argv[1])
open_model = session.open_model


def open_slowed(args, batch_size):
    """A session as it is, but for its `predict`."""
    opened = open_model(args, batch_size)
    predict = opened.predict

    def slowed(batch):
        start = time.perf_counter_ns()
        scores = predict(batch)
        end = start + (time.perf_counter_ns() - start) * (1 + share)
        while time.perf_counter_ns() < end:
            pass
        return scores

    opened.predict = slowed
    return opened


session.open_model = open_slowed
sys.exit(main(sys.argv[2:]))
