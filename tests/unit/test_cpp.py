"""Programs in C++, compiled and asked: what they answer, and what becomes of those that go wrong."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from eventually import eventually
from once import made_once
from project import ROOT, converted
from test_sweep import Sweep

from dliflow import building, frameworks
from dliflow.configuration import Configuration
from dliflow.deployment import cpp
from dliflow.errors import DliflowError, Skip
from dliflow.files import payload, read_json, write_json
from dliflow.machine import disturbance, launch, process
from dliflow.measuring import feed, measure, program, session, workers
from dliflow.stages import build
from dliflow.study import arguments

DOUBLES = ROOT / "tests/data/cpp"
IMAGES = np.random.default_rng(0).random((5, 3, 4, 4), np.float32)
SCORES = 10
FREE = {"cpus": None, "numa_node": None, "priority": None, "environment": {}}
WARM_UP = {"requests": 30, "limit_s": 60.0}
LIMIT_S = 100.0  # of an answer, on a busy machine too

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="this machine has no g++")


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Path:
    """The twin of `null` and the faulty framework, compiled."""

    def make(folder):
        shared = [ROOT / "workflow/cpp" / name for name in building.SHARED if name.endswith(".cpp")]
        for file in (ROOT / "workflow/cpp/null.cpp", DOUBLES / "faulty.cpp"):
            place = folder / file.stem
            place.mkdir()
            line = ["g++", "-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'workflow/cpp'}"]
            subprocess.run([*line, file, *shared, "-o", place / program.NAME], check=True)

    return made_once(tmp_path_factory, "programs", make)


def described(folder, fault="none", framework="null", **more) -> session.Description:
    """A configuration of a converted model in `folder` that goes wrong in that way."""
    folder.mkdir(exist_ok=True)
    manifest = folder / "model.json"
    if not manifest.exists():
        converted(manifest, {"classes.json": str(SCORES), "fault.txt": fault})
    configuration = Configuration("m", framework, "cpp", "default", "fp32", "cpu")
    return session.Description(configuration, None, {}, manifest, SCORES, **more)


def built(programs, folder, which="null", **changed) -> Path:
    """The manifest of a program, as the stage `build` leaves it."""
    manifest = folder / "built.json"
    shutil.copytree(programs / which, payload(manifest))
    entry = {"bytes": 1, "sha256": build.sha256(payload(manifest) / program.NAME)}
    described = {"status": "ok", "reason": None, "version": "9.9", "site": str(build.facts.site())}
    write_json(manifest, {**described, "files": {program.NAME: entry}, **changed})
    return manifest


def state(pid: int) -> str:
    """What a process does, by its letter in proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def gone(pid: int) -> bool:
    """Whether a process ends."""
    return eventually(lambda: not Path(f"/proc/{pid}").exists() or state(pid) == "Z")


