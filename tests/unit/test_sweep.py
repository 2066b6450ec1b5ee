"""The sweep stage, run for real with frameworks that need nothing but numpy.

Its anchor is a stand-in: a module called `onnxruntime` that computes nothing, since the environment of the tests has no
other. All else of the anchor is real; the real one is part of the studies in tests/workflow.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from project import ROOT, converted, prepared

from dliflow.analysis import load
from dliflow.analysis.tables import measurements
from dliflow.files import payload, read_json, sha256, write_json
from dliflow.machine import facts
from dliflow.measuring import anchor
from dliflow.records import record
from dliflow.stages import sweep as sweep_stage
from dliflow.stages import tune as tune_stage
from dliflow.study import paths

ENTRY = {
    **{"height": 8, "width": 8, "layout": "NCHW", "channel_order": "RGB", "mean": [0] * 3, "scale": [1] * 3},
    **{"resize": "squash", "interpolation": "nearest"},
}
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
STAND_IN = '''
"""In place of ONNX Runtime: answers at once, and knows of no GPU."""
__version__ = "0.0"

def get_available_providers():
    return ["CPUExecutionProvider"]

class SessionOptions:
    intra_op_num_threads = 0

class InferenceSession:
    def __init__(self, path, settings, providers):
        assert open(path, "rb").read() == b"a network" and providers == ["CPUExecutionProvider"]

    def run(self, outputs, inputs):
        assert inputs["input"].shape == (1, 3, 224, 224)
        return [sum(range(1000))]
'''
FAULTY = '''
"""Does nothing, or what a file says for a batch size; every opening is noted in another file."""
import os, time
import numpy as np
from dliflow.errors import Skip
from dliflow.files import read_json

OPTIONS = {}
CONCURRENT = os.environ.get("DLIFLOW_TEST_CONCURRENT", "processes")

def version():
    return "1.5"

class Faulty:
    threads = None

    def __init__(self, batch_size, fault):
        self.batch_size, self.fault = batch_size, fault

    def predict(self, batch):
        assert batch.dtype == np.float32 and batch.shape == (self.batch_size, 3, 8, 8) and batch.flags.c_contiguous
        if self.fault == "crash":
            os.kill(os.getpid(), 11)
        if self.fault in ("slow", "brief"):
            time.sleep({"slow": 0.6, "brief": 0.005}[self.fault])
        return np.full((self.batch_size, 10), np.nan if self.fault == "nan" else 0, np.float32)

def load(model, *, precision, variant, device, batch_size, threads, options):
    with open(os.environ["DLIFLOW_TEST_OPENED"], "a") as stream:
        stream.write(f"{batch_size}\\n")
    fault = read_json(os.environ["DLIFLOW_TEST_FAULTS"]).get(str(batch_size))
    if fault == "skip":
        raise Skip("no such batches")
    return Faulty(batch_size, fault)
'''


def package_with(folder: Path, name: str, text: str) -> None:
    """dliflow, as links, and another framework in it."""
    package = ROOT / "workflow/dliflow"
    frameworks = folder / "dliflow/frameworks"
    frameworks.mkdir(parents=True)
    for path in package.iterdir():
        if path.name != "frameworks":
            (folder / "dliflow" / path.name).symlink_to(path)
    for path in (package / "frameworks").iterdir():
        (frameworks / path.name).symlink_to(path)
    (frameworks / f"{name}.py").write_text(text)


class Sweep:
    """Runs the stage in a process of its own, in a folder."""

    def __init__(self, folder: Path):
        self.folder, self.out = folder, folder / "record.json"
        self.partial = Path(paths.partial(str(self.out)))
        package_with(folder / "code", "faulty", FAULTY)
        (folder / "code/onnxruntime.py").write_text(STAND_IN)
        converted(folder / "model.json", {"classes.json": "10"})
        prepared(folder / "array.json", PIXELS, list_sha256="1")
        network = payload(folder / "anchor.json") / anchor.NETWORK
        network.parent.mkdir()
        network.write_bytes(b"a network")
        write_json(folder / "anchor.json", {"sha256": sha256(network)})
        self.faults({})

    def faults(self, of: dict[int, str]) -> None:
        """From now on batch sizes fail so, and nothing is noted as opened."""
        write_json(self.folder / "faults.json", of)
        (self.folder / "opened.txt").write_text("")

    def opened(self) -> list[int]:
        """The batch sizes that were opened, in their order."""
        return [int(line) for line in (self.folder / "opened.txt").read_text().split()]

    def start(self, asked=None, **changes) -> subprocess.CompletedProcess[str]:
        """Run it.

        Args:
            asked: changes of the config's `launch`.
            changes: of the other options.
        """
        launch = {"cpus": None, "numa_node": None, "priority": None, "environment": {}, **(asked or {})}
        options = {
            **{
                "model": "none",
                "framework": "null",
                "api": "python",
                "variant": "default",
                "precision": "fp32",
                "device": "cpu",
            },
            **{"options": "{}", "input": json.dumps(ENTRY), "scores": 10, "node": "local", "scenario": "latency"},
            **{name: self.folder / f"{name}.json" for name in ("array", "anchor")},
            **{"converted": self.folder / "model.json", "out": self.out, "launch": json.dumps(launch)},
            **{"python": sys.executable, "anchor-python": sys.executable, "batch-sizes": "[1, 2, 4]", "group": 1},
            **{
                "sessions": 2,
                "rounds": 3,
                "burst-requests": 20,
                "burst-limit": 60,  # no bound of time that a busy machine reaches
                "seed": 0,
                "hang": 100,
                "origin": "0",
            },
            **{"warmup-requests": 5, "warmup-limit": 60},
            **{key.replace("_", "-"): value for key, value in changes.items()},
        }
        given = [f"--{key}={value}" for key, value in options.items() if value is not None]
        noted = {
            f"DLIFLOW_TEST_{name.upper()}": str(next(self.folder.glob(f"{name}.*"))) for name in ("faults", "opened")
        }
        return subprocess.run(
            [sys.executable, "-m", "dliflow", "sweep", *given],
            env={**os.environ, **noted, "PYTHONPATH": str(self.folder / "code")},
            capture_output=True,
            text=True,
            timeout=600,
        )

    def run(self, asked=None, **changes) -> dict:
        """The record of a good run, checked against its schema."""
        result = self.start(asked, **changes)
        assert result.returncode == 0, result.stderr
        assert not self.partial.exists()
        return record.read(str(self.out))

    def fail(self, **changes) -> str:
        """What is told of a run that must not be a good one, without the log of the workers before."""
        result = self.start(**changes)
        assert result.returncode == 2, result.stderr
        return result.stderr[result.stderr.index("dliflow sweep: error: ") :]


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path)


def sessions_by_size(figures: dict) -> dict[int, list[dict]]:
    """The sessions of all groups."""
    found: dict[int, list[dict]] = {}
    for one in (session for group in figures["groups"] for session in group["sessions"]):
        found.setdefault(one["opened"]["measured"]["batch_size"], []).append(one)
    return dict(sorted(found.items()))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The record of a run with nothing special."""
    folder = tmp_path_factory.mktemp("plain")
    found = Sweep(folder).run()
    yield found
    shutil.rmtree(folder)


