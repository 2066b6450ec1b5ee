"""A study that is not finished says so: it is never nothing to be done, never ends well, and shows no older figures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from eventually import eventually

from dliflow.study import paths

LISTS = {f"results/data/colours/{subset}.csv" for subset in ("evaluation", "performance")}


def statuses(project, framework="beta"):
    """Status and reason of a framework's rows in every table."""
    tables = [project.table(name) for name in ("parity", "accuracy", "performance", "measurements")]
    return {(row["status"], row["reason"]) for table in tables for row in table if row["framework"] == framework}


def labels_in_a_file(project):
    """The colours' labels in a CSV beside the images, one of them wrong."""
    names = sorted(path.name for path in (project.folder / "data/images").glob("*.png"))
    text = "file,label\n" + "".join(f"{name},{name.partition('_')[2][0]}\n" for name in names)
    (project.folder / "data/images/labels.csv").write_text(text)
    project.edit("config/datasets/colours.yaml", "labels: {", "labels: {from: csv, file: labels.csv}\nlicence: {")
    entry = project.folder / "config/datasets/colours.yaml"
    lines = [line for line in entry.read_text().splitlines() if not line.startswith("licence: {")]
    entry.write_text("\n".join(lines) + "\n")
    project.edit("data/images/labels.csv", "4_1.png,1", "4_1.png,7")
    return project


@pytest.mark.dear
def test_a_repaired_label_runs_the_whole_study(project):
    labels_in_a_file(project)
    output = project.fail("all")
    assert "1 of 9 images have a label outside the model's classes 0 to 2" in output
    assert "label 7" in output
    assert (project.folder / paths.REPORT).exists()
    assert not any((project.folder / mark).exists() for mark in paths.MARKS.values())
    assert "is of a study that is not finished" in project.fail(paths.REPORT)
    project.edit("data/images/labels.csv", "4_1.png,7", "4_1.png,1")
    project.run("all")
    assert {row["status"] for row in project.table("performance")} == {"ok"}
    assert all((project.folder / mark).exists() for mark in paths.MARKS.values())
    assert project.pending() == set()
    project.run(paths.REPORT)


def test_a_repaired_model_runs_the_whole_study(project):
    """With another config, and whatever the date of what was repaired."""
    (project.folder / "data/model/tiny.npz").rename(project.folder / "data/model/good")
    np.savez(project.folder / "data/model/tiny.npz", weights=np.eye(4, dtype=np.float32))
    project.fail("all")
    (project.folder / "data/model/tiny.npz").unlink()
    (project.folder / "data/model/good").rename(project.folder / "data/model/tiny.npz")
    os.utime(project.folder / "data/model/tiny.npz", (1, 1))  # as it came out of an archive
    (project.folder / "config/other.yaml").write_text("latency: {groups: 1}\n")
    project.run("all", "--configfile", "config/other.yaml")
    assert {row["status"] for row in project.table("performance")} == {"ok"}


def test_a_pin_that_cannot_be_installed_leaves_no_older_figures(finished):
    finished.edit("envs/beta.yaml", "numpy==2.4.6", "numpy==99.9.9")
    output = finished.fail("all")
    ((status, reason),) = statuses(finished)
    assert status == "failed"
    assert reason.startswith("environment: the environment could not be built:")
    assert "numpy==99.9.9" in reason
    assert "environment: the environment could not be built" in output
    assert {status for status, _ in statuses(finished, "alpha")} == {"ok"}
    assert "numpy==99.9.9" in output[output.rindex("\nFAILED\n") :]
    finished.edit("envs/beta.yaml", "numpy==99.9.9", "numpy==2.4.6")
    kept = {path: path.stat().st_mtime_ns for path in finished.records()}
    finished.run("all")
    assert {status for status, _ in statuses(finished)} == {"ok"}
    assert kept == {path: path.stat().st_mtime_ns for path in finished.records()}


