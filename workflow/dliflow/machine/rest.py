"""Wait until a process's threads sleep.

Compute threads spin for a while after their work, so as to be quick when more comes: ONNX Runtime's for some 40 ms,
most others' for less than 10. Whatever else is measured meanwhile would share its processors with them.
"""

from __future__ import annotations

import time

WINDOW_S = 0.012  # longer than a tick of the slowest kernel clock in use (100 Hz), by which running threads are charged
AWAKE = 0.1  # share of a window in which one processor worked for this process; one spinning thread is 1
LIMIT_S = 0.3


def wait(limit_s: float = LIMIT_S) -> bool:
    """Sleep until this process has used no processor for a moment; False when it never did within so many seconds."""
    deadline = time.monotonic() + limit_s
    before = time.process_time()
    while time.monotonic() < deadline:
        time.sleep(WINDOW_S)
        now = time.process_time()
        if now - before < AWAKE * WINDOW_S:
            return True
        before = now
    return False
