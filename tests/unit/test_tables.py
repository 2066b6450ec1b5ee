"""The tables: their columns against what is declared, their figures against the records that they are made of."""

from __future__ import annotations

import argparse
import ast
import csv
import difflib
import json
from pathlib import Path

import numpy as np
import pytest
import records
from project import ROOT

from dliflow.analysis import columns, description, doubts
from dliflow.analysis.tables import accuracy, measurements, performance, shared
from dliflow.errors import DliflowError
from dliflow.records import record
from dliflow.report import read
from dliflow.stages import tables
from dliflow.study import config, plan

STUDY = {
    **{"models": ["m"], "dataset": "few", "frameworks": ["pytorch", "onnxruntime"], "precisions": ["fp32", "int8"]},
    **{"devices": ["cpu"], "node": "local", "latency": {"batch_sizes": [1, 4], "repetitions": 2}},
    **{"compare": {"leaders": 2}, "calibration": {"dataset": "few"}},
}
MODELS = {
    "m": {
        **{"spec": "224px", "format": "pytorch_state_dict", "precision": None, "batch_size": None, "classes": 4},
        "published": {"top1": 71.9, "top5": 91.0, "source": "a paper"},
    }
}
# Columns that are empty where all went well.
OF_WHAT_WENT_WRONG = {"reason", "warnings"}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study in the working directory, whose records are all there; its plan."""
    monkeypatch.chdir(tmp_path)
    study_plan = plan.build(STUDY, MODELS, lambda framework: None)
    records.study(study_plan, np.random.default_rng(0))
    return study_plan


def written(folder) -> dict[str, list[list[str]]]:
    """The cells of every table that the stage writes."""
    parser = argparse.ArgumentParser()
    tables.arguments(parser)
    options = {"study": STUDY, "models": MODELS, "environments": dict.fromkeys(STUDY["frameworks"])}
    tables.run(parser.parse_args([f"--{key}={json.dumps(value)}" for key, value in options.items()]
                                 + [f"--out={folder}"]))  # fmt: skip
    return {path.stem: list(csv.reader(open(path, newline=""))) for path in Path(folder).glob("*.csv")}


def test_each_table_that_is_written_has_exactly_the_declared_columns_and_fills_them(study, tmp_path):
    cells = written(tmp_path / "tables")
    assert set(cells) == set(columns.TABLES) == set(read.Tables._fields)
    for name, (header, *rows) in cells.items():
        assert header == columns.names(name)
        assert rows, name
        empty = {column for column, *values in zip(header, *rows) if not any(values)}
        assert empty <= OF_WHAT_WENT_WRONG, name


def test_no_cell_is_empty_that_is_said_never_to_be(tmp_path, monkeypatch):
    """Neither with records nor without."""
    monkeypatch.chdir(tmp_path)
    study_plan = plan.build(STUDY, MODELS, lambda framework: None)
    for folder in ("without", "with"):
        for name, (_, *rows) in written(folder).items():
            for column, *values in zip(columns.TABLES[name], *rows):
                assert column.empty != "never" or all(values), f"{folder}: {name}.{column.name}"
        records.study(study_plan, np.random.default_rng(0))


def test_the_reader_gives_each_value_as_the_declared_kind(study, tmp_path):
    written(tmp_path / "tables")
    kinds = {columns.TEXT: str, columns.WHOLE: int, columns.NUMBER: float, columns.YES_NO: bool}
    for name, rows in read.tables(tmp_path / "tables")._asdict().items():
        for row in rows:
            for column in columns.TABLES[name]:
                value = row[column.name]
                assert value is None or type(value) is kinds[column.kind], f"{name}.{column.name}: {value!r}"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text.replace("latency_p50_ms", "latency_ms", 1), "its columns are not those of this table"),
        (lambda text: text.replace(",True,", ",maybe,", 1), "inputs_exceed_cache: 'maybe' is no yes or no"),
        (lambda text: text[:-1], "it ends too early"),
        (lambda text: text + "m,pytorch\n", "a line ends too early"),
        (lambda text: "", "not enough values"),
    ],
)
def test_a_table_that_was_edited_is_refused(study, tmp_path, change, told):
    written(tmp_path / "tables")
    path = tmp_path / "tables/measurements.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(DliflowError, match=r"measurements\.csv: empty, half written or edited \(") as error:
        read.table(path)
    assert told in str(error.value)


def test_the_page_of_the_tables_is_made_of_the_declaration():
    page = (ROOT / "docs/tables.md").read_text(encoding="utf-8")
    drift = difflib.unified_diff(page.splitlines(), description.text().splitlines(), "docs/tables.md", "declared")
    told = "\n".join(["write it anew: python -m dliflow.analysis.description > docs/tables.md", *drift])
    assert page == description.text(), told


def test_every_column_stands_on_the_page():
    for name, declared in columns.TABLES.items():
        assert f"<!-- {name} -->" in description.TEXTS.read_text(encoding="utf-8")
        assert [one.name for one in declared if f"`{one.name}`" not in description.text()] == []


@pytest.mark.parametrize("name", columns.TABLES)
def test_a_declaration_is_whole(name):
    declared = columns.TABLES[name]
    assert len({column.name for column in declared}) == len(declared)
    for column in declared:
        assert column.kind in shared.DTYPES and column.kind in read.READ
        assert column.meaning and column.empty, column.name
        assert column.unit or column.kind in (columns.TEXT, columns.YES_NO, columns.WHOLE), column.name


# What the schema of records says of a figure, as a kind of column.
KINDS = {"string": columns.TEXT, "integer": columns.WHOLE, "number": columns.NUMBER, "boolean": columns.YES_NO}
COPIED = {
    "parity": ("parity", tuple(records.parity())),
    "accuracy": ("accuracy", ("images",)),
    "latency": ("measurements", measurements.COPIED),
    "compare": ("comparison", ("stopped_by",)),
}


def schema_of(stage: str) -> dict:
    """What the schema says of the figures of a stage's records."""
    for rule in config.schema("record")["allOf"]:
        asked = rule["if"]["properties"]
        if asked.get("stage") == {"const": stage} and "status" in asked:
            return rule["then"]["properties"]["figures"]["properties"]
    raise KeyError(stage)


