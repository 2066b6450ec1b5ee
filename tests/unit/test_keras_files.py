"""What is read of a Keras file before Keras reads it is bounded."""

from __future__ import annotations

import zipfile

import pytest

from dliflow.errors import DliflowError
from dliflow.sources import keras

NAME = "model.weights.h5"


def packed(path, content: bytes) -> zipfile.ZipFile:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NAME, content)
    return zipfile.ZipFile(path)


def test_weights_that_were_packed_to_fill_the_memory_are_refused(tmp_path):
    path = tmp_path / "a.keras"
    with packed(path, bytes(1_000_000)) as archive, pytest.raises(DliflowError) as refused:
        keras._unpacked(archive, NAME, path)
    assert str(refused.value).startswith(
        f"{path}: refused: its '{NAME}' unpacks to 1,000,000 bytes, more than 20 times"
    )


def test_weights_with_zeros_that_a_general_tool_has_packed_are_read(tmp_path):
    content = bytes(5_000) + bytes(range(256)) * 4
    with packed(tmp_path / "a.keras", content) as archive:
        assert keras._unpacked(archive, NAME, tmp_path / "a.keras") == content
