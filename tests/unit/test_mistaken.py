"""Files that are something else than their names say."""

from __future__ import annotations

import argparse

import pytest

from dliflow import sources
from dliflow.errors import DliflowError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a.tflite: is a pointer of Git LFS in place"),
        (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML>\n<p>Too large to be scanned", "a.tflite: is a web page in place of"),
        (b"PK\3\4 a model of another format", "a.tflite: not a TFLite file"),
        (b"", "a.tflite: not a TFLite file"),
    ],
)
def test_what_a_model_s_file_is_in_its_place(tmp_path, content, message):
    (tmp_path / "a.tflite").write_bytes(content)
    options = {"path": tmp_path / "a.tflite", "source": {"format": "tflite"}, "input": {"layout": "NHWC"}}
    with pytest.raises(DliflowError) as caught:
        sources.read(argparse.Namespace(**options))
    assert message in str(caught.value)
