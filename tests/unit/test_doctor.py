"""The doctor names each fault of a machine alone, with what mends it, and finds none where there is none."""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
from pathlib import Path

import pytest

from dliflow.commands import doctor
from dliflow.errors import DliflowError
from dliflow.fetching import uv
from dliflow.machine import facts
from dliflow.study import config, prerequisites

GOOD = {
    **{"governor": "performance", "no_turbo": "1", "boost": None, "smt": False, "virtualised": False, "clock": "tsc"},
    **{"usable_cpus": 8, "logical_cpus": 8, "cgroup_cpu_max": "max 100000", "numa_nodes": 1, "swap_used_mib": 0},
    "memory_available_mib": 16000,
}


def test_the_doctor_finds_nothing_on_a_good_machine_and_each_fault_alone():
    assert doctor.settings(GOOD) == []
    faults = {
        "governor": ("powersave", "cpupower frequency-set -g performance"),
        "no_turbo": ("0", "echo 1 | sudo tee"),
        "boost": ("1", "echo 0 | sudo tee"),
        "smt": (True, "smt/control"),
        "virtualised": (True, "virtual machine"),
        "usable_cpus": (4, "only 4 of 8 processors"),
        "cgroup_cpu_max": ("200000 100000", "cpu.max 200000 100000"),
        "numa_nodes": (2, "launch.numa_node"),
        "swap_used_mib": (12, "12 MiB are swapped out"),
        "memory_available_mib": (512, "only 512 MiB"),
        "clock": ("hpet", "clocksource=tsc"),
    }
    for key, (value, message) in faults.items():
        (line,) = doctor.settings({**GOOD, key: value})
        assert message in line


def test_the_doctor_takes_this_machine_as_it_is():
    assert all(isinstance(line, str) for line in doctor.settings(facts.describe()))


def test_the_probe_reaches_every_processor_and_leaves_the_affinity_alone():
    before = os.sched_getaffinity(0)
    durations = doctor.probe()
    assert {int(cpu) for cpu in durations} == before == os.sched_getaffinity(0)
    assert all(len(values) == doctor.PROBES and min(values) > 0 for values in durations.values())


