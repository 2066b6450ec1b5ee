"""How long jobs take, beforehand and by those that have ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dliflow.runs import forecast
from dliflow.runs.forecast import Durations, Job
from dliflow.study import config, paths

GIVEN = {"models": ["m"], "dataset": "d", "frameworks": ["null"], "precisions": ["fp32"]}
CONFIG = config.study(GIVEN, "test")
POINT = {"node": "local", "model": "m", "api": "python", "variant": "default", "precision": "fp32", "device": "cpu"}
FOLDER = {**POINT, "parameters": "default", "environment": "0123456789ab"}


def sweep(framework: str, group: int) -> Job:
    """A job of the sweep."""
    wildcards = {**FOLDER, "framework": framework, "group": str(group)}
    return Job(group, "sweep", paths.log(paths.SWEEP.format(**wildcards)), wildcards)


def job(stage: str, framework: str = "", number: int = 0) -> Job:
    """A job of another stage."""
    return Job(number, stage, f"results/logs/{stage}-{framework}.log", {"framework": framework} if framework else {})


COMPARE = Job(99, "compare", paths.log(paths.COMPARE.format(**POINT, batch_size=1)), {**POINT, "batch_size": "1"})


def changed(**latency: Any) -> dict[str, Any]:
    """The config with other values below `latency`."""
    return {**CONFIG, "latency": {**CONFIG["latency"], **latency}}


def remember(folder, one: Job, seconds: float, status: int = 0) -> None:
    """Leave beside a job's log what it took."""
    timing = folder / paths.timing(one.log)
    timing.parent.mkdir(parents=True, exist_ok=True)
    timing.write_text(json.dumps({"stage": one.stage, "started": 0.0, "seconds": seconds, "status": status}))


def test_nothing_to_do_says_nothing():
    assert forecast.forecast([], Durations(CONFIG), 1) is None


def test_what_would_run_is_told_by_part_of_the_study():
    jobs = [*(sweep(name, group) for name in ("tflite", "openvino") for group in range(1, 31)), COMPARE]
    jobs += [job("convert", "tflite"), job("tables")]
    text = forecast.forecast(jobs, Durations(CONFIG), 1)
    seconds = 60 * forecast.budgeted("sweep", CONFIG) + forecast.START_S + CONFIG["compare"]["budget_s"]
    assert [line.split("  ")[1] for line in text.splitlines()[:-1]] == [
        "conversion",
        "measuring",
        "reporting",
        "in all",
    ]
    assert f"61 jobs  about {round(seconds / 60)} min" in text
    assert text.endswith("Measurements to be made: 60 of the sweep (openvino, tflite) and 1 in rounds.")
    assert "Measurements" not in forecast.forecast([job("tables")], Durations(CONFIG), 1)


def test_the_time_of_a_sweep_is_bounded_by_its_budget_and_by_what_it_does():
    few = changed(batch_sizes=[1], sessions=1, rounds=1, warmup_limit_s=1.0, burst_s=0.5, budget_s=60)
    assert forecast.budgeted("sweep", few) == forecast.START_S + 2.0
    assert forecast.budgeted("sweep", changed(budget_s=0.5)) == forecast.START_S + 0.5
    assert forecast.budgeted("sweep", changed(mode="fixed")) is None
    assert forecast.budgeted("convert", CONFIG) is None


def test_earlier_runs_count_unless_a_budget_tells_more(tmp_path, monkeypatch):
    """A sweep with another budget takes another time than the last one did."""
    monkeypatch.chdir(tmp_path)
    known, expected = Durations(CONFIG), Durations(CONFIG)
    for one, seconds, status in ((sweep("a", 1), 500.0, 0), (job("convert", "a"), 31.0, 0), (job("export"), 9.0, 1)):
        remember(tmp_path, one, seconds, status)
    known.learn_of_earlier_runs([sweep("a", 1), job("convert", "a"), job("export"), job("parity")])
    assert known.of(sweep("a", 2)) == expected.of(sweep("a", 2))
    assert known.of(job("export")) == expected.of(job("export"))  # it failed, so its time tells nothing
    assert known.of(job("convert", "b")) == (forecast.USUAL_S["convert"] + 31.0) / 2
    assert known.of(job("convert", "a")) > known.of(job("convert", "b"))


def test_jobs_of_the_same_framework_tell_most():
    known = Durations(CONFIG)
    for _ in range(99):
        known.learn(sweep("slow", 1), 20.0)
    for _ in range(99):
        known.learn(sweep("fast", 1), 4.0)
    assert known.of(sweep("slow", 2)) == pytest.approx(20, abs=0.5)
    assert known.of(sweep("fast", 2)) == pytest.approx(4, abs=0.5)
    assert known.of(sweep("new", 1)) == pytest.approx(12, abs=0.5)


def test_measurements_follow_each_other_and_the_rest_runs_side_by_side():
    known = Durations(changed(budget_s=8.0, warmup_limit_s=99.0))
    sweeps, others = [sweep("a", 1), sweep("a", 2)], [job("export", number=number) for number in range(4, 8)]
    assert known.of_all(sweeps, {}, 4) == 20.0
    assert known.of_all(others, {}, 1) == 40.0
    assert known.of_all(others, {}, 4) == known.of_all(others[:1], {}, 4) == 10.0
    assert known.of_all([*sweeps, *others], {1: 3.0, 4: 99.0}, 2) == 17.0 + 15.0


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        ('PYTHONPATH=w "$P" -m dliflow supervise --timeout 9 --log {log:q} -- sweep {params.options} -- x', "sweep"),
        ("echo -- sweep", None),
        (None, None),
    ],
)
def test_a_rules_command_names_its_stage(command, stage):
    assert forecast.stage_of(command) == stage


def test_times_are_told_as_roughly_as_they_are_known():
    assert [forecast.about(seconds) for seconds in (0.2, 7.4, 44, 1500)] == [
        *("about 1 s", "about 7 s", "about 40 s", "about 25 min"),
    ]


def test_reasons_name_the_rules_that_would_run_for_them():
    told = forecast.reasons([("sweep", ["params"]), ("tables", ["inputs", "params"]), ("sweep", ["params"])])
    assert told == "Reasons:\n  inputs: tables\n  params: sweep, tables"
    assert forecast.reasons([]) == ""


def test_throughput_is_told_beside_the_sweep():
    path = paths.THROUGHPUT.format(**FOLDER, framework="tflite", group=1)
    jobs = [sweep("tflite", 1), *(Job(number, "throughput", paths.log(path), {}) for number in range(2, 8))]
    text = forecast.forecast(jobs, Durations(CONFIG), 1)
    assert "1 of the sweep (tflite) and 6 with several requests in flight." in text
    assert forecast.budgeted("throughput", CONFIG) == forecast.START_S + CONFIG["throughput"]["budget_s"]


def test_races_take_as_long_as_their_bounds():
    tuned = config.study({**GIVEN, "tune": {"budget_s": 200, "confirm_budget_s": 100}}, "test")
    log = paths.log(paths.TUNE.format(**FOLDER, framework="openvino", batch_size=1))
    text = forecast.forecast([Job(number, "tune", log, {}) for number in range(4)], Durations(tuned), 1)
    assert "Measurements to be made: 4 races of launch parameters." in text
    assert forecast.budgeted("tune", tuned) == forecast.START_S + 300
    assert forecast.budgeted("tune", CONFIG) is None
