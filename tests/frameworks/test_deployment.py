"""Programs that are deployed, run as users run them, on the real model and real images: the study's own top 5."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import PIL
import programs_of
import pytest
from cases import answer
from PIL import Image
from project import ROOT, Project, python_of
from test_contract import CASES, CONFIG, EVERY

from dliflow import files, frameworks
from dliflow.configuration import Configuration
from dliflow.deployment import program
from dliflow.fetching import uv
from dliflow.images import dataset
from dliflow.study import config, paths

HERE = Path(__file__).parent
NETWORK = "efficientnet_lite0"
SIZE = 8  # of the study's batches, and of those that its accuracy was looked at with
STUDIED = [case for case in CASES if case[0] in CONFIG["frameworks"] and case[1] in frameworks.variants(case[0])]
NEAR = 1e-4  # of the largest score, with other kernels; the digits that are told are 6


def links_to_results(source, target):
    """Copy a file of a project; what lies in its results is never changed in place."""
    (os.link if "/results/" in source else shutil.copy2)(source, target)


@pytest.fixture(scope="module")
def project(study, tmp_path_factory) -> Project:
    """The study with a folder for each of its rows, made by the workflow."""
    folder = tmp_path_factory.mktemp("deployed") / "project"
    shutil.copytree(study.folder, folder, symlinks=True, copy_function=links_to_results)
    rows = [row for row in study.table("performance") if (row["status"], row["batch_size"]) == ("ok", str(SIZE))]
    made = Project(folder, study.environments)
    made.run(*(paths.DEPLOYED.format(**row) for row in rows), "--cores", "2", "--configfile", "config/short.yaml")
    return made


def place(project, framework, variant, precision) -> Path:
    """The folder of a row."""
    known = {"node": "local", "model": NETWORK, "device": "cpu", "parameters": "default", "batch_size": SIZE}
    known |= {"framework": framework, "api": "python", "variant": variant, "precision": precision}
    return (project.folder / paths.DEPLOYED.format(**known)).parent


def images(project) -> list[str]:
    """Those that accuracy was looked at with, in their order."""
    listed = dataset.read(project.folder / paths.EVALUATION_IMAGES.format(dataset=CONFIG["dataset"]))
    return [row["file"] for row in listed]


@pytest.fixture(scope="module")
def pillow(tmp_path_factory) -> Path:
    """The orchestrator's Pillow alone, for environments that have none."""
    folder = tmp_path_factory.mktemp("pillow")
    for part in (Path(PIL.__file__).parent, Path(PIL.__file__).parents[1] / "pillow.libs"):
        (folder / part.name).symlink_to(part)
    return folder


def told(python, script, files, folder, **variables) -> dict[str, list[tuple[float, str]]]:
    """What a program prints: for each image the five highest scores with their names."""
    command = [str(python), str(script), *files]
    variables = {"PATH": os.environ["PATH"], **variables}
    result = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=1500)
    assert result.returncode == 0, result.stderr
    scores: dict[str, list[tuple[float, str]]] = {}
    for line in result.stdout.splitlines():
        if line in files:
            scores[line] = latest = []
        elif scores and len(latest) < 5:  # before and after, frameworks may tell of themselves, as MNN does
            score, name = line.split(maxsplit=1)
            latest.append((float(score), name))
    return scores


def expected(project, framework, variant, precision) -> dict[str, list[tuple[float, str]]]:
    """What the study itself found for each image."""
    known = {"model": NETWORK, "dataset": CONFIG["dataset"], "variant": variant, "precision": precision}
    record = project.folder / project.path(paths.ACCURACY, framework, **known)
    names = (ROOT / "resources/imagenet_classes.txt").read_text(encoding="utf-8").split("\n")
    with open(record.with_suffix(".csv"), newline="", encoding="utf-8") as stream:
        return {
            row["file"]: [(float(row[f"score{k}"]), names[int(row[f"class{k}"])]) for k in range(1, 6)]
            for row in csv.DictReader(stream)
        }


def assert_same(found, wanted, near=1e-5):
    """Whether the scores are the same, and in the same order but for those that are level."""
    assert list(found) == list(wanted)
    for image, best in wanted.items():
        bound = near * max(abs(score) for score, _ in best)
        values = [score for score, _ in best]
        assert [score for score, _ in found[image]] == pytest.approx(values, abs=bound, rel=0)
        for (score, name), (_, other) in zip(found[image], best):
            level = [each for value, each in best if abs(value - score) <= bound]
            assert name == other or name in level or abs(score - values[-1]) <= bound


@pytest.mark.parametrize("case", STUDIED, ids="-".join)
def test_a_program_finds_the_study_s_own_top_5(project, pillow, environments, case):
    folder = place(project, *case)
    if not folder.exists():
        pytest.skip("the study has no figures of it on this machine")
    python = python_of(case[0], environments)
    found = told(python, folder / "predict.py", images(project), project.folder, PYTHONPATH=str(pillow))
    assert_same(found, expected(project, *case))


