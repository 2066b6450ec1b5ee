"""Archives: what is in them comes out, what is malicious in them does not."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile

import pytest

from dliflow.archive import Limits, belongs, extract, is_archive
from dliflow.errors import DliflowError


def make_tar(path, members, mode="w"):
    """A tar of `(name, content or TarInfo settings)`."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, dict):
                for key, value in content.items():
                    setattr(info, key, value)
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in members:
            archive.writestr(info, content)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "in" / "out"
    folder.mkdir(parents=True)
    return folder


CONTENT = [("./a.txt", b"one"), ("b/c.txt", b"two")]


@pytest.mark.parametrize(
    ("name", "mode"),
    [("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tgz", "w:gz"), ("a.tar.bz2", "w:bz2"), ("a.tar.xz", "w:xz")],
)
def test_every_kind_of_tar(tmp_path, out, name, mode):
    make_tar(tmp_path / name, CONTENT, mode)
    extract(tmp_path / name, out)
    assert files(out) == ["a.txt", "b/c.txt"]
    assert (out / "b/c.txt").read_bytes() == b"two"


def test_zip(tmp_path, out):
    make_zip(tmp_path / "a.ZIP", CONTENT)
    extract(tmp_path / "a.ZIP", out)
    assert files(out) == ["a.txt", "b/c.txt"]


def test_a_model_that_is_a_zip_file_is_no_archive():
    assert not any(map(is_archive, ("weights.pth", "model.keras", "weights.npz", "model.onnx")))
    assert all(map(is_archive, ("A.TAR", "a.tar.gz", "a.zip")))


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ("m/net.xml", ["m/net.bin", "m/net.xml"]),
        ("m/other.onnx", ["m/other.onnx", "m/other.onnx_data"]),
        ("m/saved", ["m/saved/model.pb", "m/saved/variables/v"]),
    ],
)
def test_only_what_is_needed(tmp_path, out, only, expected):
    names = ["net.xml", "net.bin", "other.onnx", "other.onnx_data", "saved/model.pb", "saved/variables/v", "big"]
    make_tar(tmp_path / "a.tar", [(f"./m/{name}", b"x") for name in names])
    extract(tmp_path / "a.tar", out, only)
    assert files(out) == expected


def test_what_is_not_there_is_told_with_what_is(tmp_path, out):
    make_tar(tmp_path / "a.tar", [("v1/frozen.pb", b"x")])
    with pytest.raises(DliflowError, match=r"there is no 'frozen\.pb' in it; it holds v1/frozen\.pb"):
        extract(tmp_path / "a.tar", out, "frozen.pb")


@pytest.mark.parametrize(
    "member",
    [
        ("../escaped", b"x"),
        ("a/../../escaped", b"x"),
        ("/tmp/dliflow-escaped", b"x"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "../../escaped"}),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "../../escaped"}),
        ("pipe", {"type": tarfile.FIFOTYPE}),
        ("device", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
    ],
)
def test_a_malicious_tar(tmp_path, out, member):
    make_tar(tmp_path / "a.tar", [("good", b"x"), member])
    with pytest.raises(DliflowError, match=r"a\.tar: "):
        extract(tmp_path / "a.tar", out)
    assert files(tmp_path / "in") == ["out/good"]
    assert not (out / member[0]).is_symlink()


def test_a_link_and_a_file_through_it(tmp_path, out):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = {"type": tarfile.SYMTYPE, "linkname": str(outside)}
    make_tar(tmp_path / "a.tar", [("d", link), ("d/escaped", b"x")])
    with pytest.raises(DliflowError):
        extract(tmp_path / "a.tar", out)
    assert files(outside) == []


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "..\\escaped", "c:/escaped"])
def test_a_malicious_zip(tmp_path, out, name):
    make_zip(tmp_path / "a.zip", [(zipfile.ZipInfo(name), "x")])
    with pytest.raises(DliflowError, match=r"a\.zip: the member .* would land outside"):
        extract(tmp_path / "a.zip", out)
    assert files(tmp_path / "in") == []


def test_a_link_in_a_zip(tmp_path, out):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    make_zip(tmp_path / "a.zip", [(info, "/etc/passwd")])
    with pytest.raises(DliflowError, match="'link' is a link or a device"):
        extract(tmp_path / "a.zip", out)


def test_bombs(tmp_path, out):
    zeros = bytes(50 * 2**20)
    make_zip(tmp_path / "a.zip", [("zeros", zeros)])
    make_tar(tmp_path / "a.tar.gz", [("zeros", zeros)], "w:gz")
    for name in ("a.zip", "a.tar.gz"):
        with pytest.raises(DliflowError, match="unpacks to more than"):
            extract(tmp_path / name, out)
    make_tar(tmp_path / "many.tar", [(f"{index}", b"") for index in range(11)])
    with pytest.raises(DliflowError, match="more than 10 members"):
        extract(tmp_path / "many.tar", out, limits=Limits(files=10))
    with pytest.raises(DliflowError, match="unpacks to more than 5 bytes"):
        make_tar(tmp_path / "big.tar", [("a", b"123456")])
        extract(tmp_path / "big.tar", out, limits=Limits(total=5))


def test_a_zip_that_understates_its_size(tmp_path, out):
    make_zip(tmp_path / "a.zip", [("a", b"1234567890" * 100)])
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(DliflowError, match="cannot be unpacked"):
        extract(tmp_path / "a.zip", out)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.xz", "a.zip"])
def test_a_broken_archive(tmp_path, out, name):
    (tmp_path / name).write_bytes(b"this is no archive" * 100)
    with pytest.raises(DliflowError, match=r"cannot be unpacked"):
        extract(tmp_path / name, out)


def test_a_cut_off_archive(tmp_path, out):
    make_tar(tmp_path / "whole.tar.gz", [("a", bytes(range(256)) * 4000)], "w:gz")
    data = (tmp_path / "whole.tar.gz").read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(data[: len(data) // 2])
    with pytest.raises(DliflowError, match="cannot be unpacked"):
        extract(tmp_path / "a.tar.gz", out)


@pytest.mark.parametrize(
    ("name", "to", "expected"),
    [
        ("net.bin", "net.xml", True),
        ("a/net.onnx.data", "a/net.onnx", True),
        ("net.onnx_data", "net.onnx", True),
        ("net-0000.params", "net-symbol.json", True),
        ("saved/variables/x", "saved", True),
        ("network.onnx", "net.onnx", False),
        ("b/net.bin", "a/net.xml", False),
        ("saved_old/x", "saved/x", False),
    ],
)
def test_what_belongs_to_a_model_s_file(name, to, expected):
    assert belongs(name, to) == expected
