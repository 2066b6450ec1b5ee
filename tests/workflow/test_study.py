"""A whole study on a tiny model: what it leaves behind."""

from __future__ import annotations

import json
import zipfile

from dliflow.machine import confinement
from dliflow.study import paths


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
        assert (row["groups"], row["sessions"]) == ("2", "4")
        assert float(row["latency_ci_low_ms"]) <= float(row["latency_p50_ms"]) <= float(row["latency_ci_high_ms"])
        low, high = (float(row[f"latency_reference_ci_{end}_ms"]) for end in ("low", "high"))
        assert low <= float(row["latency_reference_ms"]) <= high
        fps = int(row["batch_size"]) / float(row["latency_p50_ms"]) * 1e3
        assert abs(float(row["fps"]) / fps - 1) < 1e-4
    assert len({row["reference_anchor_ms"] for row in performance}) == 1  # one state of the machine for all
    sessions = [(row["framework"], row["batch_size"], row["group"]) for row in finished.table("measurements")]
    points = {(framework, size, group) for framework in ("alpha", "beta") for size in "12" for group in "12"}
    assert sorted(sessions) == sorted([*points, *points])  # each opened twice
    assert {row["top1"] for row in finished.table("accuracy")} == {"1"}


def test_predictions_of_each_image_are_kept(finished):
    (path,) = (finished.folder / "results/accuracy").rglob("beta*.csv")
    lines = path.read_text().splitlines()
    assert lines[0] == "file,sha256,label,class1,class2,class3,score1,score2,score3"
    assert len(lines) == 10


def test_records_hold_all_samples_and_what_was_found(finished):
    network = json.loads((finished.folder / paths.ANCHOR).read_text())
    for path in finished.records():
        record = json.loads(path.read_text())
        assert record["identity"]["framework_version"] == "2.4.6"
        assert record["machine"]["usable_cpus"] >= 1
        assert "sweep" in record["command"]
        (group,) = record["figures"]["groups"]
        assert group["anchor"]["sha256"] == network["sha256"]
        assert group["anchor"]["runtime"].startswith("onnxruntime ")
        assert group["disturbance"]["wall_s"] > 0
        assert sorted(one["opened"]["measured"]["batch_size"] for one in group["sessions"]) == [1, 1, 2, 2]
        for session in group["sessions"]:
            opened = session["opened"]["measured"]
            assert opened["warmup_stopped_by"] in ("requests", "time")
            assert 1 <= len(opened["warmup_ns"]) <= 2
            assert opened["peak_rss_mib"] > 10
            (only,) = session["rounds"]
            assert all(only["latency_ns"]["measured"])
            assert len(session["anchor_ns"]) == 2  # before and after the burst
            assert all(map(all, session["anchor_ns"]))


def test_what_runs_the_models_file_first_is_confined_where_the_kernel_can(finished):
    for pattern in (paths.INTERCHANGE, paths.REFERENCE):
        log = (finished.folder / paths.log(finished.path(pattern))).read_text()
        assert f"# {confinement.described()}\n" in log


def test_groups_take_turns(finished):
    """The first group of every configuration before the second of any; everything else comes before."""
    times = {
        path: json.loads(path.read_text())["started"]
        for path in (finished.folder / "results/logs/sweep").rglob("*.time.json")
    }
    order = sorted(times, key=times.__getitem__)
    assert [path.name.partition(".")[0] for path in order] == ["group1", "group1", "group2", "group2"]
    assert {path.parent.name.split("-")[0] for path in order[:2]} == {"alpha", "beta"}
    others = [json.loads(p.read_text()) for p in (finished.folder / "results/logs").rglob("*.time.json")]
    told = ("sweep", "tables", "plots", "export_tables", "report", "recommend", "deploy")
    ready = [one for one in others if one["stage"] not in told]
    assert max(one["started"] for one in ready) < min(times.values())


def test_no_measurement_overlaps_anything_and_the_summary_is_told(project):
    """Real concurrency: with two cores other jobs run side by side, measurements alone."""
    project.configure(compare={"leaders": 2})
    output = project.run("all", "--cores", "2")
    summary = (project.folder / paths.SUMMARY).read_text().strip()
    assert summary in output
    assert paths.REPORT in summary
    spans = []
    for path in (project.folder / "results/logs").rglob("*.time.json"):
        job = json.loads(path.read_text())
        spans.append((job["started"], job["started"] + job["seconds"], job["stage"]))
    for start, end, stage in spans:
        if stage in ("sweep", "rounds"):
            overlapping = [other for other in spans if other[0] < end and other[1] > start]
            assert len(overlapping) == 1, overlapping


def test_snakemakes_own_report_holds_page_tables_and_plots(finished):
    """With what Snakemake brings along: nothing is fetched for it."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")
    finished.run("--report", "study.zip", **nowhere)
    with zipfile.ZipFile(finished.folder / "study.zip") as archive:
        names = archive.namelist()
        page = archive.read(next(name for name in names if name.endswith("report.html"))).decode()
    held = {name.rpartition("/")[2] for name in names}
    results = [paths.REPORT, f"{paths.EXPORT}/study.xlsx", *paths.TABLES.values()]
    results += [path for path in paths.PLOT_FILES if path.endswith(".svg")]
    assert {path.rpartition("/")[2] for path in results} <= held
    for caption in (*(finished.folder / "workflow/report").rglob("*.rst"),):
        assert " ".join(caption.read_text().split()[:5]).split("``")[0] in " ".join(page.split()), caption
