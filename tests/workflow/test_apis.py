"""A study in two languages: rows, what is compared, what runs again, and what is deployed."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess

import pytest
from PIL import Image

from dliflow import files
from dliflow.study import paths

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="this machine has no g++")


def cpp(project, pattern, framework="alpha", **values):
    """A result of the tiny study in C++."""
    return project.path(pattern, framework, api="cpp", **values)


def test_a_study_in_both_languages(finished, tmp_path):
    before = finished.dates()
    finished.configure(apis=["python", "cpp"], compare={"leaders": 2}, latency={"batch_sizes": [1, 2]})
    finished.run("all")
    rows = {(row["framework"], row["api"], row["batch_size"]): row for row in finished.table("performance")}
    assert {rows["alpha", api, size]["status"] for api in ("python", "cpp") for size in "12"} == {"ok"}
    assert rows["beta", "cpp", "1"]["status"] == "skipped"
    assert "there is no program in C++ for beta" in rows["beta", "cpp", "1"]["reason"]
    assert {path: date for path, date in finished.dates().items() if path in before} == before  # nothing again
    for table in ("parity", "accuracy"):
        (row,) = (row for row in finished.table(table) if (row["framework"], row["api"]) == ("alpha", "cpp"))
        assert row["status"] == "ok"
    assert row["baseline"] == "alpha-python-default-fp32" and float(row["top1_change"]) == 0
    manifest = finished.read(paths.BUILT)
    assert manifest["status"] == "ok" and list(manifest["files"]) == ["worker"]
    pairs = {(row["first"], row["second"]) for row in finished.table("comparison") if row["batch_size"] == "1"}
    languages = {"alpha-cpp-default-fp32-default", "alpha-python-default-fp32-default"}
    assert any(set(pair) == languages for pair in pairs)
    assert "alpha C++ fp32" in (finished.folder / paths.REPORT).read_text()
    assert finished.pending() == set() and not finished.workers_left()

    # A comment in a shared file compiles again; the program is the same, and nothing is measured.
    measured = finished.dates()
    finished.edit("workflow/cpp/null.cpp", "// A framework", "// A  framework")
    assert finished.pending() == set()
    finished.edit("workflow/cpp/worker.cpp", "// The program around", "// This is the program around")
    finished.run("all")
    assert finished.dates() == measured
    deployed_and_run(finished, tmp_path)


def test_a_compiler_that_comes_later_or_is_another_one_builds_again(finished, tmp_path):
    finished.configure(apis=["python", "cpp"], frameworks=["alpha"], latency={"batch_sizes": [1], "groups": 1})
    finished.run("tables", CXX="no-such-compiler")
    (row,) = (row for row in finished.table("performance") if row["api"] == "cpp")
    assert row["status"] == "skipped" and "no C++ compiler 'no-such-compiler'" in row["reason"]
    finished.run("tables")
    (row,) = (row for row in finished.table("performance") if row["api"] == "cpp")
    assert row["status"] == "ok"
    built, measured = finished.read(paths.BUILT), finished.dates()
    finished.run("tables", CXX="no-such-compiler")  # what was built goes on
    assert finished.read(paths.BUILT) == built and finished.dates() == measured
    newer = tmp_path / "newer"
    newer.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "newer 99.1" || exec g++ "$@"\n')
    newer.chmod(0o755)
    finished.run("tables", CXX=str(newer))
    assert finished.read(paths.BUILT)["compiler"] == "newer 99.1"
    changed = {path for path, date in finished.dates().items() if measured.get(path) != date}
    assert changed and all("-cpp-" in path.parent.name for path in changed)


def test_a_library_is_compiled_where_the_config_says_so_and_is_no_part_of_other_studies(project):
    project.configure(apis=["python", "cpp"], frameworks=["alpha", "opencv"])
    assert not any("opencv-library" in path for path in project.pending())
    project.configure(cpp={"opencv": "build"})
    pending = project.pending()
    (library,) = (path for path in pending if "opencv-library" in path)
    assert re.fullmatch(r"results/cpp/opencv-library-[0-9a-f]{12}\.json", library)
    assert project.path(paths.BUILT, "opencv") in pending


def test_a_damaged_program_is_rows_with_the_reason_and_is_built_again(finished):
    finished.configure(apis=["python", "cpp"], frameworks=["alpha"], latency={"batch_sizes": [1], "groups": 1})
    finished.run("all", "--until", "build")
    manifest = finished.folder / finished.path(paths.BUILT)
    program = files.payload(manifest) / "worker"
    whole = program.read_bytes()
    program.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    told = finished.fail("all")
    assert f"{program.name} is damaged" in told and "to build it again" in told
    rows = {row["api"]: row for row in finished.table("performance")}
    assert rows["python"]["status"] == "ok" and "is damaged" in rows["cpp"]["reason"]
    manifest.unlink()
    finished.run("tables")
    assert {row["status"] for row in finished.table("performance")} == {"ok"}


def deployed_and_run(project, tmp_path):
    """The folder of a row, compiled and run as its README says, elsewhere."""
    name = cpp(project, paths.DEPLOYED, batch_size=2)
    project.run(name)
    shutil.copytree((project.folder / name).parent, tmp_path / "elsewhere")
    folder = tmp_path / "elsewhere"
    (line,) = re.findall(r"^g\+\+ predict\.cpp .*$", (folder / "README.md").read_text(), re.M)
    subprocess.run(f"{line} -Werror -Wextra", shell=True, cwd=folder, check=True)
    record = project.folder / cpp(project, paths.ACCURACY)
    with open(record.with_suffix(".csv"), newline="") as stream:
        predicted = {row["file"]: row for row in csv.DictReader(stream)}
    for number, image in enumerate(predicted):
        with Image.open(project.folder / image) as picture:
            picture.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR).save(folder / f"{number}.ppm")
    pictures = [f"{number}.ppm" for number in range(len(predicted))]
    output = subprocess.run(["./predict", *pictures], cwd=folder, capture_output=True, text=True, check=True).stdout
    lines = output.splitlines()
    names = (folder / "classes.txt").read_text().split()
    for picture, row in zip(pictures, predicted.values()):
        score, name = lines[lines.index(picture) + 1].split()
        assert name == names[int(row["class1"])] and float(score) == pytest.approx(float(row["score1"]), abs=1e-4)
    wrong = subprocess.run(["./predict", "classes.txt"], cwd=folder, capture_output=True, text=True)
    assert wrong.returncode == 1 and "is no pixmap (P6, 8 bits) of 8 x 8 pixels" in wrong.stderr


def test_a_program_that_crashes_is_rows_with_the_reason(finished):
    finished.configure(apis=["python", "cpp"], frameworks=["alpha"])
    source = finished.folder / "workflow/cpp/alpha.cpp"
    source.write_text(source.read_text().replace('fault_ == "segv"', "images_ == 2"))
    output = finished.fail("all")
    rows = {(row["api"], row["batch_size"]): row for row in finished.table("performance")}
    assert rows["python", "2"]["status"] == rows["cpp", "1"]["status"] == "ok"
    assert rows["cpp", "2"]["status"] == "failed" and "was killed by SIGSEGV" in rows["cpp", "2"]["reason"]
    assert "was killed by SIGSEGV" in output
