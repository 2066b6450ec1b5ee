"""The tables: their columns against what is declared, their figures against the records that they are made of."""

from __future__ import annotations

import argparse
import ast
import csv
import difflib
import math
from pathlib import Path

import numpy as np
import pytest
import records
from project import ROOT

from dliflow import files
from dliflow.analysis import anchored, columns, comparison, description, doubts, race, state, stats, strain
from dliflow.analysis.comparison import Pair
from dliflow.analysis.tables import accuracy, distributions, measurements, performance, rounds, shared, tuning
from dliflow.analysis.tables import comparison as comparison_table
from dliflow.errors import DliflowError
from dliflow.files import read_json, write_json
from dliflow.records.record import latest
from dliflow.report import read
from dliflow.stages import tables
from dliflow.study import config, paths, plan

STUDY = {
    **{"models": ["m"], "dataset": "few", "frameworks": ["pytorch", "onnxruntime"]},
    **{"apis": ["python"], "precisions": ["fp32", "int8"]},
    **{"devices": ["cpu"], "nodes": ["local"], "latency": {"batch_sizes": [1, 4], "groups": 3}},
    **{"compare": {"leaders": 2}, "calibration": {"dataset": "few"}},
    "throughput": {"in_flight": [1, 2, 4], "batch_sizes": [1, 4], "groups": 3, "p99_ms": 100},
    "agreement": {"dataset": "many"},
    "tune": False,
    "profile": [
        {
            "framework": "onnxruntime",
            "batch_size": 4,
            **dict.fromkeys(("model", "api", "variant", "precision", "device")),
        }
    ],
}
TUNED = {**STUDY, "tune": {"frameworks": ["onnxruntime"], "precisions": None, "batch_sizes": [4]}}
SEVERAL = {**TUNED, "nodes": ["local", "second"]}
MODELS = {
    "m": {
        **{"spec": "224px", "format": "pytorch_state_dict", "precision": None, "batch_size": None, "classes": 4},
        "published": {"top1": 71.9, "top5": 91.0, "source": "a paper"},
    }
}
# Columns that are empty where all went well.
OF_WHAT_WENT_WRONG = {"reason", "warnings", "unlabelled_reason"}