def test_the_probe_leaves_processors_alone_that_it_may_not_use():
    usable = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(usable)})
        assert set(doctor.probe()) == {str(min(usable))}
    finally:
        os.sched_setaffinity(0, usable)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one framework whose environment is not made, on a machine that lacks nothing."""
    (tmp_path / "envs").mkdir()
    pins = "dependencies: [python=3.11, pip, {pip: [numpy==2.4.6]}]"
    for name in ("null", "onnxruntime"):
        (tmp_path / f"envs/{name}.yaml").write_text(pins)
    monkeypatch.setattr(uv, "variables", dict)
    monkeypatch.setattr(uv, "has_python", lambda version: True)
    monkeypatch.setattr(uv, "program", lambda: "uv")
    monkeypatch.setattr(prerequisites, "ROOM_GB", 0)
    return tmp_path


STUDY = {
    "models": [],
    "frameworks": ["null"],
    "apis": ["python"],
    "variants": {},
    "cpp": {},
    "precisions": ["fp32", "int8"],
    "environments": {"folder": "results/envs"},
}


def test_nothing_is_missing_where_nothing_is(checkout):
    before = set(checkout.rglob("*"))
    assert prerequisites.missing(STUDY, checkout) == []
    assert set(checkout.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("variables", lambda: {"UV_DEFAULT_INDEX": "mirror.example/simple"}, "'mirror.example/simple' is no address"),
        ("variables", lambda: {"UV_FIND_LINKS": "/no/such,https://a.example"}, "wheels '/no/such' is not there"),
        ("variables", lambda: {"UV_OFFLINE": "1"}, "UV_OFFLINE is set"),
        ("has_python", lambda version: False, "environments of null: no Python 3.11 is installed"),
        ("program", lambda: None, "uv is not there; install it as the README does"),
    ],
)
def test_what_environments_lack_is_told_until_they_are_made(checkout, monkeypatch, name, value, message):
    monkeypatch.setattr(uv, name, value)
    (line,) = prerequisites.missing(STUDY, checkout)
    assert line.startswith("environments") and message in line
    folder = Path(prerequisites.environments.folder(checkout / "envs/null.yaml", str(checkout / "results/envs")))
    folder.mkdir(parents=True)
    (folder / "environment.json").touch()
    assert prerequisites.missing(STUDY, checkout) == []


def test_what_compiles_a_library_is_made_where_one_is_compiled(checkout, monkeypatch):
    for name in ("opencv", "cmake"):
        (checkout / f"envs/{name}.yaml").write_text((checkout / "envs/null.yaml").read_text())
    monkeypatch.setattr(uv, "has_python", lambda version: False)
    study = {**STUDY, "frameworks": ["opencv"], "precisions": ["fp32"], "cpp": {"opencv": "build"}}
    told = {
        apis: [line for line in prerequisites.missing({**study, "apis": list(apis)}, checkout) if "no Python" in line]
        for apis in (("python",), ("python", "cpp"))
    }
    assert "cmake" not in told["python",][0] and "cmake, opencv" in told["python", "cpp"][0]


def test_a_full_disk_is_told(checkout, monkeypatch):
    monkeypatch.setattr(prerequisites, "ROOM_GB", 1e9)
    (line,) = prerequisites.missing(STUDY, checkout)
    assert "GB are free in" in line and "1 of 1 are still to be made" in line


@pytest.mark.parametrize(
    "address", ["https://me:secret@mirror.example/simple", "own=https://me:secret@mirror.example/simple"]
)
def test_where_packages_come_from_is_told_without_the_password(monkeypatch, address):
    monkeypatch.setattr(uv, "variables", lambda: {"UV_DEFAULT_INDEX": address})
    assert prerequisites.index() == ("https://mirror.example/simple", [])


def test_a_folder_that_takes_no_file_is_told_with_the_reason(checkout, monkeypatch):
    (checkout / "results/sweep").mkdir(parents=True)
    (checkout / "results/theirs").symlink_to(checkout / "results/sweep")  # which may be for reading only
    real = prerequisites.tempfile.TemporaryFile

    def refusing(dir):
        if dir.name in ("sweep", "theirs"):
            raise PermissionError(13, "Permission denied")
        return real(dir=dir)

    monkeypatch.setattr(prerequisites.tempfile, "TemporaryFile", refusing)
    (line,) = prerequisites.missing(STUDY, checkout)
    assert f"{checkout}/results/sweep cannot be written to (Permission denied)" in line


def test_nobody_is_told_to_take_over_a_folder_outside_of_the_checkout(checkout, monkeypatch):
    """Seen: `sudo chown -R $USER /`, where a folder for environments was to be made at the top."""
    monkeypatch.setattr(prerequisites, "_refusal", lambda folder: "no" if folder == Path("/") else None)
    (line,) = prerequisites.missing({**STUDY, "environments": {"folder": "/no-such-folder"}}, checkout)
    assert line == "environments: / cannot be written to (no); name a folder of your own in environments.folder"


def test_libraries_of_the_system_are_asked_for_only_where_they_are_needed(monkeypatch):
    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert prerequisites.for_frameworks(["pytorch", "openvino"], ["fp32"]) == []
    libgomp, compiler = prerequisites.for_frameworks(["mxnet", "pytorch"], ["int8"])
    assert libgomp.startswith("MXNet: ") and "apt-get install libgomp1" in libgomp
    (variant,) = prerequisites.for_frameworks(["pytorch"], ["fp32"], {"pytorch": ["default", "compiled"]})
    assert variant.startswith("pytorch compiled fp32: ")
    (both,) = prerequisites.for_frameworks(["pytorch"], ["fp32", "fp16", "int8"], {"pytorch": ["default", "compiled"]})
    assert both.startswith("pytorch compiled fp32, pytorch default int8: ")  # the variant has no other precision
    assert compiler.startswith("pytorch default int8: ") and "'no-such-compiler'" in compiler and "g++" in compiler


@pytest.mark.parametrize(
    ("model", "chosen", "needed"),
    [
        ("efficientnet_lite0", ["tflite", "opencv"], ["onnxruntime", "opencv", "pytorch", "tensorflow", "tflite"]),
        ("mobilenet_v2_uint8", ["tflite"], ["tflite"]),  # runs as it is
    ],
)
def test_environments_of_converters_and_of_a_model_s_own_format_count(model, chosen, needed):
    study = {**STUDY, "models": [model], "frameworks": chosen}
    assert prerequisites._used_environments(study, doctor.CHECKOUT) == needed


def examined(monkeypatch, missing, doubtful):
    monkeypatch.setattr(doctor, "noise", list)
    monkeypatch.setattr(doctor, "settings", lambda facts: doubtful)
    monkeypatch.setattr(prerequisites, "missing", lambda study, checkout: missing)
    monkeypatch.setattr(uv, "variables", dict)
    return doctor.run(argparse.Namespace(configfile=[]))


@pytest.mark.parametrize(
    ("missing", "doubtful", "status", "lines"),
    [
        ([], [], 0, ["Missing, and what needs it: nothing", "Doubtful for measuring: nothing"]),
        (["a", "b"], [], 1, ["  1. a", "  2. b", "Doubtful for measuring: nothing"]),
        ([], ["c"], 1, ["Missing, and what needs it: nothing", "  1. c"]),
    ],
)
def test_the_two_kinds_of_findings_are_apart_and_either_sets_the_status(
    monkeypatch, capsys, missing, doubtful, status, lines
):
    assert examined(monkeypatch, missing, doubtful) == status
    assert set(lines) <= set(capsys.readouterr().out.splitlines())


def test_the_study_that_is_examined_can_be_named(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("frameworks: [openvino]\nenvironments: {folder: /elsewhere}\n")
    study = config.of_files([mine], doctor.CHECKOUT)
    assert study["frameworks"] == ["openvino"]
    assert study["environments"] == {"folder": "/elsewhere", "timeout_s": 3600}
    mine.write_text("frameworks: [openvinno]\n")
    with pytest.raises(DliflowError, match=r"mine\.yaml: frameworks\[0\]: 'openvinno' is unknown; did you mean"):
        config.of_files([mine], doctor.CHECKOUT)
    mine.write_text("node: one\nnode: two\n")  # which the run would refuse as well
    with pytest.raises(DliflowError, match=r"line 2: 'node' stands in line 1 already"):
        config.of_files([mine], doctor.CHECKOUT)
    with pytest.raises(DliflowError, match=r"none\.yaml: cannot be read"):
        config.of_files([tmp_path / "none.yaml"], doctor.CHECKOUT)


def test_uv_finds_the_python_that_runs_and_no_other():
    if uv.program() is None:
        pytest.skip("uv is not installed")
    assert uv.has_python(".".join(map(str, sys.version_info[:2])))
    assert not uv.has_python("3.2")


def test_uv_finds_the_pythons_of_pyenv_whose_programs_on_the_path_fail(tmp_path, monkeypatch):
    if uv.program() is None:
        pytest.skip("uv is not installed")
    version = ".".join(map(str, sys.version_info[:2]))
    shim = tmp_path / f"shims/python{version}"
    shim.parent.mkdir()
    shim.write_text(f"#!/bin/sh\necho 'pyenv: python{version}: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.chdir(tmp_path)  # away from this checkout's own environment
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    monkeypatch.delenv("CONDA_PREFIX", raising=False)
    assert not uv.has_python(version)
    installed = tmp_path / f"versions/{version}.1/bin/python{version}"
    installed.parent.mkdir(parents=True)
    installed.symlink_to(Path(sys.base_prefix) / f"bin/python{version}")
    assert uv.has_python(version)
    made = uv.run("venv", "--offline", "--python", version, "made")
    assert made.returncode == 0, made.stderr