@pytest.mark.parametrize("framework", EVERY)
def test_it_does_so_with_launch_parameters(project, converted, pillow, environments, tmp_path, framework):
    variant, settings = programs_of.load(framework).DEPLOYED
    known = (framework, variant) if framework in CONFIG["frameworks"] else ("onnxruntime", "default")
    model = files.payload(converted(framework))
    (tmp_path / "model").symlink_to(model)
    (tmp_path / "classes.txt").symlink_to(place(project, *known, "fp32") / "classes.txt")
    entry = config.model(ROOT / "config/models", NETWORK, "test", "test")["input"]
    configuration = Configuration(NETWORK, framework, "python", variant, "fp32", "cpu")
    launch = program.launched(framework, settings, {})
    made = [str(path.relative_to(model)) for path in model.rglob("*") if path.is_file()]
    script = tmp_path / "predict.py"
    script.write_text(program.render(program.Deployed(configuration, 2, entry, 1000, launch, made), "A test."))
    python, three = python_of(framework, environments), images(project)[:3]
    found = told(python, script, three, project.folder, PYTHONPATH=str(pillow))
    wanted = expected(project, *known, "fp32")
    assert_same(found, {image: wanted[image] for image in three}, NEAR)


def test_a_clean_environment_of_its_packages_runs_it_anywhere(project, tmp_path):
    """Copied elsewhere, with nothing but its requirements, by a plain Python."""
    folder, case = tmp_path / "elsewhere", ("onnxruntime", "default", "int8")
    shutil.copytree(place(project, *case), folder)
    for command in (
        ("venv", "--python", "3.11", ".venv"),
        ("pip", "install", "--python", ".venv", "-r", "requirements.txt"),
    ):
        done = subprocess.run([uv.program(), *command], cwd=folder, env=uv.variables(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    photographs = [str(project.folder / file) for file in images(project)]
    found = told(folder / ".venv/bin/python", "predict.py", photographs, folder)
    wanted = {str(project.folder / file): best for file, best in expected(project, *case).items()}
    assert_same(found, wanted)
    pixels = "import numpy, predict, sys; numpy.save('pixels.npy', [predict.pixels_of(file) for file in sys.argv[1:]])"
    subprocess.run([folder / ".venv/bin/python", "-c", pixels, *photographs], cwd=folder, check=True, timeout=1500)
    (manifest,) = (project.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    assert np.array_equal(np.load(folder / "pixels.npy"), np.load(files.payload(manifest, ".npy")))


# Files that run as they are: their own layouts and dtypes, one of several outputs, scores that are whole numbers.

AS_THEY_ARE = [("onnxruntime", "NHWC-uint8.onnx", "scores")]
AS_THEY_ARE += [("tflite", f"NHWC-{dtype}.tflite", "Identity_1") for dtype in ("float32", "uint8", "int8", "int16")]
FORMATS = {"onnxruntime": ("onnx", "onnxruntime"), "tflite": ("tflite", "tensorflow")}


@pytest.mark.parametrize(("framework", "name", "output"), AS_THEY_ARE, ids=[name for _, name, _ in AS_THEY_ARE])
def test_a_file_that_runs_as_it_is(python, outcomes, pillow, environments, tmp_path, framework, name, output):
    kind, maker = FORMATS[framework]
    (tmp_path / "made").mkdir()
    python(maker, HERE / "make_as_they_are.py", kind, tmp_path / "made")
    layout, dtype = Path(name).stem.split("-")
    source = {"format": kind, "layout": layout, "output": output}
    case = {"path": str(tmp_path / "made" / name), "framework": framework, "source": source, "dtype": dtype}
    session = answer(outcomes(framework, HERE / "as_it_is.py", {name: {**case, "out": str(tmp_path / "model")}})[name])
    entry = {**session["entry"], "resize": "squash", "interpolation": "bilinear"}
    configuration = Configuration("small", framework, "python", "default", "int8", "cpu")
    made = [path.name for path in (tmp_path / "model").iterdir()]
    what = program.Deployed(configuration, 1, entry, 5, program.launched(framework, {}, {}), made)
    (tmp_path / "predict.py").write_text(program.render(what, "A test."))
    (tmp_path / "classes.txt").write_text("a\nb\nc\nd\ne\n")
    photographs = [str(tmp_path / f"{number}.png") for number in range(3)]
    for file, pixels in zip(photographs, np.array(session["pixels"], np.uint8)):
        Image.fromarray(pixels).save(file)
    python_there = python_of(framework, environments)
    found = told(python_there, tmp_path / "predict.py", photographs, tmp_path, PYTHONPATH=str(pillow))
    for file, scores in zip(photographs, session["scores"]):
        best = sorted(range(5), key=lambda one: -scores[one])
        assert found[file] == [(pytest.approx(scores[one], rel=1e-5, abs=1e-6), "abcde"[one]) for one in best]


def test_every_framework_has_a_program():
    assert [name for name in EVERY if program.template(name) is None] == []
    assert program.template("null") is None and "null" in frameworks.names()