def recorded(config):
    """The plan of a study, whose records are all written into the working directory."""
    study_plan = plan.build(config, MODELS, lambda framework: None, files.digest)
    records.study(study_plan, np.random.default_rng(0))
    return study_plan


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study in the working directory, whose records are all there; its plan."""
    monkeypatch.chdir(tmp_path)
    return recorded(STUDY)


@pytest.fixture
def tuned(tmp_path, monkeypatch):
    """The same of a study in which one framework is tuned and has been upgraded; beside it records of a second node: so
    every table has rows.
    """
    monkeypatch.chdir(tmp_path)
    recorded(SEVERAL)
    records.before(TUNED, MODELS, ["onnxruntime"])
    return recorded(TUNED)


def written(folder) -> dict[str, list[list[str]]]:
    """The cells of every table that the stage writes."""
    parser = argparse.ArgumentParser()
    tables.arguments(parser)
    environments = {name: [None, files.digest(name)] for name in (*STUDY["frameworks"], plan.ANCHOR)}
    given = {"study": SEVERAL, "models": MODELS, "environments": environments, "about": {"config": {"seed": 5}}}
    write_json(Path("study.json"), given)
    tables.run(parser.parse_args(["--study=study.json", f"--out={folder}"]))
    return {path.stem: list(csv.reader(open(path, newline=""))) for path in Path(folder).glob("*.csv")}


def test_each_table_that_is_written_has_exactly_the_declared_columns_and_fills_them(tuned, tmp_path):
    cells = written(tmp_path / "tables")
    assert set(cells) == set(columns.TABLES) == set(read.Tables._fields)
    about = read.about(tmp_path / "tables")
    assert about["config"] == {"seed": 5} and set(about["environments"]) == {*STUDY["frameworks"], plan.ANCHOR}
    for name, (header, *rows) in cells.items():
        assert header == columns.names(name)
        assert rows, name
        empty = {column for column, *values in zip(header, *rows) if not any(values)}
        assert empty <= OF_WHAT_WENT_WRONG, f"{name}: {empty}"


def test_no_cell_is_empty_that_is_said_never_to_be(tmp_path, monkeypatch):
    """Neither with records nor without."""
    monkeypatch.chdir(tmp_path)
    study_plan = plan.build(TUNED, MODELS, lambda framework: None, files.digest)
    for folder in ("without", "with"):
        for name, (_, *rows) in written(folder).items():
            for column, *values in zip(columns.TABLES[name], *rows):
                assert column.empty != "never" or all(values), f"{folder}: {name}.{column.name}"
        records.study(study_plan, np.random.default_rng(0))


def test_the_reader_gives_each_value_as_the_declared_kind(tuned, tmp_path):
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
def test_a_table_that_was_edited_is_refused(tuned, tmp_path, change, told):
    written(tmp_path / "tables")
    path = tmp_path / "tables/measurements.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(DliflowError, match=r"measurements\.csv: empty, half written or edited \(") as error:
        read.table(path)
    assert told in str(error.value)


def test_texts_of_others_are_no_formulas_in_a_spreadsheet(tmp_path):
    texts = ["=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", "'=1", "'a", "a=1", "5.0"]
    shared.frame([{"model": "m", "reason": text} for text in texts], "parity").to_csv(
        tmp_path / "parity.csv", index=False, lineterminator="\n"
    )
    with open(tmp_path / "parity.csv", newline="") as stream:
        cells = [row["reason"] for row in csv.DictReader(stream)]
    assert not [cell for cell in cells if cell.startswith(columns.FORMULA)]
    assert [row["reason"] for row in read.table(tmp_path / "parity.csv")] == texts


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
    "opened": ("measurements", measurements.COPIED),
    "member": ("measurements", ("import_ms", "model_bytes")),
    "session": ("measurements", ("started_at", "wall_ms")),
    "compare": ("comparison", ("stopped_by",)),
}


def schema_of(part: str) -> dict:
    """What the schema says of a part of records, or of the figures of a stage's records."""
    schema = config.schema("record")
    if part in schema["$defs"]:
        return schema["$defs"][part]["properties"]
    for rule in schema["allOf"]:
        asked = rule["if"]["properties"]
        if asked.get("stage") == {"const": part} and "status" in asked:
            return rule["then"]["properties"]["figures"]["properties"]
    raise KeyError(part)


@pytest.mark.parametrize("part", COPIED)
def test_a_figure_of_a_record_is_the_column_of_its_name(part):
    table, names = COPIED[part]
    declared = {column.name: column for column in columns.TABLES[table]}
    for name in names:
        schema, column = schema_of(part)[name], declared[name]
        types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", ["string"])
        assert [KINDS[one] for one in types if one != "null"] == [column.kind], name
        assert "null" not in types or "or" in column.empty, f"{name}: when else is it empty?"
        assert [word for word in schema.get("enum", []) if f"`{word}`" not in column.meaning] == [], name


def test_the_purposes_of_the_schema_stand_in_the_column_of_their_name():
    (column,) = (column for column in columns.COMPARISON if column.name == "purpose")
    purposes = schema_of("compare")["pairs"]["items"]["properties"]["purpose"]["enum"]
    assert [word for word in purposes if f"`{word}`" not in column.meaning] == []


# --- Figures against the records that they are made of ----------------------------------------------------------------


def agreeing(study_plan) -> list[dict]:
    """Rows of parity that say nothing against anything."""
    return [{**row, "status": "ok", "reason": None} for row in study_plan["parity"]]


def of_performance(study_plan) -> list[dict]:
    """The whole table."""
    return performance.rows(measurements.read(study_plan), agreeing(study_plan))


def of_measurements(study_plan) -> list[dict]:
    """The whole table."""
    return [row for measured in measurements.read(study_plan) for row in measured.rows]


def of_sweep(study_plan, row, group=None) -> list[dict]:
    """The groups of a configuration's records, or of one of them."""
    same = [one for one in study_plan["sweep"] if all(one[key] == row[key] for key in columns.MEASURED)]
    numbers = dict.fromkeys(one["group"] for one in same if group in (None, one["group"]))
    paths_of = {one["group"]: one["record"] for one in same}
    return [each for number in numbers for each in read_json(Path(paths_of[number]))["figures"]["groups"]]