class Running:
    """A worker that has a program make its requests, started as stages do it."""

    def __init__(self, programs, folder, fault="none", framework="null", **held):
        description = described(folder, fault, framework)
        self.shared = feed.shared(IMAGES)
        descriptor = self.shared.__enter__()
        held = {"launch": FREE, "converted": description.converted, "scores": SCORES, **held}
        held["built"] = built(programs, folder, "faulty")
        command = arguments.worker(sys.executable, descriptor, **description.configuration.identity, **held)
        command = ["env", f"PYTHONPATH={ROOT / 'workflow'}", *command]
        self.worker = workers.Worker("it", command, [descriptor])
        self.ready = self.worker.ready(LIMIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.kill()
        self.shared.__exit__(None, None, None)

    def ask(self, call, **arguments):
        return self.worker.ask({call: arguments}, LIMIT_S)


def test_it_answers_what_a_worker_does(programs, tmp_path):
    known = launch.in_effect(FREE)
    with Running(programs, tmp_path, distinct=1) as running:
        identity = running.ready["identity"]
        assert (identity["api"], identity["framework_version"]) == ("cpp", "9.9")
        assert running.ready["model_bytes"] == 6 and 0 < running.ready["import_ms"] < LIMIT_S * 1e3
        opened = running.ask("open", batch_size=2, warm_up=WARM_UP)
        assert (opened["batch_size"], opened["threads_in_effect"], opened["distinct_batches"]) == (2, 3, 1)
        assert opened["inputs_mib"] == pytest.approx(2 * 48 * 4 / 2**20)
        assert opened["warmup_stopped_by"] in ("steady", "requests") and len(opened["warmup_ns"]) <= 30
        assert opened["load_ms"] > 0 and opened["first_request_ms"] > 0
        bursts = [running.ask("burst", requests=7, limit_s=None) for _ in range(2)]
        assert [len(burst["latency_ns"]) for burst in bursts] == [7, 7] and min(bursts[0]["latency_ns"]) > 0
        assert "energy_uj" in bursts[0]
        closing = running.ask("close")
        assert closing["peak_rss_mib"] > 1 and closing["launch"]["asked"] == FREE
        assert closing["launch"]["in_effect"] == known["in_effect"]
        assert 0 < closing["counters"]["wall_s"] < 10 * LIMIT_S and set(closing["counters"]) == {
            *("wall_s", "own_cpu_s", "involuntary_switches", "major_faults", "minor_faults")
        }


def test_scores_are_those_of_the_images_in_their_order(programs, tmp_path):
    sums = IMAGES.reshape(5, -1).sum(1)
    with Running(programs, tmp_path) as running:
        running.ask("open", batch_size=1, warm_up={"requests": 0, "limit_s": 0})
        scores = running.ask("scores", images=4)["scores"]
        assert np.float32(scores) == pytest.approx(np.repeat(sums[:4, None], SCORES, 1), rel=1e-6)
        running.ask("open", batch_size=2, warm_up={"requests": 0, "limit_s": 0})
        assert len(running.ask("scores", images=3)["scores"]) == 3
        running.ask("open", batch_size=12, warm_up={"requests": 0, "limit_s": 0})  # few images fill a batch
        repeated = np.float32(running.ask("scores", images=12)["scores"])
        assert repeated[:, 0] == pytest.approx(IMAGES[np.arange(12) % 5].sum(), rel=1e-5)


def test_a_burst_ends_in_time_and_processors_are_told(programs, tmp_path):
    one = min(os.sched_getaffinity(0))
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {one})
    try:
        with Running(programs, tmp_path, launch={**FREE, "cpus": str(one + 1)}) as running:
            running.ask("open", batch_size=1, warm_up={"requests": 0, "limit_s": 0})
            durations = running.ask("burst", requests=10_000_000, limit_s=0.02)["latency_ns"]
            assert 0 < sum(durations) < 10e9 and len(durations) < 10_000_000
            in_effect = running.ask("close")["launch"]["in_effect"]
            assert (in_effect["cpus"], in_effect["outside"]) == (str(one), str(one))
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("nan", "1 of 20 scores are NaN or infinite"),
        ("shape", "there are 19 scores; expected 2 x 10"),
        ("throw", 'no "such" operator\nin this model'),
        ("load", "the model cannot be read"),
        ("crash", "its process was killed by SIGSEGV"),
        ("exit", "its process ended with status 3"),
    ],
)
def test_what_goes_wrong_is_told(programs, tmp_path, fault, told):
    with Running(programs, tmp_path, fault) as running, pytest.raises(workers.WorkerEnded, match=f"it: {told}"):
        running.ask("open", batch_size=2, warm_up=WARM_UP)
        running.ask("burst", requests=1, limit_s=None)  # which looks at scores


def test_scores_that_go_wrong_later_are_seen_too(programs, tmp_path):
    with Running(programs, tmp_path, "later") as running:
        running.ask("open", batch_size=2, warm_up={"requests": 0, "limit_s": 0})
        with pytest.raises(workers.WorkerEnded, match="1 of 20 scores are NaN or infinite"):
            for _ in range(3):
                running.ask("burst", requests=1, limit_s=None)


def test_one_that_hangs_is_killed(programs, tmp_path):
    with Running(programs, tmp_path, "hang") as running:
        (child,) = process.descendants(running.worker.process.pid)
        with pytest.raises(workers.WorkerEnded, match=r"did not answer within 0\.3 s and was killed"):
            running.worker.ask({"open": {"batch_size": 1, "warm_up": WARM_UP}}, 0.3)
        assert running.worker.process.wait(60) == -9
        assert gone(child)


def test_what_a_framework_prints_is_no_answer(programs, tmp_path):
    with Running(programs, tmp_path, "print") as running:
        assert running.ask("open", batch_size=1, warm_up=WARM_UP)["batch_size"] == 1


