"""What is read of torch's files before torch reads them is bounded."""

from __future__ import annotations

import zipfile

import pytest

from dliflow.errors import DliflowError
from dliflow.sources import pytorch_exported
from dliflow.sources.shared import torchscript_code


def make(path, members, packed=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(f"net/{name}", content)


def check(path):
    (torchscript_code.check if path.suffix == ".pt" else pytorch_exported._check)(path)


CASES = [
    ("a.pt", {"code/a.py": b""}, "code/b.py"),
    ("a.pt", {}, "data.pkl"),
    ("a.pt2", {"archive_format": b"pt2"}, "models/model.json"),
    ("a.pt2", {"archive_format": b"pt2"}, "data/weights/model_weights_config.json"),
]


@pytest.mark.parametrize(("name", "others", "member"), CASES)
def test_a_text_that_unpacks_to_more_than_a_network_has(tmp_path, name, others, member):
    size = 1 + (torchscript_code.TEXTS if name == "a.pt" else pytorch_exported._TEXTS)
    make(tmp_path / name, {**others, member: bytes(size)})
    with pytest.raises(DliflowError, match=rf"{name}: refused: with 'net/{member}' of {size:,} bytes its texts"):
        check(tmp_path / name)


def test_texts_are_counted_together(tmp_path, monkeypatch):
    monkeypatch.setattr(torchscript_code, "TEXTS", 10)
    make(tmp_path / "a.pt", {"code/a.py": b"a = 1\n", "code/b.py": b"b = 1\n"})
    with pytest.raises(DliflowError, match=r"'net/code/b\.py' of 6 bytes .* more than 10 bytes"):
        check(tmp_path / "a.pt")
    monkeypatch.setattr(torchscript_code, "TEXTS", 12)
    check(tmp_path / "a.pt")


def test_a_text_that_understates_its_size(tmp_path):
    make(tmp_path / "a.pt", {"code/a.py": b"a = 1\n" * 1000})
    content = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(content.replace((6000).to_bytes(4, "little"), (6).to_bytes(4, "little")))
    with pytest.raises(ValueError, match="CRC"):
        check(tmp_path / "a.pt")


def test_a_text_that_is_packed_as_torch_packs_none(tmp_path):
    make(tmp_path / "a.pt", {"code/a.py": b"a = 1\n"}, zipfile.ZIP_BZIP2)
    with pytest.raises(DliflowError, match="packed as torch packs none"):
        check(tmp_path / "a.pt")
