"""Publishing: what is added, what is refused, and that nothing of a collection is ever changed."""

from __future__ import annotations

import base64
import errno
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import collected
import duckdb
import pytest
from collected import FACTS, World, altered, content, finish, study
from project import ROOT

from dliflow.collection import entry, pages, publish, shelf
from dliflow.errors import DliflowError
from dliflow.integrity import SEAL, sealed
from dliflow.machine import facts
from dliflow.report.exports import parquet
from dliflow.report.page import block
from dliflow.study import paths

WORLD = World()


@pytest.fixture
def finished(tmp_path) -> Path:
    """A study's folder."""
    return study(tmp_path / "study", WORLD)


@pytest.fixture
def shelved(tmp_path, finished) -> Path:
    """A collection with that study, and the study's folder in it."""
    (added,) = publish.publish(tmp_path / "collection", finished)
    return added.folder


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Contents and dates of all files."""
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in every}


# Machines.


def test_a_machine_is_known_by_what_stays_the_same():
    now = {**FACTS, "load_1min": 7.5, "hostname": "another", "memory_mib": 15998, "temperatures_c": {"cpu": 90.0}}
    assert facts.fingerprint(now) == facts.fingerprint(FACTS)
    others = {"cpu": "Another", "logical_cpus": 8, "memory_mib": 32000, "kernel": "6.1.1", "microcode": "0x11"}
    different = {facts.fingerprint({**FACTS, name: value}) for name, value in others.items()}
    assert len(different | {facts.fingerprint(FACTS)}) == 6


def test_another_gpu_is_another_machine_and_one_without_is_as_before_gpus_were_told(tmp_path):
    for slot, model in (("0000:01", "NVIDIA H200"), ("0000:02", "NVIDIA L4")):
        (tmp_path / slot).mkdir()
        (tmp_path / slot / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 42\n")
    assert facts.gpus(tmp_path) == ["NVIDIA H200", "NVIDIA L4"]
    assert facts.gpus(tmp_path / "none") == []
    of_one, of_other = (facts.fingerprint({**FACTS, "gpus": [name]}) for name in facts.gpus(tmp_path))
    assert len({of_one, of_other, facts.fingerprint(FACTS)}) == 3
    assert facts.fingerprint({**FACTS, "gpus": []}) == facts.fingerprint(FACTS)


def test_this_machine_has_a_fingerprint():
    assert re.fullmatch("[0-9a-f]{12}", facts.fingerprint(facts.describe()))


# What is added.


def test_a_study_is_added_with_its_tables_and_its_page(shelved, finished):
    of = shelf.entry_of(shelved)
    assert shelved.parent.name == facts.fingerprint(FACTS)
    assert re.fullmatch(r"2024-01-15T060000Z-[0-9a-f]{8}", shelved.name)
    assert of.content["versions"] == {"openvino": ["1.2"], "tflite": ["1.1"]}
    assert of.content["machine"] == facts.stable(FACTS) and of.content["status"] == "finished"
    shelf.verify(of)
    for name in paths.TABLES:
        ((count,),) = duckdb.sql(f"SELECT count(*) FROM '{shelved}/tables/{name}.parquet'").fetchall()
        assert count == len((finished / paths.TABLES[name]).read_text().splitlines()) - 1
    page = (shelved / "page/index.html").read_text()
    assert '<a href="#answer">in it</a> a table\n' in page
    assert '<a href=\\"../x\\">kept</a>' in page, "scripts and data must stay: the page's policy knows them by hash"


def test_links_become_text_in_the_blocks_of_a_page_too():
    """What is markup in them; a name that looks like a link stays what it is."""
    link = '<a href="../sweep/x.json">1</a> <a href="#row">2</a>'
    blocks = {"details-0": {"row": link}, "rows-accuracy": link, "charts": [link]}
    blocks["answer-0"] = {"cards": [link], "rows": [link]}
    page = "".join(
        f'<script type="text/plain" id="block-{name}">{block(each)}</script>' for name, each in blocks.items()
    )
    left = pages.without_links(f'<p>{link}</p><script type="application/json">{{}}</script>{page}')
    parts = re.findall(r'id="block-([\w-]+)">([^<]*)<', left)
    opened = {name: json.loads(gzip.decompress(base64.b64decode(letters))) for name, letters in parts}
    text = '1 <a href="#row">2</a>'
    assert left.startswith(f"<p>{text}</p>")
    assert opened == {
        "details-0": {"row": text},
        "rows-accuracy": text,
        "charts": [link],
        "answer-0": {"cards": [text], "rows": [link]},
    }


def test_publishing_again_changes_nothing(shelved, finished):
    before = files(shelved.parents[1])
    for name in (None, "another-name"):
        assert publish.publish(shelved.parents[1], finished, name) == [publish.Published(shelved, False)]
        assert files(shelved.parents[1]) == before


def test_each_node_of_a_study_is_published_with_its_own_rows(tmp_path):
    folder = study(tmp_path / "study", WORLD)
    record = json.loads((folder / "results/sweep/tiny.json").read_text())
    record["machine"]["cpu"] = "Another CPU"
    (folder / "results/sweep/other.json").write_text(json.dumps(record))
    for table in ("performance", "measurements", "distributions"):
        altered(folder, table, lambda row: row | {"node": "other" if row["framework"] == "tflite" else "local"})
    altered(
        folder,
        "measurements",
        lambda row: row | ({"record": "results/sweep/other.json"} if row["node"] == "other" else {}),
    )
    finish(folder)
    first, second = publish.publish(tmp_path / "collection", folder)
    assert [content(one.folder)["node"] for one in (first, second)] == ["local", "other"]
    assert first.folder.parent != second.folder.parent
    (other,) = shelf.rows([shelf.entry_of(second.folder)], "performance")
    assert {row["framework"] for row in other} == {"tflite"}
    (quality,) = shelf.rows([shelf.entry_of(second.folder)], "accuracy")
    assert {row["framework"] for row in quality} == {"openvino", "tflite"}, "quality is not a machine's"


def test_a_folder_may_be_called_like_a_pattern(tmp_path):
    folder = study(tmp_path / "[old] st*dy?", WORLD)
    (added,) = publish.publish(tmp_path / "[a] c*llection?", folder)
    (rows,) = shelf.rows([shelf.entry_of(added.folder)], "performance")
    assert len(rows) == 14


# What is refused.


def test_an_unfinished_study_is_refused_and_published_as_such_when_asked(tmp_path, finished):
    (finished / paths.MARKS["report"]).unlink()
    with pytest.raises(DliflowError, match=r"is not finished.*type the study's command again.*--unfinished"):
        publish.publish(tmp_path / "collection", finished)
    assert not (tmp_path / "collection").exists()
    (added,) = publish.publish(tmp_path / "collection", finished, unfinished=True)
    assert content(added.folder)["status"] == "unfinished"


RECORD = "results/sweep/tiny.json"


def nothing_measured(folder: Path) -> None:
    altered(folder, "measurements", lambda row: row | {"status": "failed"})
    finish(folder)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / paths.TABLES["rounds"]).write_text("x"), r"rounds\.csv is damaged.*made of others"),
        (lambda folder: (folder / paths.TABLES["parity"]).unlink(), r"parity\.csv is gone"),
        (lambda folder: (folder / RECORD).unlink(), "this record is gone.*publish where the study ran"),
        (lambda folder: (folder / RECORD).write_text("{}"), "is no record"),
        (lambda folder: (folder / "results/tables").rename(folder / "x"), "there is no study: no results/tables"),
        (nothing_measured, "nothing was measured"),
    ],
)
def test_a_study_that_does_not_fit_together_is_refused(tmp_path, finished, harm, message):
    harm(finished)
    with pytest.raises(DliflowError, match=message):
        publish.publish(tmp_path / "collection", finished)
    assert not (tmp_path / "collection").exists()


@pytest.mark.parametrize(
    ("first", "second", "facts_named"),
    [
        ({}, {"kernel": "6.9.9"}, ("kernel 6.1.0", "kernel 6.9.9")),
        ({}, {"gpus": ["NVIDIA L4"]}, ("gpus none", "gpus NVIDIA L4")),
        ({"gpus": ["NVIDIA L4"]}, {}, ("gpus NVIDIA L4", "gpus none")),
        ({"gpus": ["NVIDIA L4"]}, {"gpus": ["NVIDIA H200"] * 2}, ("gpus NVIDIA L4", "gpus 2 × NVIDIA H200")),
        ({"gpus": ["NVIDIA L4"]}, {"gpus": ["NVIDIA L4"], "kernel": "6.9.9"}, ("kernel 6.1.0", "kernel 6.9.9")),
    ],
)
def test_a_node_that_was_two_machines_is_refused_with_what_differs(tmp_path, first, second, facts_named):
    folder = study(tmp_path / "study", WORLD, facts={**FACTS, **first})
    record = json.loads((folder / RECORD).read_text())
    record["machine"] = {**FACTS, **second}
    (folder / "results/sweep/later.json").write_text(json.dumps(record))
    later = {"record": "results/sweep/later.json"}
    altered(folder, "measurements", lambda row: row | (later if row["framework"] == "tflite" else {}))
    finish(folder)
    message = r"not one machine.*" + ".*".join(f"\n  {re.escape(each)}: 1 records" for each in facts_named)
    with pytest.raises(DliflowError, match=message):
        publish.publish(tmp_path / "collection", folder)


def test_an_altered_record_is_refused_and_one_without_a_digest_taken(tmp_path, finished):
    for stage in ("sweep", "accuracy"):
        path = finished / f"results/{stage}/tiny.json"
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**sealed(record), "finished_at": "2024-02-01T06:00:00+00:00"}))
        with pytest.raises(DliflowError, match=rf"{stage}/tiny\.json: was altered.*type the study's command again"):
            publish.publish(tmp_path / "collection", finished)
        path.write_text(json.dumps(sealed(record)))
    assert publish.publish(tmp_path / "collection", finished)[0].added
    for stage in ("sweep", "accuracy"):  # as older versions wrote them
        path = finished / f"results/{stage}/tiny.json"
        record = {key: value for key, value in json.loads(path.read_text()).items() if key != SEAL}
        path.write_text(json.dumps(record))
    assert publish.publish(tmp_path / "older", finished)[0].added


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "a b", "naïve", "x" * 101, "<b>"])
def test_odd_names_are_refused(tmp_path, finished, name):
    with pytest.raises(DliflowError, match=r"--name: .*right would be letters"):
        publish.publish(tmp_path / "collection", finished, name=name)


def test_other_tables_of_the_same_study_lie_beside_it_under_a_name(shelved, finished):
    before = files(shelved)
    altered(finished, "performance", lambda row: row | {"warnings": "a newer version says so"})
    finish(finished)
    with pytest.raises(DliflowError, match=r"another content \(tables\).*--name NAME.*collection invalid COLLECTION "):
        publish.publish(shelved.parents[1], finished)
    (other,) = publish.publish(shelved.parents[1], finished, name="again")
    assert other == (shelved.with_name("again"), True) and files(shelved) == before


# What goes wrong on the way.


def test_of_two_that_publish_at_once_one_adds_it(tmp_path, finished, monkeypatch):
    fill, inner = publish._fill, []

    def slowly(*arguments):
        fill(*arguments)
        if not inner:
            inner.append(None)
            inner.extend(publish.publish(tmp_path / "collection", finished))

    monkeypatch.setattr(publish, "_fill", slowly)
    (outer,) = publish.publish(tmp_path / "collection", finished)
    assert (outer.added, inner[1].added) == (False, True)
    shelf.verify(shelf.entry_of(outer.folder))
    assert [path.name for path in outer.folder.parent.iterdir()] == [outer.folder.name]


def test_a_full_disk_leaves_nothing_behind(tmp_path, finished, monkeypatch):
    write = parquet.write

    def full(table, *arguments):
        if table == "rounds":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(table, *arguments)

    monkeypatch.setattr(parquet, "write", full)
    with pytest.raises(DliflowError, match=r"No space left on device.*Publish again"):
        publish.publish(tmp_path / "collection", finished)
    assert [path for path in (tmp_path / "collection").rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    assert publish.publish(tmp_path / "collection", finished)[0].added


def test_a_file_where_the_collection_is_to_be_is_told(tmp_path, finished):
    (tmp_path / "collection").write_text("")
    with pytest.raises(DliflowError, match=r"collection: (File exists|Not a directory)"):
        publish.publish(tmp_path / "collection", finished)


# Reading a collection.


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "is damaged"),
        ('{"schema": 1, "name": "x', "is damaged"),
        ("[]", "is no study.json of dliflow"),
        ('{"schema": 99}', r"schema 99: is of a newer dliflow; this one, .* reads up to 1\. Take the newer one"),
        ('{"schema": 1}', "'name' is a required property; restore it"),
    ],
)
def test_a_study_json_that_cannot_be_read_is_one_clear_error(shelved, written, message):
    (shelved / entry.FILE).write_text(written)
    with pytest.raises(DliflowError, match=message) as error:
        shelf.entries(shelved.parents[1])
    assert str(shelved) in str(error.value)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: (folder / entry.FILE).unlink(), "has no study.json"),
        (lambda folder: folder.rename(folder.with_name("renamed")), "was renamed: by its study.json it is"),
        (lambda folder: folder.parent.rename(folder.parents[1] / ("0" * 12)), "was renamed"),
        (lambda folder: (folder / "invalid.json").write_text("{}"), "holds no reason"),
    ],
)
def test_a_folder_that_is_no_whole_study_is_one_clear_error(shelved, harm, message):
    harm(shelved)
    with pytest.raises(DliflowError, match=message):
        shelf.entries(shelved.parents[1])


def test_damaged_tables_are_told_before_they_are_read(shelved):
    path = shelved / "tables/performance.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DliflowError, match=r"performance\.parquet is damaged.*restore it from a copy"):
        shelf.rows([shelf.entry_of(shelved)], "performance")


def test_an_empty_collection_says_how_to_fill_it(tmp_path):
    with pytest.raises(DliflowError, match=r"there are no studies; add one: \./dliflow publish"):
        shelf.entries(tmp_path / "none")


def test_what_others_lay_beside_the_studies_is_left_alone(shelved):
    collection = shelved.parents[1]
    for name in ("site/index.html", ".git/config", f".{shelved.parent.name}/x"):
        (collection / name).parent.mkdir()
        (collection / name).write_text("")
    (shelved.parent / ".2024-unfinished.x").mkdir()
    assert [each.folder for each in shelf.entries(collection)] == [shelved]


def test_tables_of_before_a_column_was_there_are_read(shelved):
    """The newer columns are empty, or what was always so."""
    path = shelved / "tables/performance.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE old AS SELECT * EXCLUDE (settings, energy_mj) FROM '{path}'")
        path.unlink()
        connection.execute(f"COPY old TO '{path}' (FORMAT parquet)")
    whole = content(shelved)
    whole["files"]["tables/performance.parquet"] = collected.sha256(path)
    (shelved / entry.FILE).write_text(json.dumps(whole))
    (rows,) = shelf.rows([shelf.entry_of(shelved)], "performance")
    assert {(row["settings"], row["energy_mj"]) for row in rows} == {("{}", None)}
    assert [row["batch_size"] for row in rows[:2]] == [1, 4], "rows stay in their order"


# Marks.


def test_a_study_is_marked_invalid_and_stays(shelved):
    before = files(shelved)
    of = shelf.chosen(shelved.parents[1], shelved.name)
    assert shelf.mark_invalid(of, "another job ran beside it")
    marked = shelf.entry_of(shelved)
    assert marked.invalid == "another job ran beside it"
    assert not shelf.mark_invalid(marked, "another job ran beside it")
    with pytest.raises(DliflowError, match="is marked already, and marks stay: another job ran"):
        shelf.mark_invalid(marked, "a second thought")
    after = files(shelved)
    assert after.pop("invalid.json") and after == before


def test_who_marks_at_the_same_time_does_not_undo_the_first(shelved):
    of = shelf.entry_of(shelved)
    assert shelf.mark_invalid(of, "first")
    with pytest.raises(DliflowError, match=r"invalid\.json: File exists"):
        shelf.mark_invalid(of, "second")
    assert shelf.entry_of(shelved).invalid == "first"
    assert not list(shelved.glob(".*"))


@pytest.mark.parametrize(("path", "message"), [("nosuch", "there is no such study"), ("", "there is no such study")])
def test_a_study_that_is_not_there_cannot_be_marked(shelved, path, message):
    with pytest.raises(DliflowError, match=message):
        shelf.chosen(shelved.parents[1], path)


# As people type it.


def test_the_commands_say_what_they_did(tmp_path, finished):
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(*arguments):
        command = [ROOT / "dliflow", *map(str, arguments)]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr

    assert run("publish", "mine", "study")[1].endswith("published\n")
    status, said = run("publish", "mine", "study")
    assert (status, said.endswith("is there already; nothing was changed\n")) == (0, True)
    assert run("publish", "mine", "nowhere") == (
        2,
        "dliflow publish: error: nowhere: there is no study: no results/tables in it; run one, or name its folder\n",
    )
    ((_, name),) = [line.split()[0].split("/") for line in run("collection", "list", "mine")[1].splitlines()]
    assert "invalid" in run("collection", "invalid", "mine", name, "too hot")[1]
    assert "finished, invalid: too hot" in run("collection", "list", "mine")[1]
