"""Files that are not what their manifest says are told before they are used."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
from project import converted

from dliflow import integrity
from dliflow.configuration import Configuration
from dliflow.errors import DliflowError
from dliflow.files import read_json, sha256, write_json
from dliflow.measuring import session
from dliflow.stages import convert, export, parity, reference


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["flipped", "shorter", "empty", "zeros", "gone"])
def test_a_converted_model(tmp_path, damage):
    manifest = converted(tmp_path / "model.json", {"classes.json": "10"})
    path = tmp_path / "model/classes.json"
    description = session.Description(
        Configuration("m", "null", "python", "default", "fp32", "cpu"), None, {}, manifest, 10
    )
    assert session.import_model(description).model_bytes == 2
    if damage == "flipped":
        flip(path)
    elif damage == "gone":
        path.unlink()
    else:
        path.write_text({"shorter": "1", "empty": "", "zeros": "\0\0"}[damage])
    with pytest.raises(
        DliflowError, match=r"classes\.json is (damaged|gone).*delete .*model\.json to convert the model"
    ):
        session.import_model(description)


def test_interchange_files(tmp_path):
    (tmp_path / "source").mkdir()
    write_json(tmp_path / "source/interchange.json", {"scores": 10})
    digest = sha256(tmp_path / "source/interchange.json")
    write_json(tmp_path / "source.json", {"files": {"interchange.json": digest}})
    args = argparse.Namespace(
        **{"framework": "null", "precision": "fp32", "variant": None, "calibration": None, "adopt": None},
        **{"source": tmp_path / "source.json", "out": tmp_path / "out.json"},
    )
    convert.run(args)
    assert read_json(tmp_path / "out.json")["status"] == "ok"
    flip(tmp_path / "source/interchange.json")
    with pytest.raises(
        DliflowError, match=r"interchange\.json is damaged.*delete .*source\.json to export the model again"
    ):
        convert.run(args)


@pytest.mark.parametrize("key", ["sha256", "files"])
def test_a_model_as_it_was_fetched(tmp_path, key):
    model = tmp_path / "files/model.onnx"
    model.parent.mkdir()
    model.write_bytes(b"a network")
    digest = sha256(model)
    write_json(tmp_path / "files.json", {"sha256": digest} if key == "sha256" else {"files": {"model.onnx": digest}})
    path = model if key == "sha256" else model.parent
    integrity.verify_fetched(path, tmp_path / "files.json")
    flip(model)
    message = r"model\.onnx is damaged.*delete .*files\.json to have it fetched"
    with pytest.raises(DliflowError, match=message):
        integrity.verify_fetched(path, tmp_path / "files.json")
    reading = argparse.Namespace(path=path, fetched=tmp_path / "files.json")
    for stage in (export, reference):
        with pytest.raises(DliflowError, match=message):
            stage.run(reading)
    adopting = argparse.Namespace(
        **{"framework": "tflite", "precision": "int8", "calibration": None, "adopt": path, "ends": {}},
        **{"fetched": tmp_path / "files.json", "out": tmp_path / "out.json"},
    )
    with pytest.raises(DliflowError, match=message):
        convert.run(adopting)


@pytest.mark.parametrize("damage", ["flipped", "empty", "gone"])
def test_the_scores_of_the_reference(tmp_path, damage):
    array, manifest = tmp_path / "reference.npy", tmp_path / "reference.json"
    scores = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(array, scores)
    write_json(manifest, {"shape": [2, 3], "sha256": sha256(array)})
    assert np.array_equal(parity.read_reference(manifest), scores)
    if damage == "flipped":
        flip(array)
    elif damage == "empty":
        array.write_bytes(b"")
    else:
        array.unlink()
    with pytest.raises(DliflowError, match=r"reference\.npy is (damaged|gone).*delete .*reference\.json"):
        parity.read_reference(manifest)
