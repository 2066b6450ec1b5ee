"""Whatever stands in a file, the exception is one of ours, and nothing lands outside.

`DLIFLOW_FUZZ_EXAMPLES=5000 pytest -n 0 tests/faults/test_properties.py` tries more than CI does, and other things.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from project import ROOT

from dliflow.analysis import columns
from dliflow.errors import LONGEST, OBEYED, DliflowError, plain
from dliflow.fetching.archive import Limits, extract
from dliflow.files import read_json
from dliflow.images import dataset, label_files, labels
from dliflow.images.preprocess import decode, preprocess
from dliflow.measuring.session import SCHEMA_VERSION
from dliflow.records import notes, record
from dliflow.records.journal import Journal
from dliflow.report import read
from dliflow.study import config, environments, yaml_files

TEXTS = st.text(max_size=20) | st.sampled_from(["", "null", "../x", "a\n", "=1", "\x00", "\ud800", "-1", "fp32", "{x}"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.dates() | st.binary(max_size=5)
KEYS = TEXTS | st.integers() | st.none()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder in another one."""
    with tempfile.TemporaryDirectory() as above:
        inside = Path(above, "in")
        inside.mkdir()
        yield inside
        assert [path.name for path in Path(above).iterdir()] == ["in"]


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Where parts of nested mappings and lists stand, each as the keys on the way to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


def changed(whole: Any, path: tuple, part: Any) -> Any:
    """A copy in which another part stands at this place."""
    if not path:
        return part
    whole = copy.deepcopy(whole)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = part
    return whole


def spoilt(whole: Any) -> st.SearchStrategy:
    """A nested value in which one part, or two, are something else."""
    one = st.builds(lambda path, part: changed(whole, path, part), st.sampled_from(places(whole)), VALUES)
    more = st.builds(lambda key, part: {**whole, key: part}, KEYS, VALUES)
    return one | more


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """A file cut off, with other bytes in it, or with more of them."""
    place, byte = st.integers(0, len(content) - 1), st.integers(0, 255)
    cut = st.builds(lambda end: content[:end], place)
    flips = st.lists(st.tuples(place, byte), min_size=1, max_size=8)
    flipped = st.builds(lambda pairs: _flipped(content, pairs), flips)
    put_in = st.builds(lambda at, more: content[:at] + more + content[at:], place, st.binary(max_size=12))
    return cut | flipped | put_in


def _flipped(content: bytes, pairs: list[tuple[int, int]]) -> bytes:
    changing = bytearray(content)
    for at, byte in pairs:
        changing[at] = byte
    return bytes(changing)


# --- What people write ------------------------------------------------------------------------------------------------

DEFAULT = yaml_files.mapping(ROOT / "config/config.yaml")
MODEL = yaml_files.mapping(ROOT / "config/models/mobilenet_v2.yaml")
DATASET = yaml_files.mapping(ROOT / "config/datasets/imagenet_validation.yaml")


@given(spoilt(DEFAULT))
def test_a_config(value):
    with contextlib.suppress(DliflowError):
        config.study(value if isinstance(value, dict) else {"models": value}, "mine.yaml")


@given(spoilt(MODEL), spoilt(DATASET))
def test_entries(model, entry):
    with folder() as registry:
        for kind, value in (("model", model), ("dataset", entry)):
            (registry / "a.yaml").write_text(yaml.safe_dump(value, allow_unicode=False), encoding="utf-8")
            with contextlib.suppress(DliflowError):
                described = config.registered(registry, kind, "a", "mine.yaml", kind)
                if kind == "model":
                    config.model(registry, "a", "mine.yaml", "models[0]")
                else:
                    dataset.check(described["images"])
                    label_files.check(described["labels"])


@given(st.binary(max_size=200) | damaged((ROOT / "envs/onnxruntime.yaml").read_bytes()))
@example(b"\xff\xfea")
@example(b"a: &a [*a]")
@example(b"? [a]\n: b")
def test_bytes_where_yaml_should_be(content):
    with folder() as here:
        (here / "a.yaml").write_bytes(content)
        with contextlib.suppress(DliflowError):
            config.study(yaml_files.mapping(here / "a.yaml"), "a.yaml")
        with contextlib.suppress(DliflowError):
            environments.read(here / "a.yaml")


NAMES = ["a.png", "b/c.jpg", "ü.png"]
LABELS = "file,label\na.png,0\nb/c.jpg,1\nü.png,2\n".encode()
RULES = [
    {"from": "csv"},
    {"from": "csv", "encoding": "utf-16"},
    {"from": "csv", "columns": {"file": 1, "label": 2}, "separator": ";"},
    {"from": "list"},
    {"from": "list", "pattern": r"(?P<file>\S+) (?P<label>\d+)"},
    {"from": "jsonl", "columns": {"file": "file", "label": "label"}},
    {"from": "csv", "root": "x", "only_listed": True, "first": 1},
]


@given(st.sampled_from(RULES), damaged(LABELS) | st.binary(max_size=60))
@example(RULES[0], b"file,label\n" + b"a" * 140_000 + b",1\n")
@example(RULES[5], b"[" * 100_000)
@example(RULES[3], b"a.png " + b"9" * 5000)
def test_labels(rule, content):
    with folder() as here:
        (here / "labels").write_bytes(content)
        with contextlib.suppress(DliflowError):
            label_files.check(rule)
            found = labels.of_images(NAMES, rule, here / "labels", labels.Classes(3, ["red", "green", "blue"]))
            assert len(found) == 3