def test_a_skip_is_no_error_and_an_option_that_it_does_not_have_is_one(programs, tmp_path):
    with Running(programs, tmp_path, "skip") as running:
        assert running.ask("open", batch_size=1, warm_up=WARM_UP) == {"skip": "this machine has no such instructions"}
    with Running(programs, tmp_path / "other", framework="tflite", options={"xnnpack": False}) as running:
        told = running.ask("open", batch_size=1, warm_up=WARM_UP)
        assert told == {"skip": "option 'xnnpack': the program in C++ has no such setting"}


def test_it_is_stopped_with_its_worker_and_counted_with_it(programs, tmp_path):
    with Running(programs, tmp_path) as running:
        pid = running.worker.process.pid
        (child,) = process.descendants(pid)
        running.ask("open", batch_size=1, warm_up={"requests": 0, "limit_s": 0})
        running.ask("burst", requests=500_000, limit_s=None)
        assert eventually(lambda: state(child) == "T")
        spent = disturbance.snapshot([pid])["helpers_s"] - sum(process.seconds(pid, 14, 15, 16, 17))
        assert spent > 0  # in clock ticks


def test_memory_of_a_closed_model_is_given_back_and_does_not_count_in_the_next_peak(programs, tmp_path):
    def resident_mib():
        return int(Path(f"/proc/{child}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    with Running(programs, tmp_path, "memory") as running:
        (child,) = process.descendants(running.worker.process.pid)
        running.ask("open", batch_size=1, warm_up={"requests": 0, "limit_s": 0})
        assert resident_mib() > 60
        running.ask("close")
        assert resident_mib() < 30


def test_its_warm_up_is_looked_at_as_often_as_that_of_python(programs, tmp_path):
    counts: dict[str, list[int]] = {"python": [], "cpp": []}
    bounds = {"requests": 100, "limit_s": 60.0, "ask_from": 25}

    def until(api, last):
        return lambda durations: counts[api].append(len(durations)) or len(durations) >= last

    description = described(tmp_path, built=built(programs, tmp_path))
    with feed.shared(IMAGES) as descriptor:
        taken = feed.mapped(descriptor)
        running = program.Running(program.checked(description), taken, descriptor)
        try:
            with running.awake():
                opened = running.open(1)
                for last in (40, 1000):
                    python = measure.run(lambda batch: None, taken[:2], **bounds, until=until("python", last))
                    in_cpp = opened.run(feed.batches(taken, 1), **bounds, until=until("cpp", last))
                    assert (len(in_cpp.latency_ns), in_cpp.stopped_by) == (len(python.latency_ns), python.stopped_by)
                assert opened.run(feed.batches(taken, 1), requests=10**6, limit_s=1e-3).stopped_by == "time"
        finally:
            running.kill()
    assert counts["cpp"] == counts["python"] and len(counts["cpp"]) > 4


# --- As a stage starts it ---------------------------------------------------------------------------------------------


def test_a_sweep_of_a_program_is_a_record_like_any_other(programs, tmp_path):
    sweep = Sweep(tmp_path)
    record = sweep.run(api="cpp", built=built(programs, tmp_path))
    (group,) = record["figures"]["groups"]
    member = group["members"]["measured"]
    assert (member["identity"]["api"], member["identity"]["framework_version"]) == ("cpp", "9.9")
    assert record["identity"]["framework_version"] == "9.9" and member["model_bytes"] == 2
    assert {one["opened"]["measured"]["batch_size"] for one in group["sessions"]} == {1, 2, 4}
    for one in group["sessions"]:
        opened = one["opened"]["measured"]
        assert opened["launch"]["in_effect"].keys() == launch.in_effect(FREE)["in_effect"].keys()
        assert opened["inputs_exceed_cache"] in (True, False, None)
        assert all(len(round_["latency_ns"]["measured"]) == 20 for round_ in one["rounds"])


def test_a_program_that_crashes_costs_the_sweep_its_points(programs, tmp_path):
    sweep = Sweep(tmp_path)
    shutil.rmtree(tmp_path / "model")
    converted(tmp_path / "model.json", {"classes.json": "10", "fault.txt": "crash"})
    told = sweep.fail(api="cpp", built=built(programs, tmp_path, "faulty"))
    assert "batch size 1: its process was killed by SIGSEGV" in told and "batch size 4: " in told


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        ({"status": "skipped", "reason": "this machine has no C++ compiler"}, Skip, "no C\\+\\+ compiler"),
        ({"site": "/elsewhere"}, DliflowError, "was built for packages in /elsewhere, .* delete .* to build it again"),
        ({"files": {program.NAME: {"sha256": "0" * 64}}}, DliflowError, "delete .* to build it again"),
    ],
)
def test_what_is_wrong_with_a_program_is_told_before_it_is_started(programs, tmp_path, changed, error, told):
    description = described(tmp_path, built=built(programs, tmp_path, **changed))
    with pytest.raises(error, match=told):
        program.checked(description)


