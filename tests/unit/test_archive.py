"""Archives: what is in them comes out, what is malicious in them does not."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile

import pytest

from dliflow.errors import DliflowError
from dliflow.fetching.archive import Limits, belongs, extract, is_archive


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


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_what_is_said_of_all_members(tmp_path, out, form):
    """As `git archive` names its commit; a name for all members is taken for none."""
    names = [f"{letter * 200}/{letter * 50}" for letter in "ab"]
    with tarfile.open(tmp_path / "a.tar", "w", format=form, pax_headers={"comment": "1a2b", "path": "c"}) as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    extract(tmp_path / "a.tar", out)
    assert files(out) == names


def test_a_python_without_filters(tmp_path, out, monkeypatch):
    """Such as 3.11.2."""
    for name in ("FilterError", "data_filter", "tar_filter", "fully_trusted_filter"):
        monkeypatch.delattr(tarfile, name, raising=False)
    make_tar(tmp_path / "a.tar", CONTENT)
    extract(tmp_path / "a.tar", out)
    assert files(out) == ["a.txt", "b/c.txt"]
    (tmp_path / "b.tar").write_bytes(b"this is no archive" * 100)
    with pytest.raises(DliflowError, match="cannot be unpacked"):
        extract(tmp_path / "b.tar", out)


def test_zip(tmp_path, out):
    make_zip(tmp_path / "a.ZIP", CONTENT)
    extract(tmp_path / "a.ZIP", out)
    assert files(out) == ["a.txt", "b/c.txt"]


@pytest.mark.parametrize(
    ("stored", "right"),
    [("gr\u00fcn".encode(), "gr\u00fcn"), ("gru\u0308n".encode(), "gru\u0308n"), (b"gr\x81n", "gr\u00fcn")],
)
def test_names_in_a_zip_that_says_nothing_of_their_encoding(tmp_path, out, stored, right):
    """UTF-8 as macOS writes it, and code page 437 as the format has it."""
    make_zip(tmp_path / "a.zip", [("x" * len(stored), b"content")])
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(b"x" * len(stored), stored))
    extract(tmp_path / "a.zip", out)
    assert files(out) == [right]


def test_backslashes_in_a_zip_of_windows(tmp_path, out):
    members = [zipfile.ZipInfo(name) for name in ("Top\\img\\", "Top\\img\\a b.jpg", "Top/c.jpg")]
    for member in members:
        member.create_system = 0
    make_zip(tmp_path / "a.zip", [(member, b"" if member.filename.endswith("\\") else b"x") for member in members])
    extract(tmp_path / "a.zip", out)
    assert files(out) == ["Top/c.jpg", "Top/img/a b.jpg"]


def test_a_model_that_is_a_zip_file_is_no_archive():
    assert not any(map(is_archive, ("weights.pth", "model.keras", "weights.npz", "model.onnx")))
    assert all(map(is_archive, ("A.TAR", "a.tar.gz", "a.zip")))


@pytest.mark.parametrize(
    ("content", "whole"), [(b"PK\3\4", True), (b"\x80\2\x8a", True), (b"a.png\0", False), (b"", False)]
)
def test_a_checkpoint_called_tar_stays_whole(tmp_path, content, whole):
    (tmp_path / "model_best.tar").write_bytes(content)
    assert is_archive(tmp_path / "model_best.tar") != whole


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
        ("link", {"type": tarfile.SYMTYPE, "linkname": "good"}),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "good"}),
        ("unknown", {"type": b"Z"}),
        ("pipe", {"type": tarfile.FIFOTYPE}),
        ("device", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3}),
    ],
)
def test_a_malicious_tar(tmp_path, out, member):
    make_tar(tmp_path / "a.tar", [("good", b"x"), member])
    with pytest.raises(DliflowError, match=rf"a\.tar: the member '{member[0]}' "):
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


def test_a_chain_of_links_beyond_the_length_of_paths(tmp_path, out):
    """CVE-2025-4517: links whose real path is too long to be resolved led tarfile's filters out of the folder."""
    (tmp_path / "outside").write_text("mine")
    deep, members, path = "d" * 247, [], ""
    for letter in "abcdefghijklmnop":
        members.append((f"{path}{deep}", {"type": tarfile.DIRTYPE, "mode": 0o755}))
        members.append((f"{path}{letter}", {"type": tarfile.SYMTYPE, "linkname": deep}))
        path += f"{deep}/"
    chain = "/".join("abcdefghijklmnop")
    members.append((f"{chain}/{'l' * 254}", {"type": tarfile.SYMTYPE, "linkname": "../" * 16}))
    members.append(("escape", {"type": tarfile.SYMTYPE, "linkname": f"{chain}/{'l' * 254}/../../outside"}))
    members.append(("hard", {"type": tarfile.LNKTYPE, "linkname": "escape"}))
    members.append(("hard", b"theirs"))
    make_tar(tmp_path / "a.tar", members)
    with pytest.raises(DliflowError, match=r"a\.tar: the member 'a' is a link or a device, which is refused"):
        extract(tmp_path / "a.tar", out)
    assert (tmp_path / "outside").read_text() == "mine"
    assert not any(path.is_symlink() for path in out.rglob("*"))