def sessions_of(groups, size) -> list[dict]:
    """Those of a batch size."""
    return [one for each in groups for one in each["sessions"] if one["opened"]["measured"]["batch_size"] == size]


def durations_ms(session, name="measured") -> np.ndarray:
    """Of all requests."""
    return np.array([value for one in session["rounds"] for value in one["latency_ns"][name]]) / 1e6


def test_a_row_of_performance_is_what_the_durations_of_its_sessions_tell(study):
    measured = measurements.read(study)
    table = performance.rows(measured, agreeing(study))
    assert len(table) == 2 * 2 * 2
    for row in table:
        durations = [durations_ms(one) for one in sessions_of(of_sweep(study, row), row["batch_size"])]
        assert (row["groups"], row["sessions"], row["requests"]) == (3, 6, 6 * 2 * records.REQUESTS)
        for percent in (90, 95, 99):
            assert row[f"latency_p{percent}_ms"] == pytest.approx(stats.pooled(durations, percent))
        assert row["latency_p90_ms"] < row["latency_p95_ms"] < row["latency_p99_ms"]
        assert row["latency_mean_ms"] == pytest.approx(np.mean([values.mean() for values in durations]))
        assert row["latency_min_ms"] == min(map(np.min, durations))
        assert row["fps"] == pytest.approx(1e3 * row["batch_size"] / row["latency_p50_ms"])
        assert (row["import_ms"], row["load_ms"], row["first_request_ms"]) == (300, 50, 9)
        assert (row["peak_rss_mib"], row["model_bytes"], row["threads_in_effect"]) == (150, 5_000_000, 2)
        assert row["launch"] == "cpus 0-1"


def test_the_figures_at_the_reference_state_are_those_of_the_records_each_counted_once(study):
    measured = measurements.read(study)
    table = performance.rows(measured, agreeing(study))
    bursts = {}
    for row in table:
        (bursts[shared.values(row, columns.MEASURED)],) = anchored.bursts(of_sweep(study, row)).values()
    expected = state.estimates(bursts)
    for row in table:
        estimate = expected[shared.values(row, columns.MEASURED), row["batch_size"]]
        ends = (row["latency_ci_low_ms"], row["latency_ci_high_ms"])
        assert (row["latency_p50_ms"], ends) == (pytest.approx(estimate.latency), pytest.approx(estimate.interval))
        ends = (row["latency_reference_ci_low_ms"], row["latency_reference_ci_high_ms"])
        assert row["latency_reference_ms"] == pytest.approx(estimate.reference)
        assert ends == pytest.approx(estimate.reference_interval)
        assert row["state_slope"] == pytest.approx(estimate.slope) == pytest.approx(1, abs=0.3)
        assert row["reference_anchor_ms"] == pytest.approx(math.exp(anchored.reference_state(bursts.values())[2]))


def test_each_node_has_its_own_reference_state(study):
    """Records of a second node, whose anchor takes twice as long."""
    there = [{**row, "node": "slow", "record": row["record"].replace("local", "slow")} for row in study["sweep"]]
    for row in there:
        found = read_json(Path(row["record"].replace("slow", "local")))
        found["identity"]["node"] = "slow"
        for session in (one for each in found["figures"]["groups"] for one in each["sessions"]):
            session["anchor_ns"] = [[2 * value for value in burst] for burst in session["anchor_ns"]]
        write_json(Path(row["record"]), found)
    measured = measurements.read({"sweep": [*study["sweep"], *there], "tune": []})
    table = performance.rows(measured, agreeing(study))
    here, there = (
        {shared.values(row): row for row in table if row["node"] == node and row["batch_size"] == 1}
        for node in ("local", "slow")
    )
    for key, row in here.items():
        assert there[key]["reference_anchor_ms"] == pytest.approx(2 * row["reference_anchor_ms"])
        assert there[key]["latency_reference_ms"] == pytest.approx(row["latency_reference_ms"])


