"""Code is compared by what it does."""

from __future__ import annotations

import ast
import os
import shutil
from pathlib import Path

import pytest

from dliflow import frameworks
from dliflow.study import paths, source_code

CODE = '''
"""A module."""
from dliflow.errors import DliflowError, Skip

LIMIT = 3  # of something

def run(x: int) -> int:
    """Do it."""
    if x > LIMIT:
        raise DliflowError(f"{x} is too much")
    if x < 0:
        raise Skip("below zero")
    return x + 1

class Point(NamedTuple):
    x: float
    y: float
'''


# As the rules name them.
MEASURING = ("stages.sweep", "stages.worker", "stages.anchor")


def behaviour(text: str):
    return source_code.behaviour(ast.parse(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another word for it."""'),
        ('    """Do it."""\n', ""),
        ("# of something", "# of something else"),
        ('f"{x} is too much"', 'f"{x} is more than {LIMIT}; take less"'),
        ("x: int) -> int", "x)"),
        ("x: float", "x: int"),
        ("LIMIT = 3", "LIMIT = (3)"),
    ],
)
def test_what_decides_nothing(old, new):
    assert old in CODE
    assert behaviour(CODE.replace(old, new)) == behaviour(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("x > LIMIT", "x >= LIMIT"),
        ("raise DliflowError", "raise ValueError"),
        ('Skip("below zero")', 'Skip("negative")'),  # it becomes a row's reason
        ("return x + 1", "return x"),
        ("x: float\n    y: float", "y: float\n    x: float"),  # its arguments
        ("y: float", "why: float"),  # a key of its `_asdict`
    ],
)
def test_what_decides(old, new):
    assert old in CODE
    assert behaviour(CODE.replace(old, new)) != behaviour(CODE)


def reached(*modules: str) -> set[str]:
    return {str(path.relative_to(source_code.PACKAGE)) for path in source_code.files(*modules)}


def test_what_is_reached():
    files = reached(*MEASURING, "frameworks.openvino")
    assert {"measuring/measure.py", "frameworks/openvino.py", "frameworks/__init__.py", "machine/launch.py"} <= files
    assert not {"frameworks/opencv.py", "version.py"} & files


def test_a_measurement_does_not_depend_on_what_people_read_nor_on_what_plans_it():
    files = [file for file in reached(*MEASURING) if file.startswith(("analysis/", "report/", "study/", "fetching/"))]
    assert set(files) == {f"study/{name}.py" for name in ("__init__", "arguments", "paths", "source_code")}


@pytest.mark.parametrize("framework", frameworks.names())
@pytest.mark.parametrize("stage", ["sweep", "worker", "anchor", "parity", "accuracy"])
def test_a_measurement_does_not_depend_on_what_made_the_model(stage, framework):
    files = reached(f"stages.{stage}", f"frameworks.{framework}")
    assert f"frameworks/{framework}.py" in files
    assert not [file for file in files if file.startswith(("conversion/", "interchange/", "sources/"))]


def test_a_comparison_does_not_depend_on_what_made_the_models():
    files = reached("stages.rounds", *MEASURING[1:], *(f"frameworks.{x}" for x in frameworks.names()))
    makers = {file for file in files if file.startswith(("conversion/", "interchange/", "sources/"))}
    assert makers <= {"conversion/__init__.py", "sources/__init__.py"}  # the plan asks them for names only


@pytest.mark.parametrize("framework", frameworks.names())
def test_a_conversion_does_not_depend_on_what_runs_the_model(framework):
    files = reached("stages.convert", f"conversion.{framework}")
    assert f"conversion/{framework}.py" in files
    assert not [file for file in files if file.startswith(("frameworks/", "measuring/")) and "/shared/" not in file]


def forget():
    """All that is remembered of files."""
    for function in vars(source_code).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty one in place of dliflow; what is remembered of its modules is no other test's, before and after."""
    forget()
    (tmp_path / "dliflow").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(source_code, "PACKAGE", tmp_path / "dliflow")
    yield tmp_path / "dliflow"
    forget()


def test_of_an_imported_constant_the_value_counts(package):
    runs = 'MODEL = "model.onnx"\nTWICE = 1\nTWICE = 2\nLIST = [1]\ndef load():\n    return 1\n'
    (package / "makes.py").write_text("from dliflow.runs import MODEL\n")

    def digest(text):
        (package / "runs.py").write_text(text)
        forget()
        return source_code.digest("makes")

    before = digest(runs)
    assert digest(runs.replace("return 1", "return 2")) == before
    assert digest(runs.replace("model.onnx", "model.pb")) != before
    for name in ("load", "TWICE", "LIST"):  # no constants: all of the module counts
        (package / "makes.py").write_text(f"from dliflow.runs import MODEL, {name}\n")
        assert digest(runs) != digest(runs.replace("return 1", "return 2"))


@pytest.fixture
def noted(package, monkeypatch):
    """The same with two modules, of which a run has written down what it learned; no process reads them again."""
    (package / "runs.py").write_text("from dliflow.helps import load\n")
    (package / "helps.py").write_text("def load():\n    return 1\n")
    monkeypatch.setattr(source_code, "SETTLED_NS", -(10**12))
    before = source_code.digest("runs")
    source_code.note()
    forget()
    read = []
    parse = ast.parse
    # pytest parses, too, to tell of a test that failed.
    monkeypatch.setattr(source_code.ast, "parse", lambda text, *others: read.append(text) or parse(text, *others))
    return package, before, read


def test_what_a_run_has_learned_of_the_files_counts_for_its_jobs(noted):
    _, before, read = noted
    assert source_code.digest("runs") == before and not read
    source_code.note()
    assert not read


@pytest.mark.parametrize("change", ["text", "touched", "replaced", "added"])
def test_as_soon_as_a_file_was_touched_all_are_read(noted, change):
    """A record must say by which code it was made, and files may change while a run goes on."""
    package, before, read = noted
    file = package / "helps.py"
    text, stat = file.read_text(), file.stat()
    if change == "text":  # as long as before, and with the date that it had
        file.write_text(text.replace("1", "2"))
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "touched":
        os.utime(file)
    elif change == "replaced":
        shutil.copy2(file, package / "copy")
        (package / "copy").replace(file)
    else:
        (package / "more.py").write_text("")
    assert (source_code.digest("runs") == before) == (change != "text")
    assert len(read) == 2


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"state": 1}'])
def test_a_note_that_is_damaged_counts_for_nothing(noted, content):
    _, before, read = noted
    assert Path(paths.CODE).exists()
    Path(paths.CODE).write_text(content)
    assert source_code.digest("runs") == before and len(read) == 2


def test_of_a_file_that_was_changed_just_now_nothing_is_noted(package):
    (package / "runs.py").write_text("")
    source_code.note()
    assert not Path(paths.CODE).exists()


def test_the_rules_name_all_that_measures():
    rules = (source_code.PACKAGE.parent / "rules/common.smk").read_text()
    assert f"MEASURED_BY = {MEASURING}".replace("'", '"') in rules


def test_each_stage_s_code_is_there():
    for path in (source_code.PACKAGE / "stages").glob("[a-z]*.py"):
        assert path in source_code.files(f"stages.{path.stem}")
