"""What keeps a study of many models practical: nothing is read over and over, pictures have an end."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from project import ROOT

from dliflow import rooms
from dliflow.configuration import Configuration
from dliflow.report import canvas, pace
from dliflow.report.canvas import Block
from dliflow.report.pace import Session
from dliflow.study import environments, options, yaml_files
from dliflow.study import study as studies
from dliflow.study.study import Study

CONFIGURATION = Configuration("efficientnet_lite0", "openvino", "python", "default", "int8", "cpu")


@pytest.fixture
def study(monkeypatch):
    """The default one, before anything of it was asked for."""
    monkeypatch.chdir(ROOT)
    return replace(Study.read(yaml_files.mapping(ROOT / "config/config.yaml"), "test"))


def test_planning_reads_no_file_again_for_each_job(study, monkeypatch):
    read, hashed = Counter(), Counter()
    usual, contents = environments.read, studies.contents
    monkeypatch.setattr(environments, "read", lambda path: read.update([path]) or usual(path))
    monkeypatch.setattr(studies, "contents", lambda source: hashed.update(["model"]) or contents(source))
    for group in range(1, 20):
        options.sweep(study, CONFIGURATION, "local", group)
        options.interpreter(study, "openvino")
    assert max(read.values()) <= 4  # for the digest, the folder and its Python; not for each of the jobs
    assert hashed["model"] == 1


def test_planning_looks_once_at_what_lies_in_a_folder(study, monkeypatch):
    looked_at = Counter()
    usual = rooms.pkgutil.iter_modules
    monkeypatch.setattr(rooms.pkgutil, "iter_modules", lambda path: looked_at.update(path) or usual(path))
    rooms._listed.cache_clear()
    for group in range(1, 20):
        study.converted(CONFIGURATION)
        options.sweep(study, CONFIGURATION, "local", group)
    assert set(looked_at.values()) == {1}


def test_the_stages_that_measure_are_told_which_device_the_anchor_runs_on(study):
    def told(framework, device):
        return options.sweep(study, replace(CONFIGURATION, framework=framework, device=device), "local", 1)

    assert "--anchor-device gpu" in told("onnxruntime@cuda", "gpu")
    for framework, device in (("onnxruntime@cuda", "cpu"), ("openvino", "gpu")):
        assert "anchor-device" not in told(framework, device)


def test_what_the_tables_are_told_is_a_file_whatever_the_number_of_models(study):
    names = [f"model{number}" for number in range(400)]
    known = {"models": study.models, "classes": study.classes}
    many = replace(study, **{key: dict.fromkeys(names, *of.values()) for key, of in known.items()})
    assert len(options.tables(many)) < 200
    assert options.tables(many) != options.tables(study)


def test_a_picture_has_the_blocks_that_it_has_room_for_and_says_so():
    blocks = [Block(f"model {number}", ["1", "2", "4", "8"]) for number in range(96)]
    shown, left_out = canvas.fitting(blocks, [4.0] * 96, columns=2)
    assert 1 < len(shown) < 10 and shown == blocks[: len(shown)]
    assert left_out.startswith(f"The first {len(shown)} of 96")
    figure, axes = canvas.grid(shown, [4.0] * 96, columns=2)
    assert len(axes) == len(shown) and figure.get_size_inches()[1] < canvas.TALLEST + canvas.FOOTER + 1
    assert canvas.fitting(blocks[:1], [400.0]) == (blocks[:1], "")
    assert canvas.fitting(blocks[:3], [4.0] * 3, columns=2) == (blocks[:3], "")


def test_sessions_that_cannot_be_told_apart_in_a_picture_are_drawn_together(monkeypatch):
    sessions = [Session(float(number), [1.0 + number], "") for number in range(10)]
    assert pace.together(sessions) == sessions
    monkeypatch.setattr(pace, "MOST", 4)
    drawn = pace.together(sessions)
    assert [one.started for one in drawn] == [0.0, 3.0, 6.0, 9.0]
    assert [each for one in drawn for each in one.anchors] == [each for one in sessions for each in one.anchors]