@pytest.mark.dear
def test_a_conversion_that_failed_after_an_edit_is_not_forgotten(finished):
    """Its records are there still, and Snakemake calls nothing of it outdated any more."""
    before = {path: path.read_bytes() for path in finished.records()}
    finished.edit("workflow/dliflow/conversion/beta.py", "weights.astype", "(weights * 1.00001).astype")
    for _ in range(2):
        finished.fail("all", DLIFLOW_TEST_CONVERT="beta")
        assert statuses(finished) == {("failed", "convert: RuntimeError: the converter does not like this graph")}
    assert finished.fail("tables", DLIFLOW_TEST_CONVERT="beta").rstrip().endswith("tables")
    assert {status for status, _ in statuses(finished)} == {"failed"}
    finished.run("all")
    assert {status for status, _ in statuses(finished)} == {"ok"}
    changed = {path for path in finished.records() if path.read_bytes() != before[path]}
    assert changed == {path for path in before if "beta" in str(path)}
    assert finished.pending() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_a_stopped_run_did_not_make_has_no_figures(finished, number):
    """Stopped while the first of all measurements runs again: the others are of older settings.

    Ctrl-C reaches all processes at once. SIGTERM is sent to Snakemake alone, which lets that measurement end.
    """
    pages = [finished.folder / page for rule in ("plots", "report") for page in paths.PAGES[rule]]
    dates = [page.stat().st_mtime_ns for page in pages]
    finished.configure(threads=1, options={"beta": {"nap": 0.2}, "alpha": {"nap": 0.2}})
    process = finished.begin("all", output=subprocess.PIPE)
    # Not before: the supervisor, which has just forked, shows where Ctrl-C met it.
    assert eventually(lambda: any("worker" in each.split() for each in finished.processes().values()), seconds=600)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.terminate()
    output, _ = process.communicate(timeout=600)
    assert process.returncode != 0, output
    assert "Traceback" not in output, output
    rows = finished.table("measurements")
    assert sum(row["status"] == "failed" for row in rows) >= 6
    reasons = {row["reason"] for row in rows if row["status"] == "failed"}
    left = "not made yet by this configuration: the job did not run"
    assert left in reasons
    if number == signal.SIGINT:
        assert reasons <= {left, "sweep: was stopped from outside (SIGINT)"}
    else:
        assert reasons == {left}
        assert any(row["status"] == "ok" for row in rows)
    assert dates == [page.stat().st_mtime_ns for page in pages]  # they take long, and who stops wants the prompt
    assert output.rstrip().endswith("-m snakemake --cores 1 all"), output
    finished.configure(options={"beta": {}, "alpha": {}})
    finished.run("all")
    assert {row["threads"] for row in finished.table("performance")} == {"1"}


def test_a_record_that_is_gone_is_made_again(finished):
    path = finished.folder / finished.path(paths.PARITY, "beta")
    path.unlink()
    finished.run("all")
    assert path.exists()
    assert finished.pending() == set()


def test_a_failure_while_the_pages_are_made_leaves_the_study_unfinished(finished):
    finished.edit("workflow/dliflow/stages/plots.py", '"""Write each', 'raise OSError("no canvas")\n    """Write each')
    for _ in range(2):
        output = finished.fail("all")
        assert "plots: OSError: no canvas" in output[output.rindex("\nFAILED\n") :]
        assert not (finished.folder / paths.REPORT).exists()  # the older one is not that of this study
    finished.edit("workflow/dliflow/stages/plots.py", 'raise OSError("no canvas")\n    ', "")
    finished.run("all")
    assert finished.pending() == set()


def test_a_single_file_leaves_tables_alone_and_the_study_unfinished(finished):
    before = (finished.folder / "results/tables/performance.csv").read_bytes()
    record = str(finished.records()[0].relative_to(finished.folder))
    finished.configure(options={"alpha": {"fault": "error"}})
    output = finished.fail(record)
    assert output.rstrip().endswith(record)
    assert (finished.folder / "results/tables/performance.csv").read_bytes() == before
    finished.configure(options={"alpha": {}})
    finished.run("all", "--until", "sweep")
    finished.run("all")
    assert finished.pending() == set()


def test_the_plan_knows_every_job_that_its_rows_need(project):
    """What it does not know, the reason of a failure and what a failed job left undone would be lost of."""
    project.configure(frameworks=["onnxruntime", "opencv"], precisions=["fp32", "int8"], compare={"leaders": 2})
    project.configure(environments={"folder": "results/environments"})
    snakefile = project.folder / "Snakefile"
    snakefile.write_text(snakefile.read_text() + 'write_json(Path("needed.json"), plan.needed(PLAN))\n')
    beside = {path.replace(".csv", ".csv.json") for path in LISTS}
    pages = {page for pages in paths.PAGES.values() for page in pages} | set(paths.MARKS.values())
    made = project.pending() - pages - beside - {paths.RECOMMENDED}
    assert set(json.loads((project.folder / "needed.json").read_text())) == made


