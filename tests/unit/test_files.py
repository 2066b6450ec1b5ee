"""Files appear whole or not at all."""

from __future__ import annotations

import pytest

from dliflow.files import digest, replacing, write_json


def test_nothing_is_left_of_a_broken_write(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as scratch:
        scratch.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_folder_is_replaced(tmp_path):
    target = tmp_path / "folder"
    for text in ("one", "two"):
        with replacing(target) as scratch:
            scratch.mkdir()
            (scratch / text).write_text(text)
    assert [path.name for path in target.iterdir()] == ["two"]


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_digest_does_not_depend_on_the_order_of_keys():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1, "b": 3})
