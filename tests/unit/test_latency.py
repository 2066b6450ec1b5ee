"""The latency stage with the framework that does nothing: what is launched and fed, and what the record says of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from project import ROOT, converted, prepared

from dliflow.analysis.tables import measurements
from dliflow.machine import rest
from dliflow.measuring import feed
from dliflow.records import record
from dliflow.stages import latency

ENTRY = {
    **{"height": 8, "width": 8, "layout": "NCHW", "channel_order": "RGB", "mean": [0] * 3, "scale": [1] * 3},
    **{"resize": "squash", "interpolation": "nearest"},
}
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)


@pytest.fixture
def measure(tmp_path):
    """Run the stage in a process of its own; its record."""
    converted(tmp_path / "model.json", {"classes.json": "10"})
    prepared(tmp_path / "array.json", PIXELS, list_sha256="1")

    def run(asked=None, **changes):
        launch = {"cpus": None, "numa_node": None, "priority": None, "environment": {}, **(asked or {})}
        options = {
            **{"model": "none", "framework": "null", "variant": "default", "precision": "fp32", "device": "cpu"},
            **{"options": "{}", "input": json.dumps(ENTRY), "scores": 10, "node": "local"},
            **{"converted": tmp_path / "model.json", "array": tmp_path / "array.json", "out": tmp_path / "record.json"},
            **{"scenario": "latency", "repetition": 1, "batch-size": 2, "requests": 20},
            **{
                "limit": 1,
                "least": 1,
                "warmup-requests": 1,
                "warmup-limit": 1,
                "launch": json.dumps(launch),
                "pacer": sys.executable,
            },
            **{key.replace("_", "-"): value for key, value in changes.items()},
        }
        result = subprocess.run(
            [sys.executable, "-m", "dliflow", "latency", *(f"--{key}={value}" for key, value in options.items())],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
            capture_output=True,
            text=True,
            timeout=60,
        )
        if result.returncode:
            raise RuntimeError(result.stderr)
        return record.read(str(tmp_path / "record.json"))

    return run


def test_a_record_tells_what_was_asked_and_what_was_in_effect(measure):
    one = str(max(os.sched_getaffinity(0)))
    nice = min(os.getpriority(os.PRIO_PROCESS, 0) + 3, 19)
    found = measure({"cpus": one, "priority": nice}, random_images=6, distinct=2)
    assert found["launch"]["asked"] == {"cpus": one, "numa_node": None, "priority": nice, "environment": {}}
    in_effect = found["launch"]["in_effect"]
    assert (in_effect["cpus"], in_effect["outside"], in_effect["priority"]) == (one, "", nice)
    assert found["machine"]["usable_cpus"] == 1
    assert set(found["figures"]["probe_before_ns"]) == {one}
    assert (found["figures"]["inputs"], found["figures"]["distinct_batches"]) == ("random", 2)
    assert found["identity"]["list_sha256"] is None
    assert measurements.launch(found) == f"cpus {one}; nice {nice}; random inputs; 2 distinct inputs"


def test_defaults_say_nothing(measure):
    found = measure()
    assert measurements.launch(found) == ""
    figures = found["figures"]
    assert (figures["inputs"], figures["distinct_batches"], figures["distinct_asked"]) == ("images", 4, None)
    assert found["identity"]["list_sha256"] == "1"


def test_what_cannot_be_met_is_refused_before_anything_is_measured(measure):
    with pytest.raises(RuntimeError, match=r"^dliflow latency: error: launch\.cpus: 9000: "):
        measure({"cpus": "9000"})


def test_batches_are_distinct_and_as_many_as_asked():
    for distinct, count in ((None, 4), (1, 1), (3, 3), (50, 4)):
        made = feed.make_batches(PIXELS, ENTRY, 2, distinct)
        assert len(made) == len({batch.tobytes() for batch in made}) == count
    assert feed.make_batches(PIXELS, ENTRY, 12)[0].shape == (12, 3, 8, 8)


def test_random_pixels_are_uniform_and_the_same_each_time():
    found = feed.noise(100, ENTRY)
    assert np.array_equal(found, feed.noise(100, ENTRY))
    assert found.shape == (100, 8, 8, 3) and found.dtype == np.uint8
    assert (found.min(), found.max()) == (0, 255)
    assert abs(found.mean() - 127.5) < 2
    assert len({image.tobytes() for image in found}) == 100


class FakePacer:
    """Answers without a process; what `ask` is told is kept."""

    def __init__(self):
        self.asked = []

    def ask(self, request):
        self.asked.append(request)
        return {"latency_ns": [1] * request["times"]}


def test_the_pacer_comes_when_it_is_due_and_the_framework_is_warmed_after_it(monkeypatch):
    now, warmed = [0.0], []
    monkeypatch.setattr(latency, "time", SimpleNamespace(monotonic=lambda: now[0]))
    pacing = latency.Pacing(FakePacer(), warmed.append, PIXELS)
    for moment in (0, 0.1, 0.16, 0.3, 0.32):
        now[0] = moment
        pacing.when_due()
    assert [len(burst) for burst in pacing.bursts_ns] == [5] * 3  # at 0, 0.16 and 0.32 s
    assert len(warmed) == 3
    assert pacing.at_rest


def test_threads_that_never_sleep_are_waited_for_once(monkeypatch):
    waits = []
    monkeypatch.setattr(latency.rest, "wait", lambda: bool(waits.append(1)))
    pacing = latency.Pacing(FakePacer(), None, PIXELS)
    for _ in range(3):
        pacing.burst()
    assert (len(waits), pacing.at_rest, len(pacing.bursts_ns)) == (1, False, 3)


def test_the_pacer_works_before_and_after_the_requests(measure):
    figures = measure(requests=60, least=10)["figures"]
    assert len(figures["pacer_ns"]) >= 2
    assert all(len(burst) == 5 and min(burst) > 0 for burst in figures["pacer_ns"])
    assert figures["at_rest"] is True
    assert figures["disturbance"]["others_cpu_s"] >= 0


@pytest.mark.parametrize(("spins_s", "slept", "waited_s"), [(0, True, 0.012), (0.04, True, 0.06), (9, False, 0.3)])
def test_threads_that_spin_are_waited_for_and_those_that_never_sleep_are_told(monkeypatch, spins_s, slept, waited_s):
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    clock = SimpleNamespace(monotonic=lambda: now[0], process_time=lambda: min(now[0], spins_s), sleep=sleep)
    monkeypatch.setattr(rest, "time", clock)
    assert rest.wait() is slept
    assert now[0] == pytest.approx(waited_s, abs=0.012)


def test_a_pacer_that_cannot_start_is_told(measure, tmp_path):
    with pytest.raises(RuntimeError, match="nowhere/python"):
        measure(pacer=tmp_path / "nowhere/python")