def test_every_batch_size_has_its_sessions_of_rounds_between_bursts_of_the_anchor(plain):
    (group,) = plain["figures"]["groups"]
    assert group["anchor"]["runtime"] == "onnxruntime 0.0"
    of_sizes = sessions_by_size(plain["figures"])
    assert {size: len(sessions) for size, sessions in of_sizes.items()} == {1: 2, 2: 2, 4: 2}
    for one in group["sessions"]:
        assert [round_["order"] for round_ in one["rounds"]] == [["measured"]] * 3
        assert [len(round_["latency_ns"]["measured"]) for round_ in one["rounds"]] == [20] * 3
        assert one["anchor_threads"] == one["opened"]["measured"]["threads_in_effect"] == 1
        assert len(one["anchor_ns"]) == 4
        assert all(anchor.FEWEST <= len(burst) <= anchor.BURST["requests"] for burst in one["anchor_ns"])
        opened = one["opened"]["measured"]
        assert (len(opened["warmup_ns"]), opened["warmup_stopped_by"]) == (5, "requests")
        assert opened["peak_rss_mib"] > 5
        assert one["wall_ms"] / 1e3 < group["wall_s"]
    assert group["disturbance"]["others_cpu_s"] >= 0


def test_a_record_tells_what_was_run_and_by_whom(plain):
    identity, (group,) = plain["identity"], plain["figures"]["groups"]
    assert identity["batch_sizes"] == [1, 2, 4]
    assert (identity["group"], identity["node"], identity["parameters"]) == (1, "local", "default")
    assert identity["framework_version"] == np.__version__
    told = group["members"]["measured"]
    assert told["identity"]["framework"] == "null" and told["model_bytes"] == 2 and told["import_ms"] >= 0
    assert "worker" in told["command"] and "sweep" in plain["command"]
    assert plain["figures"]["broken"] == []


