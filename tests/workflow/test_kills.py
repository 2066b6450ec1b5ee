"""The script of many random kills (tests/faults/kills.py), with two of them on the tiniest study."""

from __future__ import annotations

import os
import random

from faults import kills

from dliflow.study import paths


def test_two_kills_change_nothing_but_timings(project, finished_template):
    names = (paths.PARITY, paths.ACCURACY)
    targets = [project.path(pattern, framework) for pattern in names for framework in ("alpha", "beta")]
    targets.append(project.path(paths.SWEEP))
    chance = random.Random(1)
    for after_s in (4.0, 6.0):
        kills.killed(project, targets, after_s, chance)
        project.run("--unlock")
    other = project.folder / "other"  # a Python that is none, first on the PATH
    other.mkdir()
    for name in ("python", "python3"):
        (other / name).write_text("#!/bin/sh\nexit 9\n")
        (other / name).chmod(0o755)
    project.run("--rerun-incomplete", *targets, PATH=f"{other}:{os.environ['PATH']}")
    undisturbed = kills.comparable(finished_template)
    seen = kills.comparable(project.folder)
    assert len(seen) >= 15
    assert not [path for path in seen if seen[path] != undisturbed.get(path)]
    assert not kills.left_over(project.folder)
