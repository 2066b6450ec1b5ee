"""Programs in C++ beside Python, in each framework's environment, on the real model that the study converted."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cases import answer
from PIL import Image
from project import ROOT, python_of
from test_contract import CONFIG

from dliflow import building, conversion, files
from dliflow.configuration import Configuration
from dliflow.deployment import cpp, program
from dliflow.study import arguments, config, paths

NETWORK = "efficientnet_lite0"
ENTRY = config.model(ROOT / "config/models", NETWORK, "test", "test")["input"]
# LibTorch alone takes half a minute to compile: `benchmarks/cpp.py` runs it.
FRAMEWORKS = ["openvino", "onnxruntime", "tflite"]
# What each takes of the launch parameters, and what the scores may differ by, as a share of the largest.
OPTIONS = {
    "opencv": {"winograd": False},
    "openvino": {"streams": 2, "pinning": False, "preset_input": True, "shared_outputs": True},
    "onnxruntime": {"allow_spinning": False, "io_binding": True, "memory_arena": False},
}
NEAR = 1e-6
OPENCV = "DLIFLOW_TEST_OPENCV"  # the folder of one, such as `cpp: {opencv: build}` leaves in results/cpp
VARIANTS = {"tflite": "compiled_model"}  # that which is the same library in both languages, where it is no default

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="this machine has no g++")


@pytest.fixture(scope="module")
def programs(environments, tmp_path_factory):
    """The manifest of each framework's program, built in its environment by the stage."""
    folder = tmp_path_factory.mktemp("built")
    return {framework: build(framework, environments, folder / f"{framework}.json") for framework in FRAMEWORKS}


def build(framework, environments, out, *more) -> Path:
    """The manifest of a framework's program."""
    command = [python_of(framework, environments), "-m", "dliflow", "build", "--framework", framework]
    command += ["--sources", *building.sources(framework), "--out", str(out), *more]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def converted(study, framework, precision) -> Path:
    """The manifest of the study's model."""
    converter = study.digest(conversion.converter(framework, precision))
    known = {"model": NETWORK, "precision": precision, "converter": converter}
    return study.folder / study.path(paths.CONVERTED, framework, **known)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_scores_threads_and_options_are_those_of_python(study, programs, outcomes, framework):
    both_agree(study, programs[framework], outcomes, framework)


@pytest.mark.skipif(OPENCV not in os.environ, reason=f"{OPENCV} names no OpenCV; compiling one takes half an hour")
def test_opencv_does_the_same_by_a_library_that_was_compiled(study, environments, outcomes, tmp_path):
    built = build("opencv", environments, tmp_path / "opencv.json", "--library", os.environ[OPENCV])
    assert files.read_json(built)["status"] == "ok", files.read_json(built)["reason"]
    both_agree(study, built, outcomes, "opencv")
    (folder := tmp_path / "deployed").mkdir()
    python, model = python_of("opencv", environments), converted(study, "opencv", "fp32")
    deployed_and_run(study, python, "opencv", "default", model, built, folder)


def both_agree(study, built, outcomes, framework):
    """In scores and threads, in FP32 and INT8, with options and without."""
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    common = {"framework": framework, "built": str(built), "array": str(array), "entry": ENTRY}
    common["variant"] = VARIANTS.get(framework, "default")
    asked = {
        f"{precision} {threads}": {"precision": precision, "threads": threads, "options": {}}
        for precision, threads in (("fp32", 2), ("fp32", None), ("int8", 1))
    }
    if framework in OPTIONS:
        asked["options"] = {"precision": "fp32", "threads": 2, "options": OPTIONS[framework]}
    cases = {
        name: {**common, **case, "converted": str(converted(study, framework, case["precision"]))}
        for name, case in asked.items()
    }
    found = outcomes(framework, Path(__file__).with_name("cpp.py"), cases)
    for name in cases:
        result = answer(found[name])
        assert "skip" not in result, (name, result)
        assert result["difference"] <= NEAR, (name, result)
        assert result["threads of cpp"] == result["threads of python"]


