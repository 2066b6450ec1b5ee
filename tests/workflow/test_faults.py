"""Bad input and breaking frameworks: one clear message, an exit status, and nothing finished is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time

import pytest
from eventually import eventually
from pages import plain
from project import another_framework

from dliflow import files
from dliflow.machine import lock
from dliflow.study import paths

START_S = 600  # within which a run has begun its first jobs

# --- The config and the registries, before anything runs -------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"frameworks": ["alpha", "betta"]}, ["config/config.yaml", "frameworks[1]", "'betta'", "did you mean 'beta'"]),
        ({"precisions": ["fp31"]}, ["config/config.yaml", "precisions[0]", "'fp31'", "did you mean"]),
        ({"latency": {"batch_sizes": [1, 0]}}, ["config/config.yaml", "latency.batch_sizes[1]", "0", "at least 1"]),
        ({"latency": {"reqests": 3}}, ["config/config.yaml", "latency", "'reqests'", "did you mean 'requests'"]),
        ({"thread": 1}, ["config/config.yaml", "'thread'", "did you mean 'threads'"]),
        (
            {"launch": {"environment": {"OMP_NUM_THREADS": "1"}}},
            ["config/config.yaml", "launch.environment.OMP_NUM_THREADS", "the key 'threads'"],
        ),
        ({"threads": 0}, ["config/config.yaml", "threads", "0", "at least 1"]),
        ({"models": ["tiney"]}, ["config/config.yaml", "models[0]", "'tiney'", "did you mean 'tiny'"]),
        ({"dataset": "colors"}, ["config/config.yaml", "dataset", "'colors'", "did you mean 'colours'"]),
        ({"models": []}, ["config/config.yaml", "models"]),
    ],
)
def test_wrong_config(project, changes, expected):
    project.configure(**changes)
    output = project.fail("all")
    for text in expected:
        assert text in output
    assert not (project.folder / "results").exists()


def test_wrong_model_entry(project):
    project.edit("config/models/tiny.yaml", "mean: 0", "mean: 0, layout: NCWH")
    output = project.fail("all")
    assert "config/models/tiny.yaml: input.layout: 'NCWH'" in output


def test_unknown_source_format(project):
    project.edit("config/models/tiny.yaml", "format: npz", "format: npy")
    assert "config/models/tiny.yaml: source.format: 'npy' is unknown; did you mean 'npz'?" in project.fail("all")


def test_broken_registry_file(project):
    (project.folder / "config/models/tiny.yaml").write_text("title: [")
    assert "config/models/tiny.yaml: line 1, column 9: not valid YAML" in project.fail("all")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty; right would be lines of 'key: value'"),
        ("models: [tiny]\n\tdataset: colours\n", "line 2, column 1: not valid YAML: "),
        ("threads: 1\nnode: a\nthreads: 2\n", "line 3: 'threads' stands in line 1 already"),
        ("threads: 1\nnode: \xff\n", "line 2: is no text in UTF-8"),
    ],
)
def test_config_files_that_cannot_be_read(project, text, expected):
    (project.folder / "config/config.yaml").write_text(text, encoding="latin-1")
    output = project.fail("all")
    assert "config/config.yaml: " in output
    assert expected in output
    assert not (project.folder / "results").exists()


def test_a_key_that_stands_twice_in_a_study(project):
    (project.folder / "mine.yaml").write_text("threads: 1\nthreads: 2\n")
    assert "mine.yaml: keys stand twice" in project.fail("all", "--configfile", "mine.yaml")


def test_a_key_of_the_command_line_is_not_blamed_on_a_file_alone(project):
    output = project.fail("all", "--config", "thread=1")
    assert "config/config.yaml, --config: (top level): unknown key 'thread'; did you mean 'threads'?" in output


def test_what_this_machine_does_not_give_is_told_before_anything_runs_and_by_a_dry_run(project):
    refusal = "launch.cpus: 0-9000: this process cannot have all of these processors"
    project.configure(launch={"cpus": "0-9000"})
    dry = project.run("all", "--dry-run")
    assert f"Here the run would be refused:\n{refusal}" in dry
    assert refusal in project.fail("all")
    project.configure(launch={"cpus": None}, environments={"folder": "/proc/none"})
    assert "Here the run would be refused:\nenvironments: /proc cannot be written to" in project.run("all", "--dry-run")
    assert "environments: /proc cannot be written to" in project.fail("all")
    assert not (project.folder / "results/sweep").exists()


def test_unknown_launch_options_are_told_before_anything_runs(project):
    project.configure(options={"beta": {"streams": 2, "fualt": "segv", "skip": 1}, "openvino": {"stream": 1}})
    output = project.fail("all", "--dry-run")
    assert "config/config.yaml: options.beta.streams: unknown option; known ones: fault, skip" in output
    assert "options.beta.fualt: unknown option; did you mean 'fault'?" in output
    assert "options.beta.skip: 1. Right would be: a text (the reason of a skip)" in output
    assert "options.openvino.stream: unknown option; did you mean 'streams'?" in output


def test_a_missing_model_is_told_before_anything_runs(project):
    (project.folder / "data/model/tiny.npz").unlink()
    assert "config/models/tiny.yaml: source.file: there is no tiny.npz in data/model" in project.fail("all")
    project.edit("config/models/tiny.yaml", "data/model}", "data/modle}")
    assert "config/models/tiny.yaml: source.from: there is no data/modle; put it there" in project.fail("all")
    assert not (project.folder / "results").exists()


def test_another_model_than_the_registered_one(project):
    project.edit("config/models/tiny.yaml", "file: tiny.npz", "file: tiny.npz, sha256: '01234567'")
    output = project.fail("all")
    assert "data/model/tiny.npz: sha256 is " in output
    assert {row["reason"].partition(": sha256")[0] for row in project.table("performance")} == {
        "fetch: data/model/tiny.npz"
    }


LISTS = ("calibration/images", "data/colours/evaluation")

# --- Images ----------------------------------------------------------------------------------------------------------


def test_missing_image_folder(project):
    shutil.rmtree(project.folder / "data/images")
    assert "config/datasets/colours.yaml: source.from: there is no data/images" in project.fail("all")


def test_empty_image_folder(project):
    for path in (project.folder / "data/images").iterdir():
        path.unlink()
    assert "data/images: no file matches *.png" in project.fail("all")


def test_an_image_that_is_no_image(project):
    (project.folder / "data/images/4_1.png").write_text("not an image")
    output = project.fail("all")
    assert "data/images/4_1.png: not an image" in output


def test_a_cut_off_image(project):
    path = project.folder / "data/images/4_1.png"
    path.write_bytes(path.read_bytes()[:150])
    assert "data/images/4_1.png: broken image" in project.fail("all")
    assert not list(project.records("results/data/colours/**/*px-*.json"))


def test_a_label_outside_the_classes(project):
    path = project.folder / "data/images/4_1.png"
    path.rename(path.with_name("4_3.png"))
    output = project.fail("all")
    assert "1 of 9 images have a label outside the model's classes 0 to 2:\n  4_3.png: label 3" in output


def test_every_wrong_label_is_named_on_the_terminal(project):
    lines = [
        f"{path.name},{'blau' if path.name < '7' else 'blue'}" for path in (project.folder / "data/images").iterdir()
    ]
    (project.folder / "data/images/labels.csv").write_text("\n".join(["file,label", *sorted(lines)]))
    entry = "source: data/images\nlabels: {from: csv, file: labels.csv}\n"
    (project.folder / "config/datasets/colours.yaml").write_text(entry)
    (project.folder / "data/images/9_0.heic").write_text("")
    output = project.fail("results/data/colours/images.csv")
    assert "9 images are taken; 1 other files are left out by their suffix (1 .heic)" in output
    assert "labels.csv: 7 lines are wrong:" in output
    for number in range(2, 9):
        assert f"  line {number}: {number - 2}_{(number - 2) % 3}.png: label 'blau' is no class" in output
    assert "classes are called red, green, blue" in output


def test_calibration_images_must_not_be_evaluation_images(project):
    project.configure(calibration={"dataset": "colours"}, accuracy={"images": 6})
    project.run("results/calibration/images.csv")
    lists = [(project.folder / f"results/{name}.csv").read_text().splitlines()[1:-1] for name in LISTS]
    assert sorted(map(len, lists)) == [3, 6]
    assert not {line.rpartition(",")[2] for line in lists[0]} & {line.rpartition(",")[2] for line in lists[1]}
    project.configure(accuracy={"images": None})
    output = project.fail("results/calibration/images.csv")
    assert "each of the 9 images of results/data/colours/images.csv is an evaluation image too" in output


def test_calibration_images_are_chosen_with_a_seed(project):
    shutil.copytree(project.folder / "data/images", project.folder / "data/others")
    for path in (project.folder / "data/others").iterdir():
        path.write_bytes(path.read_bytes() + b"\0")  # another file by content
    entry = (project.folder / "config/datasets/colours.yaml").read_text().replace("data/images", "data/others")
    (project.folder / "config/datasets/others.yaml").write_text(entry)
    project.configure(calibration={"dataset": "others", "images": 4, "seed": 5})
    target = project.folder / "results/calibration/images.csv"
    project.run("results/calibration/images.csv")
    chosen = target.read_text()
    assert len(chosen.splitlines()) == 6  # names of columns, four images, the checksum
    project.run("results/calibration/images.csv", "--forcerun", "calibration_images")
    assert target.read_text() == chosen
    project.configure(calibration={"seed": 6})
    project.run("results/calibration/images.csv")
    assert target.read_text() != chosen


# --- Downloads -------------------------------------------------------------------------------------------------------

PACKAGES = """\
title: From a package
source: {{from: [{{packages: [{{name: foolbox, version: 3.3.4, sha256: {sha256}}}]}}]}}
images: ["foolbox/data/imagenet_*.jpg"]
licence: MIT
"""
FOOLBOX = "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb"
MANIFEST = "resources/downloads/datasets/packaged.json"


def test_a_wheel_with_a_wrong_checksum(project):
    (project.folder / "config/datasets/packaged.yaml").write_text(PACKAGES.format(sha256="f" * 64))
    project.configure(dataset="packaged")
    output = project.fail(MANIFEST)
    assert "foolbox==3.3.4 could not be fetched; the file is not the one that is registered" in output
    assert not (project.folder / MANIFEST).exists()


def test_no_network_when_a_download_is_needed(project, tmp_path):
    (project.folder / "config/datasets/packaged.yaml").write_text(PACKAGES.format(sha256=FOOLBOX))
    project.configure(dataset="packaged")
    output = project.fail(
        MANIFEST,
        UV_DEFAULT_INDEX="http://127.0.0.1:9/simple",
        UV_CACHE_DIR=str(tmp_path / "cache"),
        UV_HTTP_RETRIES="0",
    )
    assert "foolbox==3.3.4 could not be fetched; is the package index" in output


# --- Frameworks ------------------------------------------------------------------------------------------------------


def test_an_environment_file_with_an_unpinned_package(project):
    project.edit("envs/beta.yaml", "numpy==2.4.6", "numpy")
    assert "envs/beta.yaml: dependencies: pip: 'numpy' is not pinned; write 'numpy==VERSION'" in project.fail("all")


def test_a_missing_environment_file(project):
    (project.folder / "envs/beta.yaml").unlink()
    assert "envs/beta.yaml: there is no environment file for this framework" in project.fail("all")


FAULTS = {
    "segv": "killed by SIGSEGV",
    "hang": "its process did not answer within 12.01 s and was killed",
    "nan": "scores are NaN or infinite",
    "shape": "the scores have shape",
    "error": "ValueError: this framework fails",
}


def test_frameworks_that_break(project):
    """All in one study, which goes on; when they are mended, what was well is not measured again."""
    for fault in FAULTS:
        another_framework(project.folder, fault)
    project.configure(frameworks=["alpha", *FAULTS], options={fault: {"fault": fault} for fault in FAULTS})
    project.configure(latency={"groups": 1, "hang_s": 12, "batch_sizes": [2]})
    project.configure(accuracy={"timeout_s": 12}, parity={"timeout_s": 12})
    output = project.fail("all")
    assert "ran past its time bound of 12 s and was killed" in output
    rows = {row["framework"]: row for row in project.table("performance")}
    assert rows["alpha"]["status"] == "ok"
    assert float(rows["alpha"]["latency_p50_ms"]) > 0
    page = (project.folder / "results/report/index.html").read_text()
    for fault, reason in FAULTS.items():
        assert reason in output
        assert reason in page
        assert rows[fault]["status"] == "failed"
        assert reason in rows[fault]["reason"]
        assert rows[fault]["latency_p50_ms"] == ""

    kept = project.dates()
    assert [path for path in kept if "partial" not in path.name] == [project.folder / project.path(paths.SWEEP)]
    project.configure(options={fault: {} for fault in FAULTS})
    project.run("tables")
    assert {row["status"] for row in project.table("performance")} == {"ok"}
    now = project.dates()
    assert not [path for path in now if "partial" in path.name]
    assert [path for path in now if now[path] == kept.get(path)] == [project.folder / project.path(paths.SWEEP)]


# At one batch size: what breaks, and the reason in the tables.
AT_ONE_SIZE = {
    "nan": "sweep: 1 of 6 scores are NaN or infinite",
    "segv": "sweep: its process was killed by SIGSEGV; its own message stands in this log",
    "hang": "sweep: its process did not answer within 12.01 s and was killed",
}


def test_faults_at_one_batch_size_cost_that_one_alone(project):
    """The other sizes have figures, and what is measured again is what is missing, once the cause is mended."""
    for framework in (*AT_ONE_SIZE, "error"):
        another_framework(project.folder, framework)
    project.configure(frameworks=["alpha", *AT_ONE_SIZE, "error"], latency={"groups": 1, "hang_s": 12})
    project.configure(compare={"leaders": 9})
    faults = {"nan": "nan at 2 of sweep", "hang": "hang at 2 of sweep", "error": "error of sweep"}
    project.configure(options={framework: {"fault": fault} for framework, fault in faults.items()})
    output = project.fail("all", DLIFLOW_TEST_FAULT="segv segv at 2 opening 2")  # it is well for the first time
    assert "sweep: batch size " in output[output.rindex("\nFAILED\n") :]
    rows = {(row["framework"], row["batch_size"]): row for row in project.table("performance")}
    page = (project.folder / paths.REPORT).read_text()
    for framework, reason in AT_ONE_SIZE.items():
        assert f"batch size 2: {reason.removeprefix('sweep: ')}" in output
        assert (rows[framework, "1"]["status"], rows[framework, "1"]["sessions"]) == ("ok", "2")
        assert (rows[framework, "2"]["status"], rows[framework, "2"]["latency_p50_ms"]) == ("failed", "")
        assert rows[framework, "2"]["reason"] == reason
        assert reason in page
    assert {rows["alpha", size]["status"] for size in "12"} == {"ok"}
    assert {rows["error", size]["reason"] for size in "12"} == {"sweep: ValueError: this framework fails"}
    parts = {framework: paths.partial(project.path(paths.SWEEP, framework)) for framework in AT_ONE_SIZE}
    assert all((project.folder / part).exists() for part in parts.values())
    told = {row["record"] for row in project.table("measurements") if row["framework"] == "segv"}
    assert told == {parts["segv"]}
    before = {framework: files.read_json(project.folder / part)["figures"] for framework, part in parts.items()}
    # Compared are those that are well at a size: all but one, alpha alone, and the fastest of each size.
    compared = {row["batch_size"]: (row["status"], row["missing"]) for row in project.table("comparison")}
    without = "error-python-default-fp32-default"
    assert compared == {"1": ("ok", without), "2": ("failed", ""), "": ("ok", without)}

    # An option that changes is another measurement; the cause of the crash was none.
    project.configure(options={framework: {} for framework in faults})
    project.run("all")
    assert {(row["status"], row["sessions"]) for row in project.table("performance")} == {("ok", "2")}
    assert not any((project.folder / part).exists() for part in parts.values())
    assert {(row["status"], row["missing"]) for row in project.table("comparison")} == {("ok", "")}
    for framework, figures in before.items():
        groups = project.read(paths.SWEEP, framework)["figures"]["groups"]
        kept = [session for session in sessions(figures["groups"]) if session in sessions(groups)]
        sizes = [session["opened"]["measured"]["batch_size"] for session in kept]
        assert sizes == ([1, 1] if framework == "segv" else [])
    assert project.pending() == set()


def sessions(groups):
    """Those of all groups of a record."""
    return [session for group in groups for session in group["sessions"]]


def test_labels_in_another_order_than_the_scores_look_like_chance(project):
    for path in sorted((project.folder / "data/images").glob("*.png")):
        number, label = path.stem.split("_")
        path.rename(path.with_name(f"{number}_{(int(label) + 1) % 3}.png"))
    output = project.run("all")
    doubt = "top-1 looks like chance (0 of 9 right, 3 classes)"
    assert f"reference: WARNING: {doubt}" in output
    told = (project.folder / "results/models/tiny/reference.npy").stat().st_mtime
    assert told < min(path.stat().st_mtime for path in project.records())  # before anything is measured
    assert f"DOUBTFUL\n  tiny (alpha fp32 and beta fp32): {doubt}" in output
    assert all(doubt in row["warnings"] for row in project.table("accuracy"))
    assert doubt in plain((project.folder / "results/report/index.html").read_text())


def test_another_number_of_classes_than_of_scores(project):
    (project.folder / "data/model/classes.txt").write_text("red\ngreen\nblue\nwhite\n")
    told = "the model gives 3 scores; its entry says 4 (4 names in the file of classes, label_offset 0)"
    assert told in project.fail("all")
    (project.folder / "data/model/classes.txt").write_text("red\ngreen\n")
    for path in (project.folder / "data/images").glob("*_2.png"):
        path.unlink()
    output = project.fail("all")
    assert "the model gives 3 scores; its entry says 2 (2 names" in output
    assert "is the first one a background class? then set label_offset: 1" in output
    assert not (project.folder / "results/sweep").exists()


def test_declared_and_found_skips_are_rows_with_reasons(project):
    project.configure(precisions=["fp32", "bf16"], options={"beta": {"skip": "this machine is too old"}})
    project.run("all")
    reasons = {(row["framework"], row["precision"]): row["reason"] for row in project.table("performance")}
    assert reasons == {
        ("alpha", "fp32"): "",
        ("alpha", "bf16"): "alpha has no bf16",
        ("beta", "fp32"): "this machine is too old",
        ("beta", "bf16"): "beta has no bf16",
    }
    assert project.pending() == set()


def test_a_killed_run_goes_on_where_it_was(project, monkeypatch, capsys):
    """SIGKILL of everything while a measurement hangs: what is finished stays, nothing is left running."""
    project.configure(options={"beta": {"fault": "hang"}}, latency={"hang_s": 600, "timeout_s": 600})
    targets = [project.path(paths.SWEEP, name) for name in ("alpha", "beta")]
    project.run(targets[0])
    kept = (project.folder / targets[0]).stat().st_mtime_ns
    process = project.begin(*targets)
    assert eventually(lambda: any(" worker " in command for command in project.processes().values()), START_S)
    time.sleep(1)  # and it hangs
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert eventually(lambda: not project.processes())
    monkeypatch.setenv(lock.TEST_LOCK_FOLDER, str(project.folder))
    with lock.hold(exclusive=True):
        assert "waiting" not in capsys.readouterr().err
    project.configure(options={"beta": {}})
    project.run("--unlock")
    project.run(*targets)
    assert (project.folder / targets[0]).stat().st_mtime_ns == kept
    assert (project.folder / targets[1]).exists()


def test_jobs_end_with_their_workflow(project):
    """SIGKILL of Snakemake alone, while a measurement hangs and while nothing else would end it."""
    project.configure(options={"beta": {"fault": "hang"}}, latency={"hang_s": 600, "timeout_s": 600})
    target = project.path(paths.SWEEP, "beta")
    process = project.begin(target)
    assert eventually(lambda: any(" worker " in command for command in project.processes().values()), START_S)
    time.sleep(1)  # and it hangs
    process.kill()
    process.wait()
    ended = eventually(lambda: not project.processes())
    for pid in project.processes():
        os.kill(pid, signal.SIGKILL)
    log = project.folder / paths.log(target)
    assert ended
    assert f"killed: the workflow (process {process.pid}) that this job worked for has ended" in log.read_text()


def test_a_killed_evaluation_goes_on_where_it_was(project):
    """SIGKILL of everything in the middle; the record is that of an evaluation in one go."""
    noted = 'time.sleep(1), open("requests", "a").write("x")'
    project.edit("workflow/dliflow/frameworks/beta.py", "time.sleep(1)", noted)
    project.configure(options={"beta": {"fault": "slow"}}, accuracy={"batch_size": 1})
    record = project.path(paths.ACCURACY, "beta")
    state = project.folder / record.replace(".json", ".partial/state.json")

    def done():
        return json.loads(state.read_text())["records"] if state.exists() else 0

    process = project.begin(record)
    assert eventually(done, START_S)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert eventually(lambda: not project.processes())
    kept = done()
    assert 0 < kept < 9
    assert not (project.folder / record).exists()
    requests = project.folder / "requests"
    before = requests.stat().st_size
    project.run("--unlock")
    project.run(record)
    assert requests.stat().st_size - before == 9 - kept
    log = project.folder / paths.log(record)
    assert f"goes on where it stopped: {kept} of 9 images are done" in log.read_text()
    assert not state.parent.exists()

    def found():
        path = project.folder / record
        content = json.loads(path.read_text())
        content["figures"].pop("peak_rss_mib")  # of this process alone
        return content["identity"], content["figures"], path.with_suffix(".csv").read_text()

    resumed = found()
    project.run(record, "--forcerun", "accuracy")
    assert found() == resumed


def test_int8_that_is_another_network_fails_and_what_failed_is_no_baseline(project):
    project.configure(
        precisions=["fp32", "int8"],
        calibration={"dataset": "colours", "images": 3},
        accuracy={"images": 6},
        latency={"batch_sizes": [1], "groups": 1},
        options={"beta": {"fault": "reversed in int8"}},
    )
    output = project.fail("all")
    assert "parity.distance.int8 = 0.6 and parity.agreement.int8 = 0.5" in output

    def rows(table):
        return {(row["framework"], row["precision"]): row for row in project.table(table)}

    broken, honest = rows("accuracy")["beta", "int8"], rows("accuracy")["alpha", "int8"]
    assert (broken["status"], broken["top1_change"], broken["verdict"]) == ("failed", "", "")
    assert (honest["status"], honest["baseline"], honest["agreement"]) == ("ok", "alpha-python-default-fp32", "1")
    assert rows("performance")["beta", "int8"]["status"] == "failed"
    assert float(rows("parity")["alpha", "int8"]["score_distance"]) < 0.01

    project.configure(options={"beta": {"fault": "reversed in fp32"}})
    assert "parity.tolerance.fp32" in project.fail("all")
    found = rows("accuracy")["beta", "int8"]
    assert (found["status"], found["baseline"], found["baseline_reason"]) == (
        *("ok", "alpha-python-default-fp32", "beta-python-default-fp32 failed"),
    )
    page = (project.folder / "results/report/index.html").read_text()
    assert "beta-python-default-fp32 failed" in page


# --- Files that are damaged -----------------------------------------------------------------------------------------

WEIGHTS = paths.CONVERTED.replace(".json", "/weights.npy")
INTERCHANGE = paths.INTERCHANGE.replace(".json", "/model.npz")
SCORES = paths.REFERENCE.replace(".json", ".npy")


@pytest.mark.parametrize(
    ("payload", "manifest", "target"),
    [
        (WEIGHTS, paths.CONVERTED, paths.ACCURACY),
        (INTERCHANGE, paths.INTERCHANGE, paths.CONVERTED),
        (SCORES, paths.REFERENCE, paths.PARITY),
        ("PIXELS", None, paths.ACCURACY),
        ("results/anchor/network/anchor.onnx", paths.ANCHOR, paths.SWEEP),
    ],
)
def test_a_flipped_bit_is_told_and_deleting_the_manifest_mends_it(finished, payload, manifest, target):
    if payload == "PIXELS":
        (array,) = finished.folder.glob("results/data/colours/*px-*.npy")
        payload = str(array.relative_to(finished.folder))
        manifest = payload.replace(".npy", ".json")
    payload, manifest, target = map(finished.path, (payload, manifest, target))
    path = finished.folder / payload
    content = bytearray(path.read_bytes())
    content[-1] ^= 64
    path.write_bytes(content)
    (finished.folder / target).unlink()
    output = finished.fail(target)
    assert f"{payload} is damaged" in output
    assert f"delete {manifest} to" in output
    (finished.folder / manifest).unlink()
    finished.run(target)


def test_results_that_are_not_whole_are_named_before_anything_runs(finished):
    record, manifest = finished.path(paths.SWEEP), finished.path(paths.CONVERTED, "beta")
    text = (finished.folder / manifest).read_text()
    (finished.folder / record).write_text("")
    (finished.folder / manifest).write_text(text[: len(text) // 2])
    output = finished.fail("all")
    assert "2 files are empty or cut off" in output
    assert f"rm {manifest} {record}" in output
    assert "Nothing was run. When that is mended:" in output
    for path in (record, manifest):
        (finished.folder / path).unlink()
    finished.run("tables")
    assert {row["status"] for row in finished.table("performance")} == {"ok"}


def test_a_list_of_images_that_is_none_or_was_cut_off_at_a_line_s_end(finished):
    """Seen: a list that had lost its last images was read as whole; opening a fifo would wait for ever."""
    name = finished.path(paths.EVALUATION_IMAGES)
    path = finished.folder / name
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)
    assert f"rm {name}" in finished.fail("all")
    path.unlink()
    path.write_bytes(b"".join(content.splitlines(keepends=True)[:-2]))
    output = finished.fail("all")
    assert f"{name} is damaged" in output and "delete it, and it is made again" in output
    path.unlink()
    finished.run("all")
    assert path.read_bytes() == content


def test_everything_failing_still_makes_a_report(project):
    project.configure(options={"alpha": {"fault": "error"}, "beta": {"fault": "error"}})
    project.fail("all")
    assert {row["status"] for row in project.table("performance")} == {"failed"}
    assert (project.folder / "results/report/index.html").exists()