# --- What runs leave --------------------------------------------------------------------------------------------------

RECORD: dict[str, Any] = {
    **{"schema": SCHEMA_VERSION, "stage": "accuracy", "status": "ok", "reason": None},
    **{"packages": {}, "environment": {}, "command": [], "finished_at": "now", "process_ms": 1},
    "machine": {"hostname": "h", "cpu": "c", "usable_cpus": 1, "kernel": "k"},
    "identity": {
        **{"model": "m", "device": "cpu", "threads": "default", "framework": "null", "framework_version": "1"},
        **{"variant": "default", "precision": "fp32", "options": {}},
    },
    "figures": {
        **{"images": 1, "top1_right": 1, "top5_right": 1, "peak_rss_mib": None},
        **{"predictions": "r.csv", "predictions_sha256": "0" * 64},
    },
}
WHOLE = json.dumps(RECORD, indent=1).encode() + b"\n"


@given(damaged(WHOLE) | spoilt(RECORD).map(lambda value: json.dumps(value, default=str).encode("utf-8", "replace")))
@example(b"[" * 100_000)
@example(b"\xff")
def test_records_and_notes(content):
    with folder() as here:
        path = here / "r.json"
        path.write_bytes(content)
        row = {"reason": None, "record": str(path), "needs": []}
        assert record.outcome(row)["status"] in ("ok", "failed", "skipped")
        with contextlib.suppress(DliflowError):
            read_json(path)
        for note in (notes.failure, notes.timing, notes.run):
            note(path)


@cache
def table_of_one_row() -> bytes:
    """A table as it is written, with a row."""
    names = columns.names("parity")
    return (",".join(names) + "\n" + ",".join("" for _ in names) + "\n").encode()


@given(damaged(table_of_one_row()))
@example(b"a" * 140_000)
def test_a_table(content):
    with folder() as here, contextlib.suppress(DliflowError):
        (here / "parity.csv").write_bytes(content)
        read.table(here / "parity.csv")


IMAGES = [{"file": "a.png", "label": 0, "sha256": "0" * 64}]


@cache
def list_of_one_image() -> bytes:
    """A list as it is written."""
    with folder() as here:
        dataset.write(here / "images.csv", IMAGES)
        return (here / "images.csv").read_bytes()


@given(damaged(list_of_one_image()))
def test_a_list_of_images(content):
    """It is read as it was written, or refused."""
    with folder() as here, contextlib.suppress(DliflowError):
        (here / "images.csv").write_bytes(content)
        assert dataset.read(here / "images.csv") == IMAGES


@given(st.data())
def test_a_journal(data):
    """What it gives after damage is a beginning of what was written, or nothing."""
    with folder() as here:
        with Journal(here / "j", "key", "<i4") as journal:
            journal.add([1, 2, 3])
            journal.sync()
            journal.add([4])
        name = data.draw(st.sampled_from(["state.json", "records.bin"]))
        path = here / "j" / name
        path.write_bytes(data.draw(damaged(path.read_bytes())))
        with contextlib.suppress(DliflowError), Journal(here / "j", "key", "<i4") as journal:
            assert journal.records().tolist() in ([1, 2, 3, 4][:count] for count in range(5))
            assert journal.count == len(journal.records())


# --- What comes from others -------------------------------------------------------------------------------------------


def archive_of(kind: str) -> bytes:
    """A small archive with a folder and two files."""
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("a/b.txt", "one" * 20)
            packed.writestr("c.txt", "two")
    else:
        with tarfile.open(fileobj=stream, mode=f"w:{kind}") as packed:
            for name in ("a/b.txt", "c.txt"):
                member = tarfile.TarInfo(name)
                member.size = 3
                packed.addfile(member, io.BytesIO(b"one"))
    return stream.getvalue()


@pytest.mark.parametrize(("kind", "name"), [("zip", "x.zip"), ("", "x.tar"), ("gz", "x.tar.gz"), ("xz", "x.tar.xz")])
def test_archives(kind, name):
    @given(damaged(archive_of(kind)))
    def tried(content):
        with folder() as here:
            (here / name).write_bytes(content)
            (here / "out").mkdir()
            with contextlib.suppress(DliflowError):
                extract(here / name, here / "out", limits=Limits(files=100, total=10**6))
            assert sorted(path.name for path in here.iterdir()) == sorted([name, "out"])
            assert not any(path.is_symlink() for path in (here / "out").rglob("*"))

    tried()


@cache
def image_of(kind: str) -> bytes:
    """A small picture."""
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[274] = 6
    more = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}
    Image.effect_noise((9, 7), 60).convert("RGB").save(stream, kind, **more)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA"])
def test_images(kind):
    geometry = {"height": 4, "width": 4, "resize": {"short_side": 4}, "interpolation": "bilinear"}

    @given(damaged(image_of(kind)))
    def tried(content):
        with folder() as here:
            (here / "a.png").write_bytes(content)
            with contextlib.suppress(DliflowError, Image.DecompressionBombError):
                image = decode(here / "a.png")
                assert image.mode == "RGB"
                assert preprocess(image, geometry).shape == (4, 4, 3)

    tried()


@given(st.text() | st.binary().map(lambda content: content.decode("utf-8", "surrogateescape")))
def test_what_is_told_obeys_no_terminal(text):
    shown = plain(text)
    assert not OBEYED.search(shown)
    assert plain(shown) == shown
    shown.encode("utf-8")
    assert len(plain(text, 5)) <= LONGEST
