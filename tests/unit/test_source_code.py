"""Code is compared by what it does."""

from __future__ import annotations

import ast

import pytest

from dliflow.study import source_code

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
'''


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
    ],
)
def test_what_decides(old, new):
    assert old in CODE
    assert behaviour(CODE.replace(old, new)) != behaviour(CODE)


def reached(*modules: str) -> set[str]:
    return {str(path.relative_to(source_code.PACKAGE)) for path in source_code.files(*modules)}


def test_what_is_reached():
    files = reached("stages.latency", "frameworks.openvino")
    assert {"measuring/measure.py", "frameworks/openvino.py", "frameworks/__init__.py", "machine/launch.py"} <= files
    assert not {"frameworks/opencv.py", "version.py"} & files


def test_a_measurement_does_not_depend_on_what_people_read():
    assert not [file for file in reached("stages.latency") if file.startswith(("analysis/", "report/", "study/"))]


def test_each_stage_s_code_is_there():
    for path in (source_code.PACKAGE / "stages").glob("[a-z]*.py"):
        assert path in source_code.files(f"stages.{path.stem}")