def test_defaults_say_nothing(plain):
    opened = sessions_by_size(plain["figures"])[2][0]["opened"]["measured"]
    assert measurements.launch(opened["launch"]["asked"], plain["figures"]) == ""
    figures = plain["figures"]
    assert (figures["inputs"], opened["distinct_batches"], figures["distinct_asked"]) == ("images", 4, None)
    assert plain["identity"]["list_sha256"] == "1"


def test_a_record_tells_what_was_asked_and_what_was_in_effect(sweep):
    one = str(max(os.sched_getaffinity(0)))
    nice = min(os.getpriority(os.PRIO_PROCESS, 0) + 3, 19)
    found = sweep.run({"cpus": one, "priority": nice}, random_images=6, distinct=2, batch_sizes="[2]", sessions=1)
    (group,) = found["figures"]["groups"]
    opened = group["sessions"][0]["opened"]["measured"]
    assert opened["launch"]["asked"] == {"cpus": one, "numa_node": None, "priority": nice, "environment": {}}
    in_effect = opened["launch"]["in_effect"]
    assert (in_effect["cpus"], in_effect["outside"], in_effect["priority"]) == (one, "", nice)
    assert found["machine"]["usable_cpus"] == 1 == group["sessions"][0]["anchor_threads"]
    assert (found["figures"]["inputs"], opened["distinct_batches"]) == ("random", 2)
    assert found["identity"]["list_sha256"] is None
    launched = measurements.launch(opened["launch"]["asked"], found["figures"])
    assert launched == f"cpus {one}; nice {nice}; random inputs; 2 distinct inputs"


def test_what_cannot_be_met_is_refused_before_anything_is_measured(sweep):
    result = sweep.start({"cpus": "9000"}, framework="faulty")
    assert result.stderr.startswith("dliflow sweep: error: launch.cpus: 9000: ")
    assert sweep.opened() == []


def test_a_python_that_is_not_there_is_told(sweep):
    result = sweep.start(anchor_python=sweep.folder / "nowhere/python")
    assert result.returncode != 0 and "nowhere/python" in result.stderr


def test_an_anchor_that_has_no_gpu_to_run_on_is_the_reason_of_a_skip(sweep):
    found = sweep.run(anchor_device="gpu")
    assert found["status"] == "skipped" and found["reason"].startswith("the anchor cannot run on the GPU")


def test_fixed_mode_makes_all_requests_in_one_burst(sweep):
    found = sweep.run(burst_limit=None, burst_requests=333, rounds=1, sessions=1, batch_sizes="[2]")
    (session,) = found["figures"]["groups"][0]["sessions"]
    (round_,) = session["rounds"]
    assert len(round_["latency_ns"]["measured"]) == 333
    assert len(session["anchor_ns"]) == 2


def test_a_slow_batch_size_is_not_opened_again_and_its_bursts_are_short(sweep):
    sweep.faults({4: "slow"})
    found = sweep.run(framework="faulty", budget=6.0, burst_limit=0.05, sessions=3, warmup_requests=1)
    of_sizes = sessions_by_size(found["figures"])
    assert len(of_sizes[4]) == 1 < len(of_sizes[1])
    assert sweep.opened().count(4) == 1
    assert [len(round_["latency_ns"]["measured"]) for round_ in of_sizes[4][0]["rounds"]] == [1] * 3


