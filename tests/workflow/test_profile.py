"""Where the time goes, on the real workflow: by its own target, by path, and as a part of the study."""

from __future__ import annotations

from dliflow.study import paths


def test_rows_are_profiled_alone_and_with_the_study(project):
    assert "profile: no row is named to be profiled" in project.fail("profile")
    project.configure(precisions=["fp32", "int8"], latency={"groups": 1, "sessions": 1, "batch_sizes": [1]})
    project.configure(profile=[{"framework": "alpha", "batch_size": 3}, {"framework": "beta", "precision": "int8"}])

    output = project.run("profile")
    assert "alpha int8, batch size 3, beside FP32:\n  The operators of INT8 take 0.0400 ms, 2.00× " in output
    assert "Most of the difference is Matmul (+0.0200 ms). INT8 computes on integers of 8 bits in 75.0 %" in output
    assert "beta int8, batch size 1: beta has no file in workflow/dliflow/profiling" in output
    assert not project.records()
    record = project.read(paths.PROFILE, precision="int8", batch_size=3)
    assert record["identity"]["node"] == "local"
    figures = record["figures"]
    requests = [sum(map(len, figures["latency_ns"])), len(figures["profiled_us"])]
    assert requests == [50, 50]  # the warm-up is not among them
    assert [len(one["us"]) for one in figures["operators"]] == [50, 50]

    dates = project.dates("results/profile/**/*.json")
    project.run("all")
    assert project.dates("results/profile/**/*.json") == dates
    rows = project.table("profile")
    told = [
        (row["framework"], row["precision"], row["batch_size"], row["status"], row["kind"], row["int8"]) for row in rows
    ]
    assert told == [
        ("alpha", "fp32", "3", "ok", "Mean", "False"),
        ("alpha", "fp32", "3", "ok", "Matmul", "False"),
        ("alpha", "int8", "3", "ok", "Matmul", "True"),
        ("alpha", "int8", "3", "ok", "Mean", "False"),
        ("beta", "int8", "1", "skipped", "", ""),
    ]
    page = (project.folder / paths.REPORT).read_text()
    assert 'id="operators"' in page and "The operators of INT8 take" in page
    assert project.pending() == set()

    by_path = project.path(paths.PROFILE, batch_size=2)
    project.run(by_path)
    assert (project.folder / by_path).exists()