def test_links_that_lie_in_the_folder_already_are_not_followed(tmp_path, out):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    (out / "d").symlink_to(outside)
    (out / "file").symlink_to(outside / "file")
    make_tar(tmp_path / "a.tar", [("file", b"theirs")])
    make_zip(tmp_path / "a.zip", [("d/file", b"theirs")])
    extract(tmp_path / "a.tar", out)
    assert (out / "file").read_bytes() == b"theirs"
    with pytest.raises(DliflowError, match=r"the member 'd' needs a folder where"):
        extract(tmp_path / "a.zip", out)
    assert (outside / "file").read_text() == "mine"


@pytest.mark.parametrize("mode", [0o7777, 0o4755, 0, 0o444])
def test_permissions_are_the_usual_ones(tmp_path, out, mode):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("d", tarfile.DIRTYPE), ("d/a", tarfile.REGTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid = kind, mode, 12345
            archive.addfile(info)
    extract(tmp_path / "a.tar", out)
    (tmp_path / "usual").write_text("")
    for path in (out / "d/a", out / "d"):
        assert path.stat().st_uid == (tmp_path / "usual").stat().st_uid
        assert path.stat().st_mode & 0o7000 == 0
    assert (out / "d/a").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_the_last_member_of_a_name_wins(tmp_path, out):
    members = [("./d/", {"type": tarfile.DIRTYPE}), ("./d/a", b"1"), ("d//a", b"22"), ("d", {"type": tarfile.DIRTYPE})]
    make_tar(tmp_path / "a.tar", [("./", {"type": tarfile.DIRTYPE}), *members])
    extract(tmp_path / "a.tar", out)
    assert (out / "d/a").read_bytes() == b"22"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a", b"1"), ("a/b", b"2")], "the member 'a' needs a folder where the archive has a file"),
        ([("a/b", b"1"), ("a", b"2")], "the member 'a' is a file where the archive has a folder"),
        ([("./", b"1")], "has no size, or a name that no file can have"),
    ],
)
def test_members_that_contradict_each_other(tmp_path, out, members, message):
    make_tar(tmp_path / "a.tar", members)
    with pytest.raises(DliflowError, match=rf"a\.tar: .*{message}"):
        extract(tmp_path / "a.tar", out)


SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "a", "GNU.sparse.realsize": "9"}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        (SPARSE, "is stored with holes"),
        ({"GNU.sparse.map": "0,1,x"}, "cannot be unpacked"),
        ({"GNU.sparse.map": "0,1", "GNU.sparse.size": "10"}, "is stored with holes"),
        ({"size": "-1"}, "cannot be unpacked|has no size"),
        ({"path": "../escaped"}, "would land outside"),
        ({"path": "a\0b"}, r"the member 'a\\x00b' has no size, or a name that no file can have"),
        ({"path": "a/" * 2100}, "a name that no file can have"),
    ],
)
def test_headers_of_pax(tmp_path, out, headers, message):
    info = tarfile.TarInfo("a")
    info.pax_headers, info.size = headers, 512
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"0\n".ljust(512, b"\0")))
    with pytest.raises(DliflowError, match=rf"a\.tar: .*({message})"):
        extract(tmp_path / "a.tar", out)


def test_a_compression_that_zipfile_lacks(tmp_path, out):
    make_zip(tmp_path / "a.zip", [("a", b"1234567890" * 100)])
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(signature) + offset] = 97
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DliflowError, match=r"a\.zip: cannot be unpacked: "):
        extract(tmp_path / "a.zip", out)


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


@pytest.mark.parametrize("kind", ["long name", "long link", "pax", "global pax", "Solaris"])
@pytest.mark.parametrize(("times", "size"), [(1, 200 * 2**20), (3, 400 * 2**10)])
def test_bombs_in_the_headers_of_a_tar(tmp_path, out, kind, times, size):
    """The first announces more than it brings: it is refused before any of that is read."""
    letter = {"long name": b"L", "long link": b"K", "pax": b"x", "global pax": b"g", "Solaris": b"X"}[kind]
    info = tarfile.TarInfo("././@Header")
    info.type, info.size = letter, size
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for _ in range(times):
            archive.addfile(info, io.BytesIO(b"%d a=" % size + b"x" * (size - 10) + b"\n") if times > 1 else None)
        archive.addfile(tarfile.TarInfo("a"))
    with pytest.raises(DliflowError, match=r"a\.tar\.gz: .* more than 1,048,576 bytes of headers before a member"):
        extract(tmp_path / "a.tar.gz", out)
    assert (tmp_path / "a.tar.gz").stat().st_size < 2**14


def test_a_map_of_holes_is_not_read(tmp_path, out):
    info = tarfile.TarInfo("a")
    info.type = tarfile.GNUTYPE_SPARSE
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    header[482] = 1  # the map goes on in the next blocks, of which there are none
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * ord(" ") + sum(header[156:]))
    (tmp_path / "a.tar").write_bytes(header)
    with pytest.raises(DliflowError, match=r"a\.tar: the member 'a' is stored with holes"):
        extract(tmp_path / "a.tar", out)


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
        ("caffe/any.caffemodel", "caffe/deploy.prototxt", True),
        ("other/any.caffemodel", "caffe/deploy.prototxt", False),
    ],
)
def test_what_belongs_to_a_model_s_file(name, to, expected):
    assert belongs(name, to) == expected