def test_a_group_beside_an_anchor_of_other_threads_is_told_and_keeps_no_table_from_being_made(study):
    """As after a run that went on with fewer processors."""
    first = study["sweep"][0]
    record = read_json(Path(first["record"]))
    for session in record["figures"]["groups"][0]["sessions"]:
        session["anchor_threads"] = 1
    write_json(Path(first["record"]), record)
    measured = shared.values(first, columns.MEASURED)
    rows = [row for row in of_performance(study) if shared.values(row, columns.MEASURED) == measured]
    assert [row["anchor_threads"] for row in rows] == [2, 2]
    assert all("the anchor was not the same in all groups" in row["warnings"] for row in rows)


def test_tuned_settings_have_their_figures_also_where_nothing_is_left_of_the_sweep(tuned):
    for record in {row["record"] for row in tuned["sweep"]}:
        Path(record).unlink()
    rows = {row["parameters"]: row for row in of_performance(tuned)}
    assert rows["default"]["status"] == "failed"
    assert (rows["tuned"]["status"], rows["tuned"]["latency_reference_ms"] > 0) == ("ok", True)


def test_a_row_of_measurements_is_what_its_session_tells(study):
    rows = of_measurements(study)
    assert len(rows) == 2 * 2 * 3 * 2 * 2
    for planned in study["sweep"]:
        key = (*columns.POINT, "group")
        mine = [row for row in rows if shared.values(row, key) == shared.values(planned, key)]
        groups = of_sweep(study, planned, planned["group"])
        for number, (row, session) in enumerate(zip(mine, sessions_of(groups, planned["batch_size"]), strict=True), 1):
            values = durations_ms(session)
            assert (row["session"], row["requests"], row["rounds"]) == (number, len(values), 2)
            assert row["latency_p50_ms"] == np.median(values)
            assert row["latency_mean_ms"] == pytest.approx(values.mean())
            assert row["latency_mad_ms"] == np.median(np.abs(values - np.median(values)))
            assert (row["latency_min_ms"], row["latency_max_ms"]) == (values.min(), values.max())
            anchors = [np.median(burst) for burst in session["anchor_ns"]]
            assert row["anchor_ms"] == pytest.approx(np.median(anchors) / 1e6)
            assert row["anchor_threads"] == 2
            assert row["anchor"] == "onnxruntime 1.32.0, 2 threads, 000000000000"
            assert (row["warmup_requests"], row["warmup_ms"]) == (5, 30)
            assert (row["group_ms"], row["wall_ms"], row["taken_share"]) == (3000, 400, pytest.approx(0.005))
            assert row["record"] == planned["record"]


def test_a_distribution_counts_every_request_of_its_point(study):
    for row in [row for measured in measurements.read(study) for row in distributions.rows(measured)]:
        sessions = sessions_of(of_sweep(study, row), row["batch_size"])
        durations = np.concatenate([durations_ms(session) for session in sessions])
        counts = [int(count) for count in row["counts"].split()]
        assert sum(counts) + row["beyond"] == row["requests"] == len(durations)
        assert (row["low_ms"], row["latency_max_ms"]) == (durations.min(), durations.max())
        edges = row["low_ms"] + row["bin_ms"] * np.arange(len(counts) + 1)
        assert counts[:-1] == np.histogram(durations, edges)[0].tolist()[:-1]


def test_one_request_that_took_far_longer_does_not_flatten_the_others_in_their_distribution():
    usual = np.linspace(10.0, 12.0, 200)
    row = distributions.binned(np.append(usual, 900.0))
    assert (row["beyond"], row["latency_max_ms"]) == (1, 900.0)
    assert row["low_ms"] + row["bin_ms"] * len(row["counts"].split()) == pytest.approx(12.0)
    assert distributions.binned(np.array([3.0, 3.0, 3.0]))["requests"] == 3  # of no width


def test_an_interval_of_fps_is_that_of_the_latency(study):
    (row, *_) = performance.rows(measurements.read(study), agreeing(study))
    assert row["fps_ci_low"] == pytest.approx(1e3 * row["batch_size"] / row["latency_ci_high_ms"])
    assert row["fps_ci_low"] < row["fps"] < row["fps_ci_high"]


