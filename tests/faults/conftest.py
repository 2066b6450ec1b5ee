"""How much is tried: little in CI, and the same each time; more by hand, and other things each time."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("DLIFLOW_FUZZ_EXAMPLES", "0"))

settings.register_profile(
    "bounded",
    max_examples=EXAMPLES or 60,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("bounded")
