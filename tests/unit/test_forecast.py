"""What a dry run says of measuring."""

from __future__ import annotations

import json

from dliflow.runs import forecast
from dliflow.study import config, paths

CONFIG = config.study({"models": ["m"], "dataset": "d", "frameworks": ["null"], "precisions": ["fp32"]}, "test")
POINT = {"node": "local", "model": "m", "variant": "default", "precision": "fp32", "device": "cpu"}
FOLDER = {**POINT, "parameters": "default", "environment": "0123456789ab"}


def sweep(framework: str, group: int) -> tuple[str, str]:
    return "sweep", paths.log(paths.SWEEP.format(**FOLDER, framework=framework, group=group))


COMPARE = ("compare", paths.log(paths.COMPARE.format(**POINT, batch_size=1)))


def test_nothing_to_measure_says_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert forecast.forecast([("tables", "results/logs/tables.log")], CONFIG) is None


def test_throughput_is_told_beside_the_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = paths.THROUGHPUT.format(**FOLDER, framework="tflite", group=1)
    told = forecast.forecast([sweep("tflite", 1), *[("throughput", paths.log(path))] * 6], CONFIG)
    assert "1 of the sweep (tflite) and 6 with several requests in flight, about 2 min in all" in told


def test_budgets_count_where_nothing_was_measured_and_times_where_something_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = [*(sweep(name, group) for name in ("tflite", "openvino") for group in range(1, 31)), COMPARE]
    seconds = 60 * (CONFIG["latency"]["budget_s"] + forecast.START_S) + CONFIG["compare"]["budget_s"]
    told = forecast.forecast(jobs, CONFIG)
    assert told.startswith("Measurements to be made: 60 of the sweep (openvino, tflite) and 1 in rounds, ")
    assert f"about {round(seconds / 60)} min" in told
    timing = tmp_path / paths.timing(sweep("tflite", 1)[1])
    timing.parent.mkdir(parents=True)
    timing.write_text(json.dumps({"stage": "sweep", "started": 0.0, "seconds": 20.0, "status": 0}))
    assert f"about {round((60 * 20 + CONFIG['compare']['budget_s']) / 60)} min" in forecast.forecast(jobs, CONFIG)
