"""What container images are built of, against the environment files."""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

import pytest
from project import ROOT

from dliflow.commands import containers as command
from dliflow.errors import DliflowError
from dliflow.study import containers, environments

ORCHESTRATOR = (ROOT / "containers/Containerfile").read_text()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the environment files, in which the command works."""
    shutil.copytree(ROOT / "envs", tmp_path / "envs")
    monkeypatch.setattr(command, "CHECKOUT", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> dict[str, str]:
    """The files that the command writes, by name."""
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    command.run(parser.parse_args([*words, "--out", "out"]))
    return {path.name.removesuffix(".Containerfile"): path.read_text() for path in Path("out").iterdir()}


def test_each_environment_file_has_an_image_and_one_has_the_newest_of_each_by_their_own_digests(checkout):
    names = {file.stem for file in Path("envs").glob("*.yaml")} - {"dliflow", "null"}
    newest = {name for name in names if "@" not in name}
    assert set(run()) == {*newest, "all"}
    together, written = run()["all"], run(*names)
    assert set(written) == {*names, "all"}
    for name in names:
        file = Path(f"envs/{name}.yaml")
        assert (f"COPY {file} " in together) is (name in newest)
        for text in [written[name], *([together] if name in newest else [])]:
            (python,) = re.findall(rf"--file {file} --out (\S+)/environment\.json", text)
            assert python == f"/opt/environments/{name}-{environments.digest(file)}"
            assert f"COPY {file} {file}\n" in text
            lock = environments.lock(file)
            assert (f"COPY {lock} {lock}\n" in text) is lock.exists()
        assert containers.python(file) == f"{python}/bin/python"
        assert written[name].count("RUN") == 1


def test_another_pin_is_another_image_and_a_comment_is_not(checkout):
    file = Path("envs/onnxruntime.yaml")
    before = containers.containerfile([file])
    file.write_text(f"# A comment.\n{file.read_text()}")
    assert containers.containerfile([file]) == before
    file.write_text(re.sub(r"numpy==[\d.]+", "numpy==1.0", file.read_text()))
    assert containers.containerfile([file]) != before


def test_only_those_that_are_named_are_written_and_an_unknown_one_is_refused(checkout, capsys):
    assert set(run("openvino", "anchor")) == {"openvino", "anchor", "all"}
    assert "podman build -t dliflow-all -f out/all.Containerfile ." in capsys.readouterr().out
    assert "COPY envs/openvino@2025.3.yaml " in run("anchor", "openvino@2025.3")["all"]
    with pytest.raises(DliflowError, match=r"envs/caffe\.yaml: there is no such file"):
        run("caffe")


def test_every_image_begins_with_the_orchestrator_s_which_has_the_locked_packages():
    text = containers.containerfile([ROOT / "envs/null.yaml"])
    assert "ARG DLIFLOW=dliflow\nFROM ${DLIFLOW}\nARG SSL_CERT_FILE\n" in text
    assert "FROM ${BASE}\n" in ORCHESTRATOR.split("ARG SSL_CERT_FILE\n")[0]  # an argument is known behind FROM only
    assert "--require-hashes -r requirements.lock" in ORCHESTRATOR
    assert "\nSTOPSIGNAL SIGINT\n" in ORCHESTRATOR  # upon SIGTERM Snakemake waits for its jobs until it is killed
    assert re.search(r"WORKDIR (\S+)", ORCHESTRATOR)[1] + "/.venv/bin/python" == containers.PYTHON


def test_no_file_names_a_registry_of_images():
    """The base is an argument with a short name: whoever builds says where it comes from."""
    bases = re.findall(r"^(?:ARG \w+=|FROM )(.*)$", ORCHESTRATOR + containers.containerfile([]), re.MULTILINE)
    assert bases and not any("/" in base for base in bases)