def test_parity_and_accuracy_ask_it_as_they_ask_python(programs, tmp_path):
    description = described(tmp_path, built=built(programs, tmp_path, "faulty"))
    entry = {"height": 4, "width": 4, "layout": "NCHW"}
    with program.opened(description, 2, entry) as opened:
        assert opened.identity["threads_in_effect"] == 3 and opened.identity["api"] == "cpp"
        for batch in (IMAGES[:2], IMAGES[2:4]):
            scores = session.checked_predict(opened, batch, SCORES)
            assert scores[:, 0] == pytest.approx(batch.sum(), rel=1e-5)
        assert process.peak_rss_mib(opened.pid) > 1


# --- How it is built --------------------------------------------------------------------------------------------------


def run_build(folder, *sources) -> dict:
    out = folder / "null.json"
    named = [str(ROOT / name) for name in building.sources("null")]
    build.run(argparse.Namespace(framework="null", sources=[*sources] or named, library=None, out=out))
    return read_json(out)


def test_a_build_tells_how_it_was_made_and_makes_the_same_again(tmp_path):
    first = run_build(tmp_path)
    assert first["status"] == "ok" and first["compiler"].startswith("g++") and "-O2" in first["command"]
    assert first["version"] == frameworks.load("null").version()
    assert run_build(tmp_path) == first  # else all that was measured with it would be measured again


def test_without_a_compiler_it_is_skipped_and_what_does_not_compile_fails(tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")  # compilers speak the user's language
    (tmp_path / "null.cpp").write_text("int main() { return nothing; }\n")
    with pytest.raises(
        DliflowError, match=r"could not be compiled \(status 1\):\n(.*\n)*.*null\.cpp.*nothing.* was not declared"
    ):
        run_build(tmp_path, str(tmp_path / "null.cpp"))
    monkeypatch.setenv("CXX", "no-such-compiler")
    told = run_build(tmp_path)
    assert told["status"] == "skipped" and "no C++ compiler 'no-such-compiler'" in told["reason"]


def package(site, name, version, *files):
    """A package with these files, as an environment has it."""
    for file in (f"{name}/__init__.py", *files):
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).touch()
    about = site / f"{name}-{version}.dist-info/METADATA"
    about.parent.mkdir()
    about.write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")


@pytest.mark.parametrize(
    ("name", "wheel", "told"),
    [
        ("onnxruntime", ("onnxruntime", "1.15.1"), "no onnxruntime/capi/libonnxruntime.so"),
        ("openvino", ("openvino", "2022.3.2", "openvino/libs/libopenvino.so.2232"), "no openvino/include"),
        ("tflite", ("tensorflow", "2.12.1"), "no ai_edge_litert/libLiteRt.so"),
        ("tflite", ("ai_edge_litert", "2.3.1", "ai_edge_litert/libLiteRt.so"), "LiteRT 2.3.0, .* this is 2.3.1"),
    ],
)
def test_a_version_whose_wheel_has_nothing_for_cpp_is_a_skip(tmp_path, name, wheel, told):
    package(tmp_path, *wheel)
    with pytest.raises(Skip, match=told):
        building.load(name).compile_line(tmp_path)


@pytest.mark.parametrize("name", building.names())
def test_each_framework_has_a_program_and_where_it_needs_more_a_reason(name):
    assert all((ROOT / source).is_file() for source in building.sources(name))
    for precision in ("fp32", "int8"):
        assert "C++" in (building.lacking(name, "default", precision, {}) or "C++")
    assert name in frameworks.names()


def test_one_without_a_file_says_what_would_have_to_be_added():
    assert "workflow/cpp/mxnet.cpp" in building.lacking("mxnet", "default", "fp32", {})


# --- A library that no package has ------------------------------------------------------------------------------------


def installed(folder, version="5.0.0", *libraries) -> Path:
    """An OpenCV as it is installed."""
    for name in libraries:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    header = folder / "include/opencv5/opencv2/core/version.hpp"
    header.parent.mkdir(parents=True)
    numbers = zip(("MAJOR", "MINOR", "REVISION"), version.split("."))
    header.write_text("".join(f"#define CV_VERSION_{name}    {number}\n" for name, number in numbers))
    return folder


