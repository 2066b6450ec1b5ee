"""Files that are empty, cut off or no files: told by name with what to do, without stopping anything else."""

from __future__ import annotations

import argparse
import errno
import fcntl
import hashlib
import json
import os
import threading
from types import SimpleNamespace

import pytest
from eventually import eventually

from dliflow import files
from dliflow.errors import DliflowError
from dliflow.images import dataset
from dliflow.measuring import session
from dliflow.measuring.session import SCHEMA_VERSION
from dliflow.records import record
from dliflow.stages import environment
from dliflow.study.study import Study

BROKEN = {"empty": b"", "zeros": bytes(300), "cut off": b'{\n "a": {\n  "b": 1\n }', "text": b"a,b\n1,2\n"}


def test_a_record_in_which_a_number_was_altered_is_not_believed(tmp_path):
    path, identity = tmp_path / "record.json", {"model": "tiny", "device": "cpu", "threads": 1, "shares": (1, 0.1)}
    for key in ("framework", "api", "framework_version", "variant", "precision"):
        identity[key] = "x"
    session.write_record(
        path, "parity", {**identity, "options": {}, "by_size": {10: 1, 9: 2}}, status="skipped", reason="r"
    )
    assert record.read(str(path))["reason"] == "r"
    altered = json.loads(path.read_text())
    altered["machine"]["usable_cpus"] += 1
    path.write_text(json.dumps(altered))
    outcome = record.outcome({"reason": None, "record": str(path), "needs": []})
    assert (outcome["status"], outcome["record"]) == ("failed", None)
    assert f"{path}: was altered since it was written" in outcome["reason"]
    del altered["digest"]  # of an older version
    path.write_text(json.dumps(altered))
    assert record.read(str(path))


@pytest.mark.parametrize("kind", [*BROKEN, "fifo", "folder"])
def test_json_that_is_none(tmp_path, kind):
    path = tmp_path / "record.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(BROKEN[kind])
    with pytest.raises(
        DliflowError, match=r"record\.json: (empty|not JSON|is no regular file).*; delete it, and it is made"
    ):
        files.read_json(path)
    assert files.not_whole([str(path), str(path), str(tmp_path / "missing.json")]) == [str(path)]
    outcome = record.outcome({"reason": None, "record": str(path), "needs": []})
    assert outcome["status"] == "failed"
    assert "record.json" in outcome["reason"] and "delete it" in outcome["reason"]


@pytest.mark.parametrize("value", [{}, {"a": {"b": [1, {"c": 2}]}}, {"a": 1}, [1], 10])
def test_what_is_whole_at_every_length_that_is_not(tmp_path, value):
    path = tmp_path / "a.json"
    files.write_json(path, value)
    assert files.not_whole([str(path)]) == []
    content = path.read_bytes()
    for length in range(len(content) - 1 if isinstance(value, (dict, list)) else 0):
        path.write_bytes(content[:length])
        whole = length == len(content) - 1
        assert bool(files.not_whole([str(path)])) is not whole, content[:length]


@pytest.mark.parametrize("name", ["performance.csv", "index.html", "ranking.png", "study.xlsx"])
def test_what_is_no_json_and_empty_or_of_zeros_at_its_end(tmp_path, name):
    path = tmp_path / name
    for content, whole in (
        (b"", False),
        (b"a" * 9 + bytes(99), False),
        (b"a,b\n", True),
        (b"PK\5\6" + bytes(18), True),
    ):
        path.write_bytes(content)
        assert (files.not_whole([str(path)]) == []) is whole


