"""What launch parameters are declared to do they do, in each framework's own environment, on the real model.

Each framework is given as many of them at once as go together: by its own file, as the workflow does, and by the lines
that are told to people, in a program of their own. Both must lead to the same settings, as far as it tells them, and to
the same scores.
"""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import programs
import programs_of
import pytest
from project import ROOT, python_of

from dliflow import files, frameworks
from dliflow.images import inputs
from dliflow.machine import facts
from dliflow.study import config

CASES = [
    pytest.param(framework, settings, id="-".join([framework, *settings]))
    for framework in programs_of.names()
    for settings in programs_of.load(framework).TOGETHER
]
BATCH_SIZE = 2


@pytest.fixture(scope="module")
def run(study, converted, environments, tmp_path_factory):
    """Run a program of `programs` in a framework's environment; what it tells, and its scores."""
    entry = config.model(ROOT / "config/models", "efficientnet_lite0", "test", "test")["input"]
    (array,) = (study.folder / "results/data/imagenet_samples").glob("*px-*.json")
    folder = tmp_path_factory.mktemp("programs")
    np.save(folder / "batch.npy", inputs.make(inputs.read(array, slice(BATCH_SIZE)), entry))

    def run(text, framework, environment=None, **constants):
        model = files.payload(converted(framework))
        scores, program = folder / "scores.npy", folder / "program.py"
        given = {"MODEL": str(model), "BATCH": str(folder / "batch.npy"), "SCORES": str(scores), **constants}
        program.write_text(text(framework=framework, **given))
        result = subprocess.run(
            [python_of(framework, environments), program],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), **(environment or {})},
            capture_output=True,
            text=True,
            timeout=1500,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1]), np.load(scores)

    return run


@pytest.fixture(scope="module")
def default(run):
    """What a framework tells, and its scores, with its defaults."""
    known = {}

    def of(framework):
        if framework not in known:
            known[framework] = loaded(run, framework, {})
        return known[framework]

    return of


def loaded(run, framework, settings):
    """By the framework's own file."""
    module = frameworks.load(framework)
    options = {key: value for key, value in settings.items() if key != "threads"}
    threads = settings.get("threads")
    environment = module.environment(threads, options) if hasattr(module, "environment") else {}
    constants = {"VARIANT": frameworks.variants(framework)[-1], "THREADS": threads, "OPTIONS": options}
    return run(programs.as_loaded, framework, environment, **constants)


def test_every_parameter_is_among_them():
    for framework in programs_of.names():
        every = programs_of.load(framework).TOGETHER
        of_cpu = {key for key, one in frameworks.space(framework).items() if one.device in (None, "cpu")}
        assert {key for settings in every for key in settings} == of_cpu  # no machine here has a GPU


@pytest.mark.parametrize(("framework", "settings"), CASES)
def test_it_is_in_effect_by_both_ways(run, default, framework, settings):
    told_by_default, expected = default(framework)
    # Switches and threads that are so by default on this machine show nothing.
    settings = settings | {
        key: not value if isinstance(value, bool) else 3 - value
        for key, value in settings.items()
        if told_by_default.get(key) == str(value) and (isinstance(value, bool) or key == "threads")
    }
    if settings.get("threads", 1) > facts.processors().cpus:
        pytest.skip("the machine has fewer processors")
    told, scores = loaded(run, framework, settings)
    blocks = ["\n".join(frameworks.code(framework, {key: value})) for key, value in settings.items()]
    by_lines = run(programs.with_lines, framework, blocks=blocks)
    told = {key: value for key, value in told.items() if key in settings}
    assert {key: value for key, value in by_lines[0].items() if key in settings} == told
    assert np.array_equal(by_lines[1], scores)
    here = facts.processors()
    without_effect = {"hyper_threading"} if here.cpus == here.cores else set()
    assert {key for key in told if told[key] == told_by_default[key]} <= without_effect
    space = frameworks.space(framework)
    largest = np.abs(expected).max()
    if any(space[key].arithmetic for key in settings):
        assert np.abs(scores - expected).max() < 1e-4 * largest
    else:
        assert np.abs(scores - expected).max() < 1e-5 * largest
