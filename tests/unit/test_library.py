"""The library that a program in C++ is linked with, compiled from a source package: whole or not there."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from dliflow.commands import prune
from dliflow.errors import DliflowError
from dliflow.fetching import download, uv
from dliflow.files import read_json, sha256
from dliflow.machine import compiler
from dliflow.stages import library
from dliflow.study import environments

CMAKE = """\
cmake_minimum_required(VERSION 3.10)
project(small CXX)
add_library(small small.cpp)
install(TARGETS small ARCHIVE DESTINATION lib)
"""
PIN = "small-package==1.2"

compiling = pytest.mark.skipif(
    not all(map(shutil.which, ("cmake", "ninja", "g++"))), reason="this machine has no cmake, no ninja or no g++"
)


@pytest.fixture
def compiled(tmp_path, monkeypatch):
    """Compile a small library of this code; the manifest."""

    def compile_it(code):
        source = tmp_path / "small-1.2/code"
        source.mkdir(parents=True, exist_ok=True)
        (source / "CMakeLists.txt").write_text(CMAKE)
        if not (source / "small.cpp").exists() or (source / "small.cpp").read_text() != code:
            (source / "small.cpp").write_text(code)
            with tarfile.open(tmp_path / "small-1.2.tar.gz", "w:gz") as archive:
                archive.add(tmp_path / "small-1.2", "small-1.2")
        tools = tmp_path / "bin"
        tools.mkdir(exist_ok=True)
        for name in ("cmake", "ninja"):
            if not (tools / name).exists():
                (tools / name).symlink_to(shutil.which(name) or name)
        monkeypatch.setattr(library, "fetched", lambda file, name: tmp_path / "small-1.2.tar.gz")
        source_of = {"package": "small-package", "folder": "code", "definitions": ["CMAKE_BUILD_TYPE=Release"]}
        monkeypatch.chdir(tmp_path)
        out = Path("results/small-library-0.json")  # as the workflow has it
        args = {"framework": "small", "file": tmp_path / "small.yaml", "source": source_of, "jobs": 2, "out": out}
        library.run(argparse.Namespace(**args, tools=str(tools / "python")))
        return out

    return compile_it


@compiling
def test_it_is_installed_whole_with_checksums_and_nothing_else_stays(compiled, monkeypatch, capfd):
    monkeypatch.setenv("CXXFLAGS", "-DCHOSEN_BY_A_SHELL")
    out = compiled("#ifdef CHOSEN_BY_A_SHELL\n#error no\n#endif\nint answer() { return 42; }\n")
    manifest, archive = read_json(out), out.parent / "small-library-0/lib/libsmall.a"
    assert manifest["status"] == "ok" and manifest["files"] == {"lib/libsmall.a": sha256(archive)}
    assert manifest["compiler"] == compiler.version() and manifest["definitions"] == ["CMAKE_BUILD_TYPE=Release"]
    assert sorted(path.name for path in out.parent.iterdir()) == ["small-library-0", "small-library-0.json"]
    assert "[2/2]" in capfd.readouterr().out


@compiling
def test_a_job_that_was_killed_is_gone_on_with_unless_it_was_of_something_else(compiled, monkeypatch, capfd):
    """Killed while it installed what was compiled."""
    for _ in range(2):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(library, "replacing", interrupted)
            compiled("int answer() { return 42; }\n")
    assert "ninja: no work to do" in capfd.readouterr().out
    out = compiled("int answer() { return 43; }\n")
    assert "[2/2]" in capfd.readouterr().out and (out.parent / "small-library-0/lib/libsmall.a").exists()
    assert not out.with_suffix(".partial").exists()


def interrupted(path):
    raise KeyboardInterrupt


@compiling
def test_what_does_not_compile_is_one_error_with_the_compiler_s_words(compiled, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    with pytest.raises(DliflowError, match=r"ninja failed \(status 1\):\nFAILED: (.*\n)*.*'nothing' was not declared"):
        compiled("int answer() { return nothing; }\n")
    compiled("int answer() { return 42; }\n")


def test_without_a_compiler_it_is_a_skip(compiled, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "no-such-compiler" else f"/usr/bin/{name}")
    manifest = read_json(compiled(""))
    assert manifest["status"] == "skipped" and "no C++ compiler 'no-such-compiler'" in manifest["reason"]


def test_one_that_is_being_compiled_is_not_pruned(compiled, monkeypatch, tmp_path):
    def pruned(*_):
        with pytest.raises(DliflowError, match="is at work here"):
            prune.delete(tmp_path / "results/small-library-0.partial")
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "unpacked", pruned)
    monkeypatch.setattr(compiler, "needed", lambda: "a compiler")
    with pytest.raises(KeyboardInterrupt):
        compiled("")
    prune.delete(tmp_path / "results/small-library-0.partial")
    assert not (tmp_path / "results").exists()


# --- Where its source package comes from ------------------------------------------------------------------------------


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    """Fetch a source package of this checksum, by an environment file whose lock has that of `locked`."""

    def fetch(checksum, locked=None):
        file = tmp_path / "envs/small.yaml"
        environments.lock(file).parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"dependencies:\n- python=3.11\n- pip:\n  - {PIN}\n  - other==1\n")
        if locked:
            text = f"other==1 \\\n    --hash=sha256:00\nSmall_Package==1.2 \\\n    --hash=sha256:{locked}\n"
            environments.lock(file).write_text(text)
        monkeypatch.setattr(uv, "source_package", lambda pin: {"url": f"https://index/{pin}", "sha256": checksum})
        monkeypatch.setattr(download, "fetch", lambda location, folder: location)
        return library.fetched(file, "small-package")

    return fetch


def test_it_is_one_of_the_files_that_the_lock_lists(fetched, capsys):
    assert fetched("aa", locked="aa") == {"url": f"https://index/{PIN}", "sha256": "aa"}
    assert not capsys.readouterr().out
    with pytest.raises(DliflowError, match=f"{PIN}: .* checksum 00, which is not in .*run ./dliflow lock small"):
        fetched("00", locked="aa")  # that of another package


def test_without_a_lock_that_is_said(fetched, capsys):
    assert fetched("aa")
    assert f"{PIN}: its source package is taken without a checksum of ours" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ('sdist = { url = "https://index/s.tar.gz", size = 7, hashes = { sha256 = "aa" } }', None),
        ('wheels = [ { url = "https://index/s.whl", hashes = { sha256 = "aa" } } ]', "has no source package of it"),
        (None, "could not be looked up; is the package index .* in reach\\?\nno route"),
    ],
)
def test_uv_tells_where_the_index_has_it(monkeypatch, package, told):
    def run(*words, links):
        assert not links
        with open(words[words.index("-o") + 1], "w") as stream:
            stream.write(f'lock-version = "1.0"\n[[packages]]\nname = "small-package"\n{package}\n')
        return subprocess.CompletedProcess(words, int(package is None), stderr="no route\n")

    monkeypatch.setattr(uv, "run", run)
    if told is None:
        assert uv.source_package(PIN) == {"url": "https://index/s.tar.gz", "sha256": "aa", "bytes": 7}
    else:
        with pytest.raises(DliflowError, match=f"{PIN}: .*{told}"):
            uv.source_package(PIN)


def test_the_locks_of_the_repository_list_a_source_package_of_opencv():
    for name in environments.names("opencv"):
        file = environments.FOLDER / f"{name}.yaml"
        assert len(environments.checksums(file, "opencv-python-headless")) > 1
