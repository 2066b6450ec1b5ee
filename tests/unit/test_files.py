"""Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from dliflow import files
from dliflow.files import BLOCK, checksum, digest, lock_file, replacing, write_json


def test_nothing_is_left_of_a_broken_write(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("size", [0, 1, BLOCK, 2 * BLOCK + 1])
def test_a_checksum_is_that_of_the_whole_file(tmp_path, size):
    content = bytes(size) + b"end"
    (tmp_path / "file").write_bytes(content)
    for algorithm in ("sha256", "md5"):
        assert checksum(tmp_path / "file", algorithm) == hashlib.new(algorithm, content).hexdigest()


def test_a_full_folder_is_replaced(tmp_path):
    target = tmp_path / "folder"
    for text in ("one", "two"):
        with replacing(target) as scratch:
            scratch.mkdir()
            (scratch / text).write_text(text)
    assert [path.name for path in target.iterdir()] == ["two"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """A machine that loses its power would leave an empty one else."""
    done = []
    sync, rename = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: done.append("sync") or sync(number))
    monkeypatch.setattr(Path, "replace", lambda path, target: done.append("rename") or rename(path, target))
    write_json(tmp_path / "a.json", {})
    assert done == ["sync", "rename"]


def test_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """It would have all its files else, with nothing in them; and the manifest beside it, which is synced, is there."""
    done = []
    monkeypatch.setattr(files, "sync_all", lambda folder: done.append([*folder.iterdir(), (tmp_path / "a").exists()]))
    with replacing(tmp_path / "a") as scratch:
        scratch.mkdir()
        (scratch / "weights").write_text("1")
    assert done == [[scratch / "weights", False]]
    assert (tmp_path / "a/weights").exists()


def test_what_a_killed_process_has_left_is_removed_and_what_another_writes_is_not(tmp_path):
    """Seen: hidden folders of an interrupted unpacking stayed for ever, and so did those of tables."""
    for name in (".a.json.abcdefgh", ".b.json.abcdefgh", ".a.json.more", "a.json.abcdefgh"):
        (tmp_path / name / "half").mkdir(parents=True)
    with replacing(tmp_path / "a.json") as scratch:
        write_json(tmp_path / "a.json", {})
        scratch.write_text("whole")
    assert (tmp_path / "a.json").read_text() == "whole"
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".a.json.more", ".b.json.abcdefgh", "a.json", "a.json.abcdefgh"]


def test_a_file_to_lock_is_none_that_a_link_leads_to(tmp_path):
    """Else who can write to the folder has a file made, or emptied, elsewhere."""
    (tmp_path / "a.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"symbolic links.*a\.lock"):
        lock_file(tmp_path / "a.lock")
    assert not (tmp_path / "elsewhere").exists()
    os.close(lock_file(tmp_path / "b.lock"))
    os.close(lock_file(tmp_path / "b.lock"))


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
