"""Locks of environments: checksums of the very packages that are pinned."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
from project import ROOT

from dliflow.commands import lock
from dliflow.errors import DliflowError
from dliflow.study import environments

LOCKS = sorted((ROOT / "envs/locks").glob("*.txt"))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_every_lock_is_of_its_file_s_pins_with_hashes_and_names_no_address(path):
    text = path.read_text()
    assert environments.locked(ROOT / f"envs/{path.stem}.yaml") == text
    assert "://" not in text and "--index" not in text and "--find-links" not in text
    entries = re.split(r"(?m)^(?=[A-Za-z])", text)[1:]
    without = environments.without_checksums(text)
    assert all(entry.strip() in without or "--hash=sha256:" in entry for entry in entries)
    assert len(without) < len(entries) / 4
    assert without == lock.without_checksums(environments.read(ROOT / f"envs/{path.stem}.yaml")["packages"])


def test_most_environments_are_locked():
    assert len(LOCKS) >= 8


def test_packages_of_pytorch_s_own_index_have_no_checksums_beside_its_builds_for_cpus():
    """Their files are others there than at the usual index, and users have them from either."""
    pins = ["efficientnet-lite-pytorch==1", "numpy==1", "torch==2+cpu", "torchao==3", "triton==4"]
    assert lock.without_checksums(pins) == pins[2:]
    assert lock.without_checksums([*pins[:2], "torch==2", *pins[3:]]) == []
    text = "a==1 \\\n    --hash=sha256:0\n# b==2\ntorch==2+cpu\n"
    assert environments.without_checksums(text) == ["torch==2+cpu"]


def test_a_lock_is_written_beside_the_environment_s_file(tmp_path, monkeypatch):
    (tmp_path / "envs").mkdir()
    packages = "Six==1.17.0, a_b==1, torch==2+cpu"
    (tmp_path / "envs/a.yaml").write_text(f"dependencies: [python=3.11, {{pip: [{packages}]}}]")
    text = "a-b==1 --hash=sha256:1\nsix==1.17.0 \\\n    --hash=sha256:0\n"
    status = 0

    def compiled(*command, links):
        (out, pins) = command[-2:]
        Path(out).write_text(text)
        assert len(Path(pins).read_text().split()) == 2
        assert not links
        return argparse.Namespace(returncode=status, stderr="no such package")

    monkeypatch.setattr(lock, "CHECKOUT", tmp_path)
    monkeypatch.setattr(lock.uv, "run", compiled)
    monkeypatch.chdir(tmp_path)
    lock.run(argparse.Namespace(names=[]))
    assert environments.locked(tmp_path / "envs/a.yaml") == f"{text}torch==2+cpu\n"
    (tmp_path / "envs/a.yaml").write_text("dependencies: [python=3.11, {pip: [six==1.18.0, a_b==1]}]")
    assert environments.locked(tmp_path / "envs/a.yaml") is None
    status = 1
    with pytest.raises(DliflowError, match=r"envs/a\.yaml: its packages could not be looked up:\nno such package"):
        lock.write(tmp_path / "envs/a.yaml")
    with pytest.raises(DliflowError, match=r"there is no envs/b\.yaml; there are a"):
        lock.run(argparse.Namespace(names=["b"]))