def line_of_opencv(tmp_path, *installation) -> list[str]:
    (tmp_path / "site").mkdir()
    package(tmp_path / "site", "opencv_python_headless", "5.0.0.93")
    return building.load("opencv").compile_line(tmp_path / "site", installed(tmp_path / "there", *installation))


def test_opencv_needs_a_library_and_says_which_key_gives_it():
    reason = building.lacking("opencv", "default", "fp32", {})
    assert "cpp: {opencv: build}" in reason and "cpp: {opencv: FOLDER}" in reason and "MB" in reason
    for name, libraries in (("opencv", {"opencv": "build"}), ("opencv@4.7", {"opencv": "/usr"})):
        assert building.lacking(name, "default", "fp32", libraries) is None
    assert building.source_of("opencv@4.7", {"opencv": "build"}).package == "opencv-python-headless"
    assert building.source_of("opencv", {"opencv": "/usr"}) is building.source_of("openvino", {}) is None


def test_archives_become_a_part_of_the_program_with_what_they_need(tmp_path):
    names = ["libopencv_core.a", "libopencv_dnn.a", "libopencv_flann.a", "opencv5/3rdparty/liblibprotobuf.a"]
    line = line_of_opencv(tmp_path, "5.0.0", *(f"lib/{name}" for name in names))
    assert f"-I{tmp_path}/there/include/opencv5" in line and '-DWHEEL_VERSION="5.0.0"' in line
    grouped = line[line.index("-Wl,--start-group") + 1 : line.index("-Wl,--end-group")]
    assert grouped == [f"{tmp_path}/there/lib/{name}" for name in names]


def test_a_distribution_s_library_is_found_when_the_program_runs(tmp_path):
    line = line_of_opencv(tmp_path, "5.0.0", "lib/x86_64-linux-gnu/libopencv_dnn.so")
    place = tmp_path / "there/lib/x86_64-linux-gnu"
    assert line[-2:] == [f"{place}/libopencv_core.so", f"-Wl,-rpath,{place}"]


@pytest.mark.parametrize(
    ("installation", "told"),
    [
        (
            ("4.6.0", "lib/libopencv_dnn.so"),
            "is OpenCV 4.6.0, and the package is 5.0.0: .* compare versions, not languages",
        ),
        (("5.0.0", "lib/libopencv_core.so"), r"there is no lib\*/libopencv_dnn.so and no .*or build"),
    ],
)
def test_another_version_and_a_folder_without_it_are_skips(tmp_path, installation, told):
    with pytest.raises(Skip, match=f"cpp.opencv: .*{told}"):
        line_of_opencv(tmp_path, *installation)


def test_what_was_compiled_is_looked_at_before_a_program_is_linked_with_it(tmp_path):
    assert build.folder_of(None) is None and build.folder_of(tmp_path) == tmp_path
    manifest = converted(tmp_path / "library.json", {"libopencv_dnn.a": "archive"})
    files = {name: entry["sha256"] for name, entry in read_json(manifest)["files"].items()}
    write_json(manifest, {"status": "ok", "reason": None, "files": files})
    assert build.folder_of(manifest) == tmp_path / "library"
    (tmp_path / "library/libopencv_dnn.a").write_text("damaged")
    with pytest.raises(DliflowError, match=r"libopencv_dnn\.a is damaged.*delete .* to compile it again"):
        build.folder_of(manifest)
    write_json(manifest, {"status": "skipped", "reason": "no compiler", "files": {}})
    with pytest.raises(Skip, match="no compiler"):
        build.folder_of(manifest)


def test_a_deployed_program_is_linked_with_the_same_library(tmp_path):
    line = line_of_opencv(tmp_path, "5.0.0", "lib/libopencv_dnn.a")
    command = ["g++", "-O2", "-Wall", "workflow/cpp/opencv.cpp", *line, "-o", "there/worker"]
    told = cpp.compile_line("opencv", {"command": command, "site": "/site", "library": str(tmp_path / "there")})
    assert told[1] == f"LIBRARY={tmp_path}/there"
    assert '"-I$LIBRARY/include/opencv5"' in told[2] and '"$LIBRARY/lib/libopencv_dnn.a"' in told[2]
    assert told[2].startswith("g++ predict.cpp opencv.cpp -O2 -std=c++17") and "-pthread -ldl -o predict" in told[2]
