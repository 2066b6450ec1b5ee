"""YAML that people write: what is wrong is told with file and line."""

from __future__ import annotations

import pytest

from dliflow.errors import DliflowError
from dliflow.study import config, environments, yaml_files


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; right would be lines of 'key: value'"),
        ("# nothing\n---\n", "is empty"),
        ("- a\n", "line 1: holds a list; right would be"),
        ("null", "is empty"),
        ("only a text", "line 1: holds a text"),
        ("a: 1\nb:\n\t- c\n", r"line 3, column 1: not valid YAML: .*; indent with blanks, not with tabs"),
        ("a: 1\nb: c: d\n", "line 2, column 5: not valid YAML: mapping values are not allowed here"),
        ("a: 1\nb: [\n", "line 3, column 1: not valid YAML: "),
        ("a: 1\nb: 'c\nd: e\n", r"line 4, column 1: not valid YAML: .* that begins in line 2"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: not valid YAML: but found another document"),
        ("a: 1\nb: \x07\n", "line 2: not valid YAML: special characters"),
        ("a: 1\nb: !!python/object:os.system x\n", "line 2, column 4: not valid YAML: could not determine"),
        ("a: 2026-99-99", "not valid YAML: month must be in"),
        ("[" * 5000, "not valid YAML: "),
        ("a: 1\nb: 2\na: 3\nb: 4\n", "twice.*\n  line 3: 'a' stands in line 1 already\n  line 4: 'b' stands in line 2"),
        ("a:\n  - {b: 1, c: 2, b: 3}\n", "twice.*\n  line 2: 'b' stands in line 2 already"),
        ('{"a": {"b": 1,\n\t"b": 2}}', "the key 'b' stands twice"),
    ],
)
def test_what_is_wrong_is_told_with_the_line(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(DliflowError, match=rf"mine\.yaml: (.*){message}"):
        yaml_files.mapping(path)


STUDY = {"models": ["m"], "dataset": "d", "frameworks": ["null"], "precisions": ["fp32"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1: a", r"\(top level\): the key 1 is no text; write it in quotes"),
        ("null: a", r"\(top level\): the key None is no text"),
        ("parity: {tolerance: {fp32: .nan}}", r"parity\.tolerance\.fp32: nan is no number that can be meant here"),
        ("parity: {tolerance: {fp32: .inf}}", r"parity\.tolerance\.fp32: inf is no number"),
        ("options: {null: {2: 1}}", r"options: the key None is no text"),
        ("node: 2026-01-02", r"nodes\[0\]: datetime\.date\(2026, 1, 2\) is neither a text nor a number"),
        ('node: "a\\n"', r"nodes\[0\]: 'a\\n': .* Right would be: a name for a machine"),
        ("node: &a [*a]", r"nodes\[0\]\[0\]: is nested without end"),
    ],
)
def test_what_yaml_can_say_and_no_config_means(tmp_path, text, message):
    """Seen: tracebacks for such keys, and parity without a bound for `.nan`."""
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(DliflowError, match=rf"mine\.yaml: {message}"):
        config.study({**STUDY, **yaml_files.mapping(tmp_path / "mine.yaml")}, "mine.yaml")


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(DliflowError, match=r"a\.yaml: line 2: is no text in UTF-8"):
        yaml_files.mapping(tmp_path / "a.yaml")
    with pytest.raises(DliflowError, match=r"gone\.yaml: cannot be read"):
        yaml_files.mapping(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa: 1\nb: {c: 2}\n",
        '{"a": 1,\n\t"b": {"c": 2}}',
        "{a: 1, b: {c: 2}}",
        "a: 1\nb: &x\n  <<: {c: 1}\n  c: 2\n",
    ],
)
def test_what_is_right_is_read(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    assert yaml_files.mapping(tmp_path / "a.yaml") == {"a": 1, "b": {"c": 2}}


def test_aliases(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &x {c: 1}\nb: *x\nd: &y [*y]\n")
    assert yaml_files.mapping(tmp_path / "a.yaml")["b"] == {"c": 1}


def test_registries_and_environments_are_read_so(tmp_path):
    (tmp_path / "mine.yaml").write_text("")
    with pytest.raises(DliflowError, match=r"mine\.yaml: is empty"):
        config.registered(tmp_path, "model", "mine", "config.yaml", "models[0]")
    with pytest.raises(DliflowError, match=r"mine\.yaml: is empty"):
        environments.read(tmp_path / "mine.yaml")
    with pytest.raises(DliflowError) as caught:
        config.readable([tmp_path / "mine.yaml", tmp_path / "mine.yaml", tmp_path / "none.yaml"])
    assert len(str(caught.value).splitlines()) == 1


def test_the_command_line_is_read_as_a_file_would_be():
    given = {
        "in_flight": ["1", "2"],
        "burst_s": "0.5",
        "p99_ms": "null",
        "pinned": "true",
        "name": "",
        "at": "2026-11-26",
    }
    read = {"in_flight": [1, 2], "burst_s": 0.5, "p99_ms": None, "pinned": True, "name": "", "at": "2026-11-26"}
    assert yaml_files.typed({"throughput": given, "threads": 4}) == {"throughput": read, "threads": 4}
    assert yaml_files.typed(["openvino@2025.3", "a: b", "[1"]) == ["openvino@2025.3", "a: b", "[1"]