def test_one_batch_size_that_breaks_costs_that_one_and_the_next_attempt_measures_only_it(sweep):
    sweep.faults({2: "nan", 4: "crash"})
    told = sweep.fail(framework="faulty")
    assert sorted(told.removeprefix("dliflow sweep: error: ").splitlines()) == [
        "batch size 2: 20 of 20 scores are NaN or infinite",
        "batch size 4: its process was killed by SIGSEGV; its own message stands in this log",
    ]
    assert not sweep.out.exists()
    part = record.read(str(sweep.partial))
    assert {size: len(sessions) for size, sessions in sessions_by_size(part["figures"]).items()} == {1: 2}
    assert {one["batch_size"] for one in part["figures"]["broken"]} == {2, 4}
    before = sessions_by_size(part["figures"])[1]
    sweep.faults({4: "crash"})  # another attempt, which mends one of both
    assert "batch size 4" in sweep.fail(framework="faulty")
    assert sorted(set(sweep.opened())) == [2, 4]
    sweep.faults({})
    found = sweep.run(framework="faulty")
    assert set(sweep.opened()) == {4}
    of_sizes = sessions_by_size(found["figures"])
    assert {size: len(sessions) for size, sessions in of_sizes.items()} == {1: 2, 2: 2, 4: 2}
    assert of_sizes[1] == before
    assert found["figures"]["broken"] == []
    assert found["identity"]["framework_version"] == "1.5"
    assert found["identity"]["batch_sizes"] == [1, 2, 4]


@pytest.mark.parametrize("change", ["options", "pixels", "damage"])
def test_what_was_left_under_other_settings_is_measured_again(sweep, change):
    sweep.faults({4: "nan"})
    sweep.fail(framework="faulty", sessions=1)
    sweep.faults({})
    if change == "pixels":
        prepared(sweep.folder / "array.json", PIXELS[::-1], list_sha256="1")
    elif change == "damage":
        sweep.partial.write_text(sweep.partial.read_text()[:-9])
    sweep.run(framework="faulty", sessions=1, rounds=2 if change == "options" else 3)
    assert sorted(sweep.opened()) == [1, 2, 4]


@pytest.mark.parametrize("stage", [sweep_stage, tune_stage])
def test_what_another_machine_left_is_no_part_of_a_record(tmp_path, monkeypatch, stage):
    """A record tells of one machine, and in containers one node may be two of them, or get another kernel."""
    files = {name: tmp_path / f"{name}.json" for name in ("converted", "array", "anchor")}
    for file in files.values():
        file.write_text("{}")
    args = argparse.Namespace(framework="null", built=None, candidates=1, **files)
    more = [[{}]] if stage is tune_stage else []
    here = stage.deciding(args, *more)
    assert stage.deciding(args, *more) == here
    there = {**facts.describe(), "kernel": "another"}
    monkeypatch.setattr(facts, "describe", lambda: there)
    assert stage.deciding(args, *more) != here


def test_a_batch_size_that_cannot_be_is_skipped_and_the_record_is_whole(sweep):
    sweep.faults({4: "skip"})
    found = sweep.run(framework="faulty", sessions=1)
    assert found["figures"]["broken"] == [
        {"batch_size": 4, "skipped": True, "reason": "no such batches", "in_flight": None}
    ]
    assert set(sessions_by_size(found["figures"])) == {1, 2}
    assert len(found["figures"]["groups"]) == 1


def test_a_configuration_that_can_run_at_no_batch_size_is_skipped(sweep):
    sweep.faults({1: "skip", 2: "skip", 4: "skip"})
    found = sweep.run(framework="faulty")
    assert (found["status"], found["reason"]) == ("skipped", "no such batches")
    assert sorted(sweep.opened()) == [1, 2, 4]
    assert found["identity"]["group"] == 1


def test_a_batch_size_that_is_skipped_at_the_second_attempt_takes_nothing_from_the_others(sweep):
    sweep.faults({4: "nan"})
    sweep.fail(framework="faulty", sessions=1)
    sweep.faults({4: "skip"})
    found = sweep.run(framework="faulty", sessions=1)
    assert set(sessions_by_size(found["figures"])) == {1, 2}
    assert [one["batch_size"] for one in found["figures"]["broken"]] == [4]


def test_a_model_that_was_not_converted_is_skipped_with_the_reason_and_nothing_is_started(sweep):
    write_json(sweep.folder / "model.json", {"status": "skipped", "reason": "no such layer", "files": {}})
    found = sweep.run(framework="faulty", python="nowhere/python", anchor_python="nowhere/python")
    assert (found["status"], found["reason"]) == ("skipped", "no such layer")


