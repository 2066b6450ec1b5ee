"""Which environment variables reach a job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

from dliflow.errors import DliflowError
from dliflow.machine import lock, variables
from dliflow.measuring import anchor
from dliflow.study import config

HARMFUL = {
    **{
        "LD_PRELOAD": "libtcmalloc.so",
        "OPENCV_CPU_DISABLE": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "KMP_BLOCKTIME": "0",
    },
    **{"MKL_CBWR": "COMPATIBLE", "TF_ENABLE_ONEDNN_OPTS": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Prescott"},
    **{
        "LD_LIBRARY_PATH": "/opt/other",
        "MALLOC_ARENA_MAX": "1",
        "https_proxy": "http://me:secret@proxy",
        "UV_INDEX": "x",
    },
    **{"PYTHONMALLOC": "debug", "SLURM_JWT": "secret", "AWS_SECRET_ACCESS_KEY": "secret"},
}
HARMLESS = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "DLIFLOW_TEST": "1",
    "PYTHONPATH": "w",
}


def test_only_what_is_named_is_passed_on():
    passed, withheld = variables.passed_on({**HARMFUL, **HARMLESS}, "sweep")
    assert passed == {**HARMLESS, **variables.SET, variables.ASKED: "[]"}
    assert withheld == sorted(HARMFUL)


@pytest.mark.parametrize("stage", variables.SIDE_BY_SIDE)
def test_evaluations_side_by_side_do_not_keep_each_other_waiting(stage):
    """Seen: two with PyTorch took twice as long as one after another."""
    passed, _ = variables.passed_on({"GOMP_SPINCOUNT": "7"}, stage)
    assert passed["GOMP_SPINCOUNT"] == "1000"
    assert variables.passed_on({}, stage, {"GOMP_SPINCOUNT": "7"})[0]["GOMP_SPINCOUNT"] == "7"  # of the config
    assert "GOMP_SPINCOUNT" not in variables.passed_on({}, "sweep")[0]


def test_keras_has_its_defaults_whatever_lies_in_folders_of_users():
    """Seen: without a home that can be written it reads /tmp/.keras/keras.json, where any user can put another type."""
    passed, _ = variables.passed_on({"KERAS_HOME": "/tmp/.keras"}, "fetch")
    settings = json.loads(Path(passed["KERAS_HOME"], "keras.json").read_text())
    defaults = {"floatx": "float32", "backend": "tensorflow", "image_data_format": "channels_last"}
    assert settings == {**defaults, "epsilon": 1e-07}


@pytest.mark.parametrize("stage", variables.FETCHING)
def test_what_fetches_sees_the_settings_of_the_network(stage):
    passed, withheld = variables.passed_on({**HARMFUL, **HARMLESS}, stage)
    assert {**HARMFUL, **HARMLESS}.items() <= passed.items()
    assert withheld == []


def test_what_the_config_asks_for_is_added():
    passed, withheld = variables.passed_on(HARMFUL, "sweep", {"KMP_BLOCKTIME": "7", "TZ": "Asia/Tokyo"})
    assert (passed["KMP_BLOCKTIME"], passed["TZ"]) == ("7", "Asia/Tokyo")
    assert "KMP_BLOCKTIME" in withheld  # the shell's own


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PYTHONPATH", "dliflow sets this variable itself"),
        ("TMPDIR", "dliflow sets this variable itself"),
        ("PYTHONUNBUFFERED", "dliflow sets this variable itself"),
        ("DLIFLOW_PYTHON", "dliflow sets this variable itself"),
        ("OMP_NUM_THREADS", "the number of threads is set by the key 'threads'"),
        ("TF_ENABLE_ONEDNN_OPTS", "tensorflow is given this by its options or 'threads'"),
    ],
)
def test_what_dliflow_sets_is_refused(name, message):
    with pytest.raises(DliflowError, match=rf"my\.yaml: launch\.environment\.{name}: {message}.*; .*leave it out"):
        variables.check({"KMP_BLOCKTIME": "0", name: "1"}, {"tensorflow": ["TF_ENABLE_ONEDNN_OPTS"]}, "my.yaml")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"A B": "1"}, r"launch\.environment: 'A B': .*Right would be: names of letters"),
        (
            {"MALLOC_TRIM_THRESHOLD_": 4294967296},
            r"launch\.environment\.MALLOC_TRIM_THRESHOLD_: 4294967296: .* in quotes",
        ),
        (["A=1"], r"launch\.environment: \['A=1'\]: .*variables and their values"),
    ],
)
def test_what_is_no_variable_is_told(environment, message):
    study = {"models": ["m"], "dataset": "d", "frameworks": ["null"], "precisions": ["fp32"]}
    with pytest.raises(DliflowError, match=message):
        config.validated({**study, "launch": {"environment": environment}}, "config", "my.yaml")


def test_a_stage_that_is_started_by_hand_tells_no_secrets(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.delenv(variables.ASKED, raising=False)
    environment = variables.in_effect()
    assert environment["AWS_SECRET_ACCESS_KEY"] is None
    assert environment["PATH"] == os.environ["PATH"]


def test_the_anchor_is_the_same_whatever_is_asked_for(monkeypatch):
    command = ["python", "-m", "dliflow", "anchor", "--network", "a.onnx"]
    assert anchor.command("python", "a.onnx") == command
    assert anchor.command("python", "a.onnx", anchor.GPU) == [*command, "--device", "gpu"]
    monkeypatch.setenv(variables.ASKED, '["KMP_BLOCKTIME"]')
    assert anchor.command("python", "a.onnx") == ["env", "--unset=KMP_BLOCKTIME", *command]


def test_the_supervisor_gives_a_clean_environment_and_says_what_it_withheld(tmp_path):
    """The stage that tells its interpreter is replaced by one that tells its variables."""
    stage = tmp_path / "dliflow/stages/tell.py"
    stage.parent.mkdir(parents=True)
    package = ROOT / "workflow/dliflow"
    for path in package.iterdir():
        if path.name != "stages":
            (tmp_path / "dliflow" / path.name).symlink_to(path)
    for path in (package / "stages").glob("*.py"):
        (stage.parent / path.name).symlink_to(path)
    stage.write_text(
        "import json, os\ndef arguments(parser):\n    pass\ndef run(args):\n    print(json.dumps(dict(os.environ)))\n"
    )
    command = [sys.executable, "-m", "dliflow", "supervise", "--timeout", "30", "--log", str(tmp_path / "job.log")]
    asked = {"KMP_BLOCKTIME": "two words"}
    harmful = {key: value for key, value in HARMFUL.items() if not key.startswith(("LD_", "PYTHON"))}
    result = subprocess.run(
        [*command, "--environment", json.dumps(asked), "--", "tell"],
        env={"PATH": os.environ["PATH"], **harmful, "PYTHONPATH": str(tmp_path), lock.TEST_LOCK_FOLDER: str(tmp_path)},
        capture_output=True,
        text=True,
    )
    log = (tmp_path / "job.log").read_text()
    assert result.returncode == 0, result.stderr + log
    first, second, seen = log.splitlines()
    assert first.startswith(f"# PYTHONPATH={tmp_path} KMP_BLOCKTIME='two words' ")
    assert second == f"# not passed on: {', '.join(sorted(harmful))}"
    assert "secret" not in log
    assert {key: json.loads(seen).get(key) for key in harmful} == {**dict.fromkeys(harmful), **asked}
