"""A whole study on a tiny model: what it leaves behind."""

from __future__ import annotations

import json


def test_the_tables_hold_every_configuration(finished):
    performance = finished.table("performance")
    assert [(row["framework"], row["batch_size"]) for row in performance] == [
        ("alpha", "1"),
        ("alpha", "2"),
        ("beta", "1"),
        ("beta", "2"),
    ]
    for row in performance:
        assert row["status"] == "ok"
        assert row["repetitions"] == "2"
        assert float(row["latency_ci_low_ms"]) <= float(row["latency_p50_ms"]) <= float(row["latency_ci_high_ms"])
        fps = int(row["batch_size"]) / float(row["latency_p50_ms"]) * 1e3
        assert abs(float(row["fps"]) / fps - 1) < 1e-4
    assert len(finished.table("measurements")) == 8
    assert {row["top1"] for row in finished.table("accuracy")} == {"1"}


def test_predictions_of_each_image_are_kept(finished):
    (path,) = (finished.folder / "results/accuracy").rglob("beta*.csv")
    lines = path.read_text().splitlines()
    assert lines[0] == "file,sha256,label,class1,class2,class3,score1,score2,score3"
    assert len(lines) == 10


def test_records_hold_all_samples_and_what_was_found(finished):
    for path in finished.records():
        record = json.loads(path.read_text())
        assert len(record["figures"]["latency_ns"]) == 30 or record["figures"]["stopped_by"] == "time"
        assert len(record["figures"]["warmup_ns"]) == 2
        assert record["figures"]["warmup_stopped_by"] == "requests"
        assert record["machine"]["usable_cpus"] >= 1
        assert record["identity"]["framework_version"] == "2.4.6"
        assert "latency" in record["command"]


def test_measurements_take_turns(finished):
    """Rounds one after the other, and no framework's measurements all together."""
    times = {
        path: json.loads(path.read_text())["started"]
        for path in (finished.folder / "results/logs/latency").rglob("*.time.json")
    }
    order = sorted(times, key=times.__getitem__)
    rounds = ["run1" in path.name for path in order]
    assert rounds == sorted(rounds, reverse=True)
    others = [json.loads(p.read_text())["started"] for p in (finished.folder / "results/logs").rglob("*.time.json")]
    kinds = {path.parent.name.split("-")[0] for path in order[:4]}
    assert kinds == {"alpha", "beta"}
    assert len(others) > len(times)


def test_no_measurement_overlaps_anything(project):
    """Real concurrency: with two cores other jobs run side by side, measurements alone."""
    result = project.snakemake("all", "--cores", "2")
    assert result.returncode == 0, result.stdout
    spans = []
    for path in (project.folder / "results/logs").rglob("*.time.json"):
        job = json.loads(path.read_text())
        spans.append((job["started"], job["started"] + job["seconds"], job["stage"]))
    for start, end, stage in spans:
        if stage == "latency":
            overlapping = [other for other in spans if other[0] < end and other[1] > start]
            assert len(overlapping) == 1, overlapping


def test_the_summary_is_the_last_thing_on_the_terminal(project):
    output = project.run("all")
    summary = (project.folder / "results/report/summary.txt").read_text().strip()
    assert summary in output
    assert "results/report/index.html" in summary