def test_what_a_framework_says_that_it_cannot_do_here_is_skipped_and_nothing_is_started(sweep):
    asked = {"framework": "mxnet", "variant": "imperative", "precision": "int8", "python": "nowhere/python"}
    found = sweep.run(**asked)
    assert found["status"] == "skipped" and "cannot run one by one" in found["reason"]


def test_another_attempt_after_nothing_could_be_measured_begins_anew(sweep):
    sweep.faults({1: "nan", 2: "nan", 4: "crash"})
    sweep.fail(framework="faulty", sessions=1)
    assert read_json(sweep.partial)["figures"]["groups"] == []
    sweep.faults({})
    assert set(sessions_by_size(sweep.run(framework="faulty", sessions=1)["figures"])) == {1, 2, 4}


# --- Several requests in flight ---------------------------------------------------------------------------------------

LOADED = {"framework": "faulty", "scenario": "throughput", "batch-sizes": "[1, 2]", "in-flight": "[1, 2]", "rounds": 2}


@pytest.mark.parametrize("mode", ["threads", "sessions", "processes"])
def test_requests_are_in_flight_together_in_every_mode(sweep, mode, monkeypatch):
    if mode == "processes" and facts.physical_cores() < 2:
        pytest.skip("the machine has one core")
    monkeypatch.setenv("DLIFLOW_TEST_CONCURRENT", mode)
    sweep.faults({1: "brief", 2: "brief"})
    (group,) = sweep.run(sessions=1, **LOADED)["figures"]["groups"]
    opened = [one["opened"]["measured"] for one in group["sessions"]]
    assert sorted((one["batch_size"], one["in_flight"]) for one in opened) == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert {one["mode"] for one in opened} == {mode}
    outstanding: dict[int, list[float]] = {}
    for session in group["sessions"]:
        count = session["opened"]["measured"]["in_flight"]
        for round_ in session["rounds"]:
            assert sorted(set(round_["lane"]["measured"])) == list(range(count))
            found = load.busy(round_, "measured")
            assert found.latency_ns.min() >= 5_000_000
            # each lane makes a request in 5 ms and a little: what is outstanding is rate times latency (Little's law)
            outstanding.setdefault(count, []).append(found.requests * np.mean(found.latency_ns) / found.wall_ns)
    for count, of_bursts in outstanding.items():  # a busy machine lets a lane wait between its requests: never more
        assert max(of_bursts) == pytest.approx(count, rel=0.2)
    pinned = [one.get("pinned") for one in opened if one["in_flight"] == 2]
    if mode == "processes":
        assert all(one[0] != one[1] for one in pinned)
    else:
        assert len(sweep.opened()) == {"threads": 4, "sessions": 6}[mode]
        assert pinned == [None, None]


def test_more_processes_than_cores_are_skipped_with_the_reason(sweep):
    many = facts.physical_cores() + 1
    found = sweep.run(sessions=1, **{**LOADED, "in-flight": f"[1, {many}]", "batch-sizes": "[1]"})
    (broken,) = found["figures"]["broken"]
    assert (broken["in_flight"], broken["skipped"]) == (many, True)
    assert f"{many} processes need a core each, and this machine gives {many - 1}" in broken["reason"]


@pytest.mark.parametrize("mode", ["threads", "processes"])
def test_what_dies_under_load_costs_that_point_alone(sweep, mode, monkeypatch):
    monkeypatch.setenv("DLIFLOW_TEST_CONCURRENT", mode)
    sweep.faults({2: "crash"})
    told = sweep.fail(sessions=1, **{**LOADED, "in-flight": "[1]"})
    assert "batch size 2, 1 in flight: " in told and "killed by SIGSEGV" in told
    assert "batch size 1" not in told
    sweep.faults({})
    figures = sweep.run(sessions=1, **{**LOADED, "in-flight": "[1]"})["figures"]
    assert sorted(sessions_by_size(figures)) == [1, 2]
    assert set(sweep.opened()) == {2}  # what was measured stays


def test_wrong_scores_under_load_are_refused(sweep, monkeypatch):
    monkeypatch.setenv("DLIFLOW_TEST_CONCURRENT", "sessions")
    sweep.faults({1: "nan"})
    assert "batch size 1, 2 in flight: 10 of 10 scores are NaN" in sweep.fail(
        sessions=1, **{**LOADED, "in-flight": "[2]", "batch-sizes": "[1]"}
    )