# --- Nothing to measure ----------------------------------------------------------------------------------------------


def test_a_study_in_which_nothing_can_run_is_refused(project):
    project.configure(devices=["gpu"])
    output = project.fail("all")
    for text in ("config/config.yaml", "devices: [gpu]", "alpha runs on the CPU only", "fp32, fp16, int8 on cpu"):
        assert text in output
    assert not (project.folder / "results").exists()


def test_a_study_in_which_nothing_ran_does_not_end_well(project):
    project.configure(options={name: {"skip": f"{name} is too old"} for name in ("alpha", "beta")})
    project.configure(compare={"leaders": 2}, latency={"groups": 1})
    for _ in range(2):
        output = project.fail("all")
        told = output[output.rindex("\nFAILED\n") :]
        assert "report: nothing of this study could run on this machine:" in told
        assert "alpha fp32: alpha is too old" in told
        assert "beta fp32: beta is too old" in told
    assert "beta is too old" in (project.folder / paths.REPORT).read_text()
    rows = project.table("comparison")
    assert {(row["batch_size"], row["status"]) for row in rows} == {(size, "skipped") for size in ("1", "2", "")}
    assert all("there is nothing to compare" in row["reason"] for row in rows)


# --- The last thing on the screen ------------------------------------------------------------------------------------


def test_what_failed_and_what_to_type_is_the_last_thing_on_the_screen(project):
    project.configure(options={"beta": {"fault": "wrong"}})
    output = project.fail("all", "--config", "threads=1")
    assert "CalledProcessError" not in output
    for table in ("parity", "accuracy", "performance"):
        beta = [row for row in project.table(table) if row["framework"] == "beta"]
        assert {row["status"] for row in beta} == {"failed"}
        assert all(
            "is not the same network as its reference: scores differ by up to 1, " in row["reason"] for row in beta
        )
    end = output[output.rindex("\nFAILED\n") :]
    assert "parity: is not the same network" in end or "is not the same network as its reference" in end
    assert "parity.tolerance.fp32 = 0.0001" in end  # whole, to its last words
    assert f"log: {paths.log(project.path(paths.PARITY, 'beta'))}" in end
    assert end.rstrip().endswith(f"{sys.executable} -m snakemake --cores 1 all --config threads=1")


def test_a_wrong_key_is_the_last_thing_on_the_screen(project):
    project.configure(thread=1)
    output = project.fail("all")
    assert output.count("unknown key 'thread'") == 1
    assert "WorkflowError" not in output
    lines = output.rstrip().splitlines()
    assert lines[-2:] == ["Nothing was run. When that is mended:", f"  {sys.executable} -m snakemake --cores 1 all"]


# --- Damaged files ---------------------------------------------------------------------------------------------------


DEAR = [pytest.param(content, marks=pytest.mark.dear) for content in ("", "[]")]


@pytest.mark.parametrize("content", [*DEAR, '{"stage": "lat'])
def test_damaged_notes_stop_nothing(finished, content):
    logs = finished.folder / "results/logs"
    note = next(logs.rglob("*.time.json"))
    note.write_text(content)
    (logs / "run.json").write_text(content)
    (logs / "unfinished.json").write_text(content)
    (logs / "old.failed.json").write_text(content)
    finished.run("all", "--forcerun", "tables")
    assert (finished.folder / paths.REPORT).exists()
    assert finished.pending() == set()


def test_damaged_predictions_and_tables_are_named(finished):
    (predictions,) = (finished.folder / "results/accuracy").rglob("beta*.csv")
    predictions.write_text(predictions.read_text()[:-30])
    table = finished.folder / "results/tables/performance.csv"
    table.write_text(table.read_text()[:-30])
    end = finished.fail("plots", "--forcerun", "plots")
    assert "results/tables/performance.csv: empty, half written or edited" in end
    end = finished.fail("all")
    assert f"{predictions.relative_to(finished.folder)} is damaged: its contents are not those" in end
    predictions.with_suffix(".json").unlink()
    finished.run("all")
    assert json.loads(predictions.with_suffix(".json").read_text())["figures"]["images"] == 9