@pytest.mark.parametrize("stage", COPIED)
def test_a_figure_of_a_record_is_the_column_of_its_name(stage):
    table, names = COPIED[stage]
    declared = {column.name: column for column in columns.TABLES[table]}
    for name in names:
        schema, column = schema_of(stage)[name], declared[name]
        types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", ["string"])
        assert [KINDS[one] for one in types if one != "null"] == [column.kind], name
        assert "null" not in types or "or" in column.empty, f"{name}: when else is it empty?"
        assert [word for word in schema.get("enum", []) if f"`{word}`" not in column.meaning] == [], name


def test_no_figure_that_a_series_tells_is_stored_by_the_process_that_measures():
    assert not {"interval_ns", "drift", "drift_p"} & set(schema_of("latency"))


def test_what_drifts_is_told_from_the_durations_alone(study):
    rng = np.random.default_rng(1)
    drifting = study["latency"][0]
    identity = {**records.identified(drifting), "threads_in_effect": 2}
    records.write(drifting["record"], "latency", identity, records.latency(rng, drift=0.2), launch=records.LAUNCH)
    rows, processes = measurements.rows(study)
    durations = np.array(record.read(drifting["record"])["figures"]["latency_ns"])
    quarters = np.median(durations[-150:]) / np.median(durations[:150]) - 1
    assert rows[0]["drift"] == pytest.approx(quarters) and quarters > 0.1
    assert rows[0]["drift_p"] < 1e-6 < rows[1]["drift_p"]
    assert 0 < rows[1]["latency_half_width"] < 0.01
    told = performance.rows(rows, processes, [{**row, "status": "ok"} for row in study["parity"]])[0]["warnings"]
    assert "latency drifted inside 1 of 2 processes, by +15%" in told


def test_an_interval_of_fps_is_that_of_the_latency(study):
    rows, processes = measurements.rows(study)
    (row, *_) = performance.rows(rows, processes, [{**one, "status": "ok"} for one in study["parity"]])
    assert row["fps_ci_low"] == pytest.approx(1e3 * row["batch_size"] / row["latency_ci_high_ms"])
    assert row["fps_ci_low"] < row["fps"] < row["fps_ci_high"]


@pytest.mark.parametrize(
    ("change", "low", "high", "needed"),
    [
        (0.0, -0.09, 0.09, 1700),  # the half width must shrink from 9 to 1 points: 81 times 20 images
        (0.02, -0.02, 0.06, 36),
        (-0.0105, -0.09, 0.07, None),  # so near to the bound that hardly any number tells
        (0.0, -0.005, 0.005, None),
        (-0.05, -0.06, -0.04, None),
    ],
)
def test_how_many_images_would_tell(change, low, high, needed):
    assert accuracy.images_needed(change, low, high, 20) == needed
    assert accuracy.undecided(low, high) == ("cannot tell" in accuracy.verdict(low, high, 20))


def imported(path: Path) -> set[str]:
    """Names of what a file imports, with their modules."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_report_computes_no_statistics():
    for path in (ROOT / "workflow/dliflow/report").glob("*.py"):
        names = imported(path)
        assert not {name for name in names if name.startswith(("scipy", "dliflow.analysis.stats"))}, path
        assert "dliflow.analysis.comparison" not in names, path


def test_the_page_names_the_share_from_which_on_a_machine_is_too_busy():
    assert f"from {doubts.BUSY:g} on" in description.text()
