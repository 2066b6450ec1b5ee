"""`./dliflow`, run as people run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from project import ROOT

from dliflow import commands, stages
from dliflow.__main__ import main
from dliflow.commands import stages as stages_command
from dliflow.stages import recommend
from dliflow.version import __version__

EQUIPPED = Path(sys.executable).parents[1]


def run(command: Path, *arguments: str, python: Path = EQUIPPED, cwd: Path | None = None):
    """The command with a Python of this environment first on the PATH."""
    variables = {**os.environ, "PATH": f"{python}/bin:{os.environ['PATH']}", "COLUMNS": "200"}
    variables.pop("PYTHONPATH", None)
    return subprocess.run(
        [str(command), *arguments], cwd=cwd, env=variables, capture_output=True, text=True, timeout=600
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """An environment without any package."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    return folder


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout in which nothing was set up."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    (folder / "dliflow").write_bytes((ROOT / "dliflow").read_bytes())
    (folder / "dliflow").chmod(0o755)
    (folder / "workflow").symlink_to(ROOT / "workflow")
    return folder


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_the_help_speaks_of_commands_and_not_of_stages(arguments):
    result = run(ROOT / "dliflow", *arguments)
    assert result.returncode == 0, result.stderr
    assert re.search(r"\n  doctor +Say what makes measurements doubtful on this machine", result.stdout)
    assert re.search(r"\n  stages +List the stages of the workflow, which Snakemake runs\.\n", result.stdout)
    assert "supervise" not in result.stdout


@pytest.mark.parametrize("arguments", [("stages",), ("stages", "--help")])
def test_stages_are_listed_apart(arguments):
    result = run(ROOT / "dliflow", *arguments)
    assert result.returncode == 0, result.stderr
    for name in commands.names(stages):
        assert f"\n  {name} " in result.stdout
    assert "doctor" not in result.stdout


def test_a_stage_explains_itself_too():
    assert "--batch-sizes" in run(ROOT / "dliflow", "sweep", "--help").stdout


def test_no_name_is_a_command_and_a_stage():
    assert not set(commands.names(commands)) & set(commands.names(stages))


@pytest.mark.parametrize("package", [commands, stages])
def test_every_command_and_stage_has_its_line(package):
    lines = commands.listing(package).split("\n  ")
    assert all(len(line.split()) > 2 for line in lines if not line.startswith(" "))


def test_it_is_called_from_elsewhere_and_through_a_link(tmp_path):
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin/study"
    link.symlink_to(os.path.relpath(ROOT / "dliflow", link.parent))
    for command in (ROOT / "dliflow", link):
        result = run(command, "--version", cwd=tmp_path)
        assert (result.returncode, result.stdout) == (0, f"{__version__}\n"), result.stderr


def test_files_of_the_folder_it_is_called_from_stand_in_for_no_module(tmp_path):
    for name in ("argparse", "numpy", "yaml", "dliflow"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    result = run(ROOT / "dliflow", "doctor", "--help", cwd=tmp_path)
    assert result.returncode == 0, result.stderr


def test_the_environment_beside_it_comes_first(checkout, bare):
    (checkout / ".venv").symlink_to(EQUIPPED)
    assert run(checkout / "dliflow", "--version", python=bare).stdout == f"{__version__}\n"


def test_an_environment_that_was_left_half_made_gives_way_to_the_python_that_runs(checkout, bare):
    (checkout / ".venv").symlink_to(bare)
    assert run(checkout / "dliflow", "--version").stdout == f"{__version__}\n"


def test_without_an_environment_it_says_what_to_type(checkout, bare):
    result = run(checkout / "dliflow", "doctor", python=bare)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    set_up = "python3 -m venv .venv && .venv/bin/pip install -q --no-compile --require-hashes -r requirements.lock"
    assert f"cd '{checkout}' && {set_up}" in result.stderr
    assert set_up in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("docter",), "unknown command 'docter'; did you mean 'doctor'?"),
        (("sweeps",), "did you mean 'sweep'?"),
        (("qqq",), f"there are {', '.join(commands.names(commands))}"),
        (("--docter",), "unrecognized arguments: --docter"),
        (("--", "doctor"), "unrecognized arguments: -- doctor"),
        (("doctor", "--configfile", "no.yaml"), "dliflow doctor: error: no.yaml: cannot be read as a config"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(arguments, message, tmp_path):
    result = run(ROOT / "dliflow", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: c: d\n", "mine.yaml: line 2, column 5: not valid YAML: "),
        (b"a: 1\nb: \xff\n", "mine.yaml: line 2: is no text in UTF-8"),
        (b"", "mine.yaml: is empty"),
        (None, "mine.yaml: cannot be read as a config: No such file"),
    ],
)
def test_the_doctor_names_the_line_of_a_file_that_snakemake_cannot_read(content, message, tmp_path):
    if content is not None:
        (tmp_path / "mine.yaml").write_bytes(content)
    result = run(ROOT / "dliflow", "doctor", "--configfile", "mine.yaml", cwd=tmp_path)
    assert result.returncode != 0
    assert f"error: {message}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_config_beside_the_caller_names_versions_that_lie_in_the_checkout(tmp_path):
    (tmp_path / "mine.yaml").write_text("frameworks: [openvino@0.1]\n")
    for command in ("doctor", "known", "prune"):
        result = run(ROOT / "dliflow", command, "--configfile", "mine.yaml", cwd=tmp_path)
        assert result.returncode == 2
        assert "mine.yaml: frameworks[0]: 'openvino@0.1' has no environment file" in result.stderr
        assert "there are openvino@2022.3, " in result.stderr


def test_who_stops_a_command_reads_a_line_and_a_stage_tells_where_it_was(monkeypatch, capsys):
    def stopped(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(stages_command, "run", stopped)
    assert main(["stages"]) == 130
    assert capsys.readouterr().err == "\ndliflow stages: stopped\n"
    monkeypatch.setattr(recommend, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        main(["recommend"])


def test_the_doctor_looks_at_this_machine(tmp_path):
    result = run(ROOT / "dliflow", "doctor", cwd=tmp_path)
    assert result.returncode in (0, 1), result.stderr
    assert "\nMissing, and what needs it:" in result.stdout
    assert "\nDoubtful for measuring:" in result.stdout
    assert not any(tmp_path.iterdir())