BROKEN = {"batch_size": 4, "skipped": False, "reason": "its process was killed by SIGSEGV"}


def leave_part(row, broken, rng=None):
    """A sweep's record without a batch size, beside the whole one, as one that failed leaves it."""
    Path(row["record"]).unlink()
    part = paths.partial(row["record"])
    records.sweep(row, [1, 4], rng or np.random.default_rng(5), (broken,), part)
    write_json(Path(paths.PARTIALS), {row["record"]: part})
    return part


def test_a_batch_size_that_broke_in_a_group_fails_its_point_which_has_the_figures_of_the_others(study):
    first = study["sweep"][0]
    part = leave_part(first, BROKEN)
    table = {shared.values(row, columns.POINT): row for row in of_performance(study)}
    other, broken = (table[shared.values({**first, "batch_size": size}, columns.POINT)] for size in (1, 4))
    assert (other["status"], other["groups"], other["reason"]) == ("ok", 3, None)
    assert broken["status"] == "failed"
    assert broken["reason"] == "1 of 3 groups: sweep: its process was killed by SIGSEGV"
    assert (broken["groups"], broken["sessions"], broken["requests"]) == (2, 4, 4 * 2 * records.REQUESTS)
    left = [one for number in (2, 3) for one in sessions_of(of_sweep(study, first, number), 4)]
    logs = [np.log([np.median(values) / 1e6 for one in session["rounds"] for values in one["latency_ns"].values()])
            for session in left]  # fmt: skip
    assert broken["latency_p50_ms"] == pytest.approx(np.exp(np.mean([np.median(each) for each in logs])))
    of_part = [row for row in of_measurements(study) if row["record"] == part]
    (row,) = (row for row in of_part if row["batch_size"] == 4)
    assert (row["status"], row["reason"]) == ("failed", "sweep: its process was killed by SIGSEGV")
    assert "session" not in row and "latency_p50_ms" not in row
    assert len(of_part) == 3  # and two sessions of the other batch size


def test_a_batch_size_that_its_process_cannot_run_is_skipped(study):
    first = study["sweep"][0]
    for row in {one["record"]: one for one in study["sweep"] if shared.values(one) == shared.values(first)}.values():
        records.sweep(row, [1, 4], np.random.default_rng(0), ({**BROKEN, "skipped": True, "reason": "too many"},))
    table = performance.rows(measurements.read(study), agreeing(study))
    mine = {row["batch_size"]: row for row in table if shared.values(row) == shared.values(first)}
    assert mine[1]["status"] == "ok"
    assert (mine[4]["status"], mine[4]["reason"]) == ("skipped", "too many")
    assert "latency_p50_ms" not in mine[4]


def test_a_record_of_part_of_a_sweep_is_only_believed_after_the_run_that_left_it(study):
    first = study["sweep"][0]
    leave_part(first, BROKEN)
    Path(paths.PARTIALS).unlink()
    rows = [row for row in of_measurements(study) if row["record"] == first["record"]]
    assert [row["status"] for row in rows] == ["failed"] * 2
    assert "did not run or was killed" in rows[0]["reason"]


def test_figures_of_another_network_are_not_believed(study):
    parity = agreeing(study)
    parity[0] |= {"status": "failed", "reason": "parity: scores differ"}
    table = performance.rows(measurements.read(study), parity)
    assert {row["status"] for row in table if shared.values(row) == shared.values(parity[0])} == {"failed"}
    assert {row["status"] for row in table if shared.values(row) != shared.values(parity[0])} == {"ok"}
    compared = comparison_table.rows(study, parity)
    name = comparison.name({**study["sweep"][0], "parameters": "default"})
    for row in compared:
        assert (row["status"] == "failed") == (name in (row["first"], row["second"])) or row["purpose"] == "batch size"


def test_sessions_that_were_launched_in_different_ways_are_told(study):
    path = Path(study["sweep"][0]["record"])
    found = read_json(path)
    for session in found["figures"]["groups"][0]["sessions"]:
        session["opened"]["measured"]["launch"]["asked"]["priority"] = 3
    found["machine"]["cpu"] = "another CPU"
    write_json(path, found)
    (row, *others) = performance.rows(measurements.read(study), agreeing(study))
    assert "launched in different ways" in row["warnings"] and "different CPU models" in row["warnings"]
    assert [one for one in others if "different" in one["warnings"] and shared.values(one) != shared.values(row)] == []