LIST = [{"file": f"{index}.png", "label": index, "sha256": "0" * 64} for index in (0, 1)]
DAMAGES = {
    "empty": lambda lines: [],
    "cut off in a line": lambda lines: [*lines[:-1], lines[-1][:20]],
    "cut off at a line's end": lambda lines: lines[:2],
    "without an image": lambda lines: [*lines[:2], *lines[3:]],
    "with another label": lambda lines: [lines[0], lines[1].replace(",0,", ",1,"), *lines[2:]],
    "of a version that wrote no checksum": lambda lines: lines[:-1],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_image_list_that_is_not_what_was_written(tmp_path, damage):
    path = tmp_path / "images.csv"
    dataset.write(path, LIST)
    assert dataset.read(path) == LIST
    path.write_text("".join(DAMAGES[damage](path.read_text().splitlines(keepends=True))))
    for asked in (dataset.read, dataset.list_sha256):
        with pytest.raises(DliflowError, match=r"images\.csv is damaged: .*; delete it, and it is made again"):
            asked(path)


def test_the_checksum_of_an_image_list_is_that_of_its_lines(tmp_path):
    """As it was before lists told it, so that studies of different versions are known to have the same images."""
    dataset.write(tmp_path / "images.csv", LIST)
    lines = (tmp_path / "images.csv").read_bytes().splitlines(keepends=True)
    assert dataset.list_sha256(tmp_path / "images.csv") == hashlib.sha256(b"".join(lines[:-1])).hexdigest()


ACCURACY = {
    **{
        "schema": SCHEMA_VERSION,
        "stage": "accuracy",
        "status": "ok",
        "reason": None,
        "packages": {},
        "environment": {},
    },
    **{"command": [], "finished_at": "now", "process_ms": 1},
    "machine": {"hostname": "h", "cpu": "c", "usable_cpus": 1, "kernel": "k"},
    "identity": {
        **{"model": "m", "device": "cpu", "threads": "default", "framework": "null", "framework_version": "1"},
        **{"api": "python", "variant": "default", "precision": "fp32", "options": {}},
    },
}


def test_predictions_that_are_not_those_of_the_record(tmp_path):
    table, path = tmp_path / "record.csv", tmp_path / "record.json"
    table.write_text("file,label,class1\n")
    figures = {"images": 1, "top1_right": 1, "top5_right": 1, "predictions": "record.csv", "peak_rss_mib": None}
    files.write_json(path, {**ACCURACY, "figures": {**figures, "predictions_sha256": files.sha256(table)}})
    row = {"reason": None, "record": str(path), "needs": []}
    assert record.outcome(row)["status"] == "ok"
    table.write_text("file,label")
    outcome = record.outcome(row)
    assert outcome["status"] == "failed"
    assert (
        f"record.csv is damaged: its contents are not those that its manifest tells of; delete {path}"
        in outcome["reason"]
    )


@pytest.fixture
def building(tmp_path, monkeypatch):
    """The stage that makes an environment, without uv; how often it has made one."""
    built = []

    def make(*command):
        built.append(command)
        (tmp_path / "x-1/bin").mkdir(exist_ok=True)
        (tmp_path / "x-1/bin/python").touch()
        return argparse.Namespace(returncode=0, stderr="")

    monkeypatch.setattr(environment.uv, "run", make)
    monkeypatch.setattr(environment, "install", lambda *arguments: None)
    monkeypatch.setattr(environment, "installed", lambda python: {"python": "3.11"})
    monkeypatch.setattr(environment, "sync_all", lambda folder: None)
    file = tmp_path / "x.yaml"
    file.write_text("dependencies:\n  - python=3.11\n")
    return argparse.Namespace(file=file, out=tmp_path / "x-1/environment.json"), built


@pytest.mark.parametrize("content", ["", "\0" * 60, '{\n "python": '])
def test_an_environment_whose_mark_is_not_whole_is_made_again(building, content):
    args, built = building
    args.out.parent.mkdir()
    args.out.write_text(content)
    environment.run(args)
    environment.run(args)
    assert len(built) == 1
    assert json.loads(args.out.read_text()) == {"python": "3.11"}


def test_an_environment_is_on_the_disk_before_it_is_marked(building, monkeypatch):
    """A machine that loses its power would leave a marked one with empty files else, which nobody would look into."""
    args, _ = building
    marked = []
    monkeypatch.setattr(environment, "sync_all", lambda folder: marked.append(args.out.exists()))
    environment.run(args)
    assert marked == [False] and args.out.exists()
    files.sync_all(args.out.parent)


def test_an_environment_whose_python_is_gone_is_made_again(building):
    """Seen: an older Python of the system's was upgraded away, and every job failed for want of it."""
    args, built = building
    environment.run(args)
    (args.out.parent / "bin/python").unlink()
    environment.run(args)
    assert len(built) == 2


def test_an_environment_whose_python_is_gone_is_told_before_anything_runs(tmp_path):
    marker, record = tmp_path / "x-1/environment.json", tmp_path / "record.json"
    files.write_json(marker, {})
    planned = {"sweep": [{"record": str(record), "needs": [str(marker), str(tmp_path / "y-2/environment.json")]}]}
    study = SimpleNamespace(plan=planned, _lost_environment=Study._lost_environment)
    with pytest.raises(DliflowError, match=rf"1 environments have lost the Python .*\n  rm -r {marker.parent}$"):
        Study.check_results(study)
    (marker.parent / "bin").mkdir()
    (marker.parent / "bin/python").touch()
    Study.check_results(study)


def test_a_fifo_in_place_of_a_list_of_images_is_told_before_anything_runs(tmp_path):
    path = tmp_path / "images.csv"
    os.mkfifo(path)
    planned = {"parity": [{"record": str(tmp_path / "record.json"), "needs": [str(path)]}]}
    study = SimpleNamespace(plan=planned, _lost_environment=Study._lost_environment)
    with pytest.raises(DliflowError, match=rf"1 files are empty or cut off.*\n  rm {path}$"):
        Study.check_results(study)


def test_an_environment_where_a_file_lies_is_told(building):
    args, built = building
    args.out.parent.write_text("")
    with pytest.raises(DliflowError, match="x-1: is no folder; delete it"):
        environment.run(args)
    assert not built


def test_what_a_link_leads_to_is_not_cleared_for_an_environment(building, tmp_path):
    args, built = building
    (tmp_path / "mine").mkdir()
    args.out.parent.symlink_to(tmp_path / "mine")
    with pytest.raises(DliflowError, match=r"x-1: is a link, and all that it leads to would be deleted"):
        environment.run(args)
    files.write_json(args.out, {})
    (tmp_path / "mine/bin").mkdir()
    (tmp_path / "mine/bin/python").touch()
    environment.run(args)  # one that is there is used
    assert not built


def test_an_environment_that_another_user_has_begun_is_told(building, monkeypatch):
    args, built = building
    monkeypatch.setattr(environment.os, "access", lambda path, mode: path != args.out.parent)
    with pytest.raises(DliflowError, match=r"x-1: may not be written, and the environment there is not finished"):
        environment.run(args)
    assert not built


PINS = "dependencies:\n  - python=3.11\n  - pip:\n      - Six==1.17.0\n"
LOCK = "six==1.17.0 \\\n    --hash=sha256:" + "0" * 64 + "\n"


@pytest.mark.parametrize(("lock", "taken"), [(LOCK, True), (LOCK.replace("1.17.0", "1.16.0"), False), (None, False)])
def test_packages_are_those_whose_checksums_are_locked(building, monkeypatch, capsys, lock, taken):
    args, _ = building
    args.file.write_text(PINS)
    if lock:
        (args.file.parent / "locks").mkdir()
        (args.file.parent / "locks/x.txt").write_text(lock)
    asked = []
    monkeypatch.setattr(environment, "install", lambda *arguments: asked.append(arguments[-1]))
    environment.run(args)
    assert asked == [lock if taken else None]
    assert ("without checksums" in capsys.readouterr().out) is not taken


def test_an_environment_that_another_run_builds_is_waited_for_and_said_so(building, capsys):
    args, built = building
    args.out.parent.mkdir()
    with open(f"{args.out.parent}.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=environment.run, args=[args])
        thread.start()
        said = eventually(lambda: capsys.readouterr().err)
        assert f"waiting: {args.out.parent} is held by process {os.getpid()} of" in said
        assert thread.is_alive() and not built
    thread.join(60)
    assert len(built) == 1


def test_an_environment_on_a_file_system_without_locks_is_made_and_that_is_told(building, monkeypatch, capsys):
    args, built = building

    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(environment.lock, "wait_for", refused)
    environment.run(args)
    assert len(built) == 1
    assert f"{args.out.parent}.lock cannot be locked (No locks available)" in capsys.readouterr().out


def test_a_lock_that_is_no_file_does_not_block(building):
    args, built = building
    os.mkfifo(f"{args.out.parent}.lock")
    environment.run(args)
    assert len(built) == 1