def test_what_litert_cannot_in_cpp_is_a_skip(study, programs, outcomes):
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    case = {"framework": "tflite", "built": str(programs["tflite"]), "array": str(array), "entry": ENTRY}
    case |= {"precision": "fp32", "threads": 1, "options": {"xnnpack": False}}
    case["converted"] = str(converted(study, "tflite", "fp32"))
    (found,) = outcomes("tflite", Path(__file__).with_name("cpp.py"), {"it": case}).values()
    assert answer(found) == {"skip": "cpp: option 'xnnpack': the program in C++ has no such setting"}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_is_deployed_compiles_and_finds_the_same(study, programs, environments, tmp_path, framework):
    model, variant = converted(study, framework, "fp32"), VARIANTS.get(framework, "default")
    deployed_and_run(
        study, python_of(framework, environments), framework, variant, model, programs[framework], tmp_path
    )


def deployed_and_run(study, python, framework, variant, model, program_built, tmp_path):
    """As its README says, in a folder with nothing but its files and an environment; it finds what Python does."""
    shutil.copytree(files.payload(model), tmp_path / "model")
    (tmp_path / ".venv").symlink_to(Path(python).parents[1])
    shutil.copy(ROOT / "resources/imagenet_classes.txt", tmp_path / "classes.txt")
    for file in cpp.files(framework):
        shutil.copy(ROOT / file, tmp_path)
    configuration = Configuration(NETWORK, framework, "cpp", variant, "fp32", "cpu")
    launch = program.launched(framework, {"threads": 2}, {})
    deployed = program.Deployed(configuration, 2, ENTRY, 1000, launch, [])
    (tmp_path / "predict.cpp").write_text(cpp.render(deployed, "A test."))
    built = files.read_json(program_built)
    commands = "\n".join(cpp.compile_line(framework, built))
    subprocess.run(["bash", "-ec", commands], cwd=tmp_path, check=True, timeout=1500)
    assert "library" in built or re.search(r"^import \w+$", cpp.imports(built), re.M)
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    pixels = np.load(files.payload(array, ".npy"))[:3]
    names = [f"{number}.ppm" for number in range(len(pixels))]
    for name, image in zip(names, pixels):
        Image.fromarray(image).save(tmp_path / name)
    printed = subprocess.run(["./predict", *names], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    lines = printed.splitlines()
    scores = [float(lines[lines.index(name) + 1].split()[0]) for name in names]
    known = {"model": NETWORK, "dataset": CONFIG["dataset"], "variant": "default", "precision": "fp32"}
    record = study.folder / study.path(paths.ACCURACY, framework, **known)
    with open(record.with_suffix(".csv"), newline="") as stream:
        best = [float(row["score1"]) for row in csv.DictReader(stream)][: len(names)]
    assert scores == pytest.approx(best, rel=1e-4)


@pytest.mark.dear
def test_a_compiled_package_of_pytorch_serves_both_languages_and_all_batch_sizes(
    study, environments, outcomes, tmp_path
):
    """Converting takes a minute, and compiling against LibTorch half of one."""
    source = study.folder / paths.INTERCHANGE.format(model=NETWORK)
    command = [python_of("pytorch", environments), "-m", "dliflow", "convert"]
    command += arguments.words(framework="pytorch", precision="fp32", variant="compiled", source=source)
    command += ["--out", str(tmp_path / "compiled.json")]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    subprocess.run(command, env=variables, check=True, timeout=1500)
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    case = {"framework": "pytorch", "precision": "fp32", "variant": "compiled", "threads": 2, "options": {}}
    built = build("pytorch", environments, tmp_path / "pytorch.json")
    case |= {"built": str(built), "converted": str(tmp_path / "compiled.json"), "array": str(array), "entry": ENTRY}
    (found,) = outcomes("pytorch", Path(__file__).with_name("cpp.py"), {"it": case}).values()
    result = answer(found)
    assert "skip" not in result and result["difference"] <= NEAR
    assert result["threads of cpp"] == result["threads of python"] == 2
    (folder := tmp_path / "deployed").mkdir()
    python = python_of("pytorch", environments)
    deployed_and_run(study, python, "pytorch", "compiled", tmp_path / "compiled.json", built, folder)