def test_a_row_of_comparison_is_the_ratio_of_its_pair(study):
    table = comparison_table.rows(study, agreeing(study))
    assert len(table) == 3 + 3 + 1
    for row in table:
        figures = read_json(Path(row["record"]))["figures"]
        pair = comparison.Pair(row["first"], row["second"], row["purpose"])
        sure = comparison.of_verdicts([comparison.Pair(**each) for each in figures["pairs"]])
        ratio = comparison.ratio(figures["groups"], pair, sure)
        assert (row["ratio"], row["verdict"], row["state_slope"]) == (ratio.ratio, ratio.verdict, ratio.slope)
        assert (row["ratio_ci_low"], row["ratio_ci_high"]) == ratio.interval
        assert (row["groups"], row["sessions"], row["rounds"]) == (3, 6, 12)
        assert (row["first_version"], row["first_peak_rss_mib"], row["group_s"]) == ("1.0", 150, 3)
        assert (row["missing"], row["launch"]) == ("gone-python-default-fp32-default", "cpus 0-1")
        assert row["warnings"].startswith("compared without gone-python-default-fp32-default: its process died")
        assert row["groups_needed"] == comparison.groups_needed(figures["groups"], pair, 0.02, sure)


def test_what_was_measured_on_a_machine_far_from_its_best_is_doubtful(study):
    one, compared = shared.values(study["sweep"][0]), study["compare"][0]["record"]
    slowed = {compared, *(row["record"] for row in study["sweep"] if shared.values(row) == one)}
    for path in map(Path, slowed):
        found = read_json(path)
        for session in (one for group in found["figures"]["groups"] for one in group["sessions"]):
            session["anchor_ns"] = [[5 * each for each in burst] for burst in session["anchor_ns"]]
        write_json(path, found)
    measured = list(measurements.read(study))
    sessions = [row for each in measured for row in each.rows]
    bursts = rounds.rows(study)
    best = strain.best_states(bursts, strain.best_states(sessions))
    swept = performance.Swept()
    for each in measured:
        swept.add(each)
    doubt = "DOUBTFUL: the anchor took"
    doubtful = [row for row in swept.rows(agreeing(study), best) if row["warnings"].startswith(doubt)]
    assert {shared.values(row) for row in doubtful} == {one}
    for planned in study["compare"]:
        for row in comparison_table.of_one(planned, latest(planned), {}, best):
            assert row["warnings"].startswith(doubt) == (planned["record"] == compared)


def test_latencies_rest_on_rounds_too(study):
    (table,) = [rows for name, rows in tables.make(study, MODELS) if name == "performance"]
    alone = performance.rows(measurements.read(study), agreeing(study))
    in_rounds = {(comparison.candidate(row["configuration"]), row["batch_size"]) for row in rounds.rows(study)}
    assert in_rounds
    for row, before in zip(table, alone):
        assert {name for name in row if row[name] != before[name]} <= {
            *("latency_reference_ms", "latency_reference_ci_low_ms", "latency_reference_ci_high_ms"),
            *("state_slope", "warnings"),
        }
        moved = abs(row["latency_reference_ms"] / before["latency_reference_ms"] - 1)
        assert moved > 0 if (comparison.name(row), row["batch_size"]) in in_rounds else moved < 0.01


def test_what_rounds_add_is_of_the_same_configuration_batch_size_and_anchor(study):
    swept = performance.Swept()
    for measured in measurements.read(study):
        swept.add(measured)
    one = next(row for row in study["compare"] if row["batch_size"] == 4)
    groups = rounds.undisturbed(one, latest(one))
    swept.add_rounds(one, groups)
    added = swept.in_rounds(swept.bursts["local"])
    assert {comparison.name(dict(zip(columns.MEASURED, key))) for key in added} == set(anchored.bursts(groups))
    assert {level for each in added.values() for level in each.level} == {4}
    sizes = {key: anchored.where(each.level == 1, each) for key, each in swept.bursts["local"].items()}
    others = {key: each._replace(threads=7) for key, each in swept.bursts["local"].items()}
    assert swept.in_rounds(sizes) == swept.in_rounds(others) == {}
    elsewhere = {("another", *key[1:]): each for key, each in swept.bursts["local"].items()}
    assert swept.in_rounds(elsewhere) == {}


def test_rounds_beside_which_the_machine_was_too_busy_add_nothing(study):
    one = study["compare"][0]
    path = Path(one["record"])
    best = strain.best_states(rounds.of_one(one, latest(one)))
    assert rounds.undisturbed(one, latest(one), best)
    record_of = read_json(path)
    for session in (each for group in record_of["figures"]["groups"] for each in group["sessions"]):
        session["anchor_ns"] = [[5 * each for each in burst] for burst in session["anchor_ns"]]
    write_json(path, record_of)
    assert rounds.undisturbed(one, latest(one), best) == []
    path.unlink()
    assert rounds.undisturbed(one, latest(one), best) == []


def test_a_comparison_of_batch_sizes_is_told_by_image(study):
    (row,) = (row for row in comparison_table.rows(study, agreeing(study)) if row["purpose"] == "batch size")
    assert row["batch_size"] is None
    assert (row["first"], row["second"]) == (
        "pytorch-python-default-fp32-default:1",
        "pytorch-python-default-fp32-default:4",
    )
    assert row["ratio"] == pytest.approx(1 / 1.1, rel=0.1)  # not a quarter of it


def test_a_comparison_that_did_not_run_has_one_row_with_the_reason(study):
    Path(study["compare"][0]["record"]).unlink()
    (row, *others) = comparison_table.rows(study, agreeing(study))
    assert (row["status"], row["record"]) == ("failed", study["compare"][0]["record"])
    assert "ratio" not in row
    assert {row["status"] for row in others} == {"ok"}


def test_what_a_comparison_left_without_one_that_failed_is_read(study):
    whole = study["compare"][0]["record"]
    Path(whole).rename(paths.partial(whole))
    write_json(Path(paths.PARTIALS), {whole: paths.partial(whole)})
    (row, *_) = comparison_table.rows(study, agreeing(study))
    assert (row["status"], row["record"]) == ("ok", paths.partial(whole))
    assert paths.partial(whole) in {one["record"] for one in rounds.rows(study)}


def test_each_burst_of_rounds_has_a_row_with_its_own_batch_size(study):
    table = rounds.rows(study)
    assert len(table) == 12 * (4 + 4 + 2)
    sizes = [row for row in table if "_sizes" in row["record"]]
    assert {(row["configuration"], row["batch_size"]) for row in sizes} == {
        ("pytorch-python-default-fp32-default:1", 1),
        ("pytorch-python-default-fp32-default:4", 4),
    }
    session = read_json(Path(sizes[0]["record"]))["figures"]["groups"][0]["sessions"][0]
    for place, row in enumerate(sizes[:4]):
        assert (row["group"], row["session"], row["round"], row["turn"]) == (1, 1, place // 2 + 1, place % 2 + 1)
        round_ = session["rounds"][place // 2]
        assert row["configuration"] == round_["order"][place % 2]
        assert row["latency_p50_ms"] == pytest.approx(np.median(round_["latency_ns"][row["configuration"]]) / 1e6)
        flanks = [np.median(burst) / 1e6 for burst in session["anchor_ns"][place : place + 2]]
        assert row["anchor_ms"] == pytest.approx(math.sqrt(flanks[0] * flanks[1]))
        assert row["started_at"] == session["started_at"]


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
    loss = accuracy.Loss(change, low, high, 20)
    assert loss.images_needed == needed
    assert loss.undecided == ("cannot tell" in loss.verdict)


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


# --- Tuned launch settings --------------------------------------------------------------------------------------------


def test_settings_shown_to_be_faster_have_a_row_of_the_groups_that_did_not_choose_them(tuned):
    before = of_performance({**tuned, "tune": []})
    table = of_performance(tuned)
    default, of_tuned = ([row for row in table if row["parameters"] == each] for each in ("default", "tuned"))
    assert [row["latency_reference_ms"] for row in default] == pytest.approx(
        [row["latency_reference_ms"] for row in before], rel=0.02
    )  # estimates share what is pooled, and nothing else
    assert {row["reference_anchor_ms"] for row in table} == {row["reference_anchor_ms"] for row in before}
    assert [(row["framework"], row["precision"], row["batch_size"]) for row in of_tuned] == [
        ("onnxruntime", "fp32", 4),
        ("onnxruntime", "int8", 4),
    ]
    assert {row["settings"] for row in default} == {"{}"}
    assert {row.get("tuned_ratio") for row in default} == {None}
    for row in of_tuned:
        figures = next(one for one in map(tune_record, tuned["tune"]) if one["precision"] == row["precision"])[
            "figures"
        ]
        ratio = comparison.ratio(figures["confirm"], Pair("tuned", "default", ""))
        assert row["tuned_ratio"] == ratio.ratio == pytest.approx(0.8, rel=0.1)
        assert (row["tuned_ratio_ci_low"], row["tuned_ratio_ci_high"]) == ratio.interval
        assert row["settings"] == '{"threads": 1}'
        assert (row["groups"], row["sessions"]) == (4, 8)
        assert row["latency_p50_ms"] == pytest.approx(4.0 * math.exp(0.1), rel=0.15)


def tune_record(row):
    found = read_json(Path(row["record"]))
    return {"precision": row["precision"], "figures": found["figures"]}


def test_settings_that_are_not_shown_to_be_faster_have_no_row(tuned):
    for row in tuned["tune"]:
        records.tune(row, np.random.default_rng(0), gain=1.0)
    assert {row["parameters"] for row in of_performance(tuned)} == {"default"}
    assert {row["outcome"] for row in tuning.rows(tuned, agreeing(tuned))} == {"default", "not confirmed", "slower"}


def test_every_candidate_of_a_race_has_a_row_with_its_own_figure_apart_from_the_gain(tuned):
    table = tuning.rows(tuned, agreeing(tuned))
    assert [row["candidate"] for row in table] == ["default", "threads=1", "threads=2"] * 2
    default, chosen, slower = table[:3]
    assert [row["outcome"] for row in table[:3]] == ["default", "chosen", "slower"]
    figures = tune_record(tuned["tune"][0])["figures"]
    assert chosen["race_ratio"] == race.ratio(race.figures(figures["race"], "threads=1"))[0]
    assert chosen["ratio"] == comparison.ratio(figures["confirm"], race.PAIR).ratio != chosen["race_ratio"]
    assert slower["race_ratio"] == pytest.approx(1.8, rel=0.1) and slower.get("ratio") is None
    assert slower["why"].startswith("took 1.8 times as long")
    assert default["race_ratio"] is None and default["settings"] == "{}"
    assert {(row["tried"], row["valid"]) for row in table} == {(3, 30)}


def test_what_a_confirmation_says_on_a_busy_machine_is_doubtful(tuned):
    assert {row.get("warnings") or "" for row in tuning.rows(tuned, agreeing(tuned))} == {""}
    for planned in tuned["tune"]:
        found = read_json(Path(planned["record"]))
        for group in found["figures"]["confirm"]:
            group["disturbance"]["others_cpu_s"] = 1.8 * group["disturbance"]["wall_s"]  # of two processors
        records.write(planned["record"], "tune", found["identity"], found["figures"])
    default, chosen, slower = (row.get("warnings") for row in tuning.rows(tuned, agreeing(tuned))[:3])
    assert chosen.startswith("DOUBTFUL: other processes took 90 %") and not default and not slower


def test_a_race_that_failed_and_one_of_other_scores_say_so(tuned):
    first = tuned["tune"][0]
    Path(first["record"]).unlink()
    row, *_ = tuning.rows(tuned, agreeing(tuned))
    assert (row["status"], row.get("candidate")) == ("failed", None)
    wrong = [{**row, "status": "failed", "reason": "other scores"} for row in agreeing(tuned)]
    assert {row["status"] for row in tuning.rows(tuned, wrong)} == {"failed"}
    assert {row["status"] for row in performance.rows(measurements.read(tuned), wrong)} == {"failed"}
