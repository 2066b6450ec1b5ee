"""What `./dliflow compare` sets against each other, and what it tells; records of studies that no framework ran."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import records

from dliflow import files
from dliflow.analysis import gate
from dliflow.commands import compare
from dliflow.errors import DliflowError
from dliflow.files import read_json, write_json
from dliflow.records import pairs, runnable
from dliflow.report import gate as texts
from dliflow.study import arguments as command_line
from dliflow.study import paths, plan

STUDY = {
    **{"models": ["m"], "dataset": "few", "frameworks": ["onnxruntime", "openvino"]},
    **{"apis": ["python"], "precisions": ["fp32"]},
    **{"devices": ["cpu"], "nodes": ["local"], "latency": {"batch_sizes": [1, 4], "groups": 1}},
    **{"compare": {"leaders": 0}, "calibration": {"dataset": "few"}, "agreement": {"dataset": None}},
    **{"profile": [], "tune": False, "throughput": {"in_flight": [], "batch_sizes": [1], "groups": 1, "p99_ms": None}},
}
MODEL = {"spec": "224px", "format": "onnx", "precision": None, "batch_size": None, "classes": 4, "published": None}
LAUNCH = {"cpus": None, "numa_node": None, "priority": None, "environment": {}}
INPUT = {"height": 224, "width": 224, "layout": "NCHW"}
CHOSEN = dict.fromkeys((*plan.IDENTITY, "batch_size"))


def swept_by(folder, version="1.0", day=1, digests=files.digest, **changed):
    """Add the records of a version to a study, with all that they name.

    Args:
        day: of January on which it was measured.
        changed: options of the command that are to be other ones.
    """
    planned = plan.build(STUDY, {"m": MODEL}, lambda name: None, digests)
    for row in planned["parity"]:
        records.write(str(folder / row["record"]), "parity", records.identified(row), records.parity())
    for row in planned["sweep"]:
        path = folder / row["record"]
        records.sweep(row, [1, 4], np.random.default_rng(0), path=str(path))
        told = {key: row[key] for key in (*plan.IDENTITY, "parameters")}
        options = {
            **told,
            **{"scores": 4, "options": {}, "launch": LAUNCH, "converted": f"results/models/{row['framework']}.json"},
            **{"array": "results/data/few.json", "input": INPUT, "rounds": 2, "burst_requests": 9, "hang": 60},
            **{"warmup_requests": 2, "warmup_limit": 0.1, "anchor": "results/anchor/network.json", "seed": 0},
            **{"anchor_python": "results/envs/anchor/bin/python", "out": row["record"], "group": 1, "sessions": 1},
            **{"python": f"results/envs/{row['framework']}-{version}/bin/python", **changed},
        }
        known = read_json(path)
        known["command"] = ["python3", "-m", "dliflow", "sweep", *command_line.words(**options)]
        known["identity"]["framework_version"] = version
        known["finished_at"] = f"2026-01-{day:02}T00:00:00+00:00"
        write_json(path, known)
        for key in ("python", "anchor_python"):
            python = folder / options[key]
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text("")
            python.chmod(0o755)
        write_json(folder / options["converted"], {"status": "ok", "files": {"m": {"sha256": version}}})
        write_json(folder / options["array"], {"images": 4})
        write_json(folder / options["anchor"], {"sha256": "0"})
    return folder


@pytest.fixture
def before(tmp_path):
    return swept_by(tmp_path / "before")


@pytest.fixture
def after(tmp_path):
    return swept_by(tmp_path / "after", "2.0")


def matched(before, after, study=Path(), **chosen):
    sides = [pairs.side(str(text), study) for text in (before, after)]
    return pairs.matched(*sides, {**CHOSEN, **chosen})


def test_two_studies_are_matched_row_by_row(before, after):
    known = matched(before, after)
    assert [pair.name for pair in known.pairs] == ["m onnxruntime fp32 cpu", "m openvino fp32 cpu"]
    assert [pair.batch_sizes for pair in known.pairs] == [[1, 4], [1, 4]]
    assert [(pair.before.version, pair.after.version) for pair in known.pairs] == [("1.0", "2.0")] * 2
    assert [pair.problem for pair in known.pairs] == [None, None]
    assert known.only_before == known.only_after == []


def test_a_worker_is_told_what_it_was_told_then_with_files_named_from_everywhere(before, after):
    pair = matched(before, after).pairs[1]
    assert pair.before.held["converted"] == str(before / "results/models/openvino.json")
    assert pair.before.python == str(before / "results/envs/openvino-1.0/bin/python")
    assert pair.after.fed["array"] == str(after / "results/data/few.json")
    assert {key: pair.after.held[key] for key in ("framework", "scores", "launch", "threads")} == {
        **{"framework": "openvino", "scores": 4, "launch": LAUNCH, "threads": None}
    }


def test_rows_are_chosen_by_what_tells_them_apart(before, after):
    known = matched(before, after, framework=["openvino"], batch_size=[4])
    assert [(pair.name, pair.batch_sizes) for pair in known.pairs] == [("m openvino fp32 cpu", [4])]
    assert known.only_before == []
    assert matched(before, after, precision=["int8"]).pairs == []


def test_rows_that_one_side_lacks_are_told(before, after):
    for record in after.glob("results/sweep/local/m/openvino-*/*.json"):
        record.unlink()
    known = matched(before, after)
    assert [pair.name for pair in known.pairs] == ["m onnxruntime fp32 cpu"]
    assert known.only_before == ["m openvino fp32 cpu, batch size 1", "m openvino fp32 cpu, batch size 4"]
    assert known.only_after == []


def test_frameworks_of_a_study_are_set_against_each_other(before):
    (pair,) = matched("onnxruntime", "openvino", before).pairs
    assert pair.name == "m fp32 cpu"
    assert (pair.before.identity["framework"], pair.after.identity["framework"]) == ("onnxruntime", "openvino")
    assert runnable.differences(pair.before, pair.after) == ["framework onnxruntime → openvino"]


def test_the_version_before_an_upgrade_in_place_meets_todays(before):
    swept_by(before, "2.0", day=2, digests=lambda name: files.digest([name, 2]))
    pair = matched("openvino==1.0", "openvino", before).pairs[0]
    assert (pair.before.version, pair.after.version) == ("1.0", "2.0")
    assert runnable.differences(pair.before, pair.after) == ["version 1.0 → 2.0"]  # of the model only the last is left


def test_todays_version_is_that_of_the_environment_file(before):
    """Not the one measured last: after a downgrade nothing is measured again."""
    pins = "dependencies: [python=3.11, pip, pip: [openvino=={}]]\n"
    (before / "envs").mkdir()
    of_old = before / "envs/openvino.yaml"
    of_old.write_text(pins.format("1.0"))
    digest = runnable.environments.digest(of_old)
    swept_by(before, "1.0", day=1, digests=lambda name: digest)
    swept_by(before, "2.0", day=2, digests=lambda name: "2" * 12)
    (pair,) = matched("openvino", "openvino", before).pairs
    assert (pair.after.version, pair.problem) == ("1.0", None)
    of_old.write_text(pins.format("3.0"))
    (pair,) = matched("openvino", "openvino", before).pairs
    assert "envs/openvino.yaml has changed since; run the study in" in pair.problem


@pytest.mark.parametrize(
    ("output", "stage"),
    [
        ("sweep/local/m/openvino-python-default-fp32-cpu-default-{}/group1", "sweep"),
        ("models/m/openvino-fp32-{}", "convert"),
        ("envs/openvino-{}/environment", "environment"),
    ],
)
def test_an_upgrade_that_failed_tells_why_and_not_to_run_it_again(before, output, stage):
    pins = before / "envs/openvino.yaml"
    pins.parent.mkdir()
    pins.write_text("dependencies: [python=3.11, pip, pip: [openvino==2.0]]\n")
    new, old = runnable.environments.digest(pins), files.digest("openvino")
    places = {name: f"results/{name}".format(old) for name in ("models/m/openvino-fp32-{}.json", "envs/openvino-{}")}
    converted, environment = places.values()
    swept_by(before, "1.0", digests=files.digest, converted=converted, python=f"{environment}/bin/python")
    note = before / f"results/logs/{output.format(new)}.json.failed.json"
    assert "has changed since" in matched("openvino", "openvino", before).pairs[0].problem
    write_json(note, {"stage": stage, "reason": "it broke"})
    problem = matched("openvino", "openvino", before).pairs[0].problem
    assert f"envs/openvino.yaml as it is now nothing was measured: {stage}: it broke; mend that and run" in problem


def test_an_upgrade_that_was_skipped_tells_why(before):
    (before / "envs").mkdir()
    pins = before / "envs/openvino.yaml"
    pins.write_text("dependencies: [python=3.11, pip, pip: [openvino==2.0]]\n")
    (old,) = before.glob("results/sweep/local/m/openvino-*")
    new = old.with_name(f"{old.name.rpartition('-')[0]}-{runnable.environments.digest(pins)}")
    known = {**read_json(old / "group1.json"), "status": "skipped", "reason": "no kernel here", "figures": None}
    write_json(new / "group1.json", known)
    problem = matched("openvino", "openvino", before).pairs[0].problem
    assert "nothing was measured: it was skipped: no kernel here; mend that" in problem


@pytest.mark.parametrize(
    ("lost", "what"),
    [
        ("before/results/envs/openvino-1.0/bin/python", "before: its environment cannot be found"),
        ("after/results/envs/openvino-2.0/bin/python", "after: its environment cannot be found"),
        ("before/results/models/openvino.json", "before: its converted model cannot be found"),
        ("after/results/data/few.json", "after: what is prepared of the images cannot be found"),
        ("after/results/anchor/network.json", "after: the anchor's network cannot be found"),
    ],
)
def test_what_is_gone_is_told_with_what_to_do(before, after, lost, what):
    (before.parent / lost).unlink()
    problem = matched(before, after, framework=["openvino"]).pairs[0].problem
    assert problem.startswith(what)
    assert problem.endswith(f"run the study in {before.parent / lost.partition('/')[0]} again")


@pytest.mark.parametrize("side", ["before", "after"])
def test_what_failed_parity_is_not_measured(before, after, side):
    """Seen: a new version that computed other scores, and faster, passed."""
    (of_parity,) = (before.parent / side).glob("results/parity/m/openvino-*.json")
    of_parity.unlink()
    (pair,) = matched(before, after, framework=["openvino"]).pairs
    assert pair.problem.startswith(f"{side}: it has no parity with its source: the job did not run")
    assert pair.problem.endswith(f"run the study in {before.parent / side} again")
    note = before.parent / side / f"results/logs/parity/m/{of_parity.name}.failed.json"
    write_json(note, {"stage": "parity", "reason": "m is not the same network as its reference"})
    assert ": parity: m is not the same network as its reference; mend that" in pair.problem
    assert matched(before, after, framework=["onnxruntime"]).pairs[0].problem is None


def test_what_skipped_parity_is_not_measured(before, after):
    (of_parity,) = after.glob("results/parity/m/openvino-*.json")
    write_json(of_parity, {**read_json(of_parity), "status": "skipped", "reason": "no kernel here", "figures": None})
    (pair,) = matched(before, after, framework=["openvino"]).pairs
    assert "after: it has no parity with its source: it was skipped: no kernel here; mend that" in pair.problem


def test_without_the_references_scores_nothing_is_known_to_be_the_same_network(before, after):
    for of_parity in after.glob("results/parity/m/*.json"):
        of_parity.unlink()
    write_json(after / "results/logs/models/m/reference.json.failed.json", {"stage": "reference", "reason": "it broke"})
    assert all("reference: it broke; mend that" in pair.problem for pair in matched(before, after).pairs)


def test_what_cannot_be_given_to_both_is_not_measured(before, tmp_path):
    smaller = swept_by(tmp_path / "smaller", "2.0", input={**INPUT, "height": 192})
    assert "other inputs" in matched(before, smaller).pairs[0].problem
    pinned = swept_by(tmp_path / "pinned", "2.0", launch={**LAUNCH, "cpus": "0"})
    assert "'launch'" in matched(before, pinned).pairs[0].problem


def test_what_was_launched_in_another_way_than_the_first_is_not_measured_like_it(before, after, monkeypatch, capsys):
    """Seen: a row that had been pinned to processors was measured on all of them, since another one stood before it."""
    for record in (path for side in (before, after) for path in side.glob("results/sweep/local/m/openvino-*/*.json")):
        known = read_json(record)
        (place,) = (number for number, word in enumerate(known["command"]) if word == "--launch")
        known["command"][place + 1] = json.dumps({**LAUNCH, "cpus": "0"})
        write_json(record, known)
    monkeypatch.setattr(compare, "measure", measured_as(gate.PASSED))
    assert compare.run(asked(before, after)) == 5
    output = capsys.readouterr().out
    assert (
        "was launched in another way than m onnxruntime fp32 cpu, which is measured; compare each by itself" in output
    )
    assert compare.run(asked(before, after, "--framework", "openvino")) == 0


def test_what_differs_is_told(before, tmp_path):
    other = swept_by(tmp_path / "other", "1.0", threads=3, options={"hint": "LATENCY"})
    manifest = other / "results/models/openvino.json"
    write_json(manifest, {"status": "ok", "files": {"m": {"sha256": "another"}}})
    pair = matched(before, other, framework=["openvino"]).pairs[0]
    told = ["threads None → 3", "options {} → {'hint': 'LATENCY'}", "converted model"]
    assert runnable.differences(pair.before, pair.after) == told
    assert runnable.differences(pair.before, pair.before) == []


@pytest.mark.parametrize("text", ["no/such/folder", "Openvino", "openvino=1"])
def test_what_stands_for_nothing_is_an_error_of_use(text, before):
    with pytest.raises(DliflowError, match="there is no such folder; right would be"):
        pairs.side(text, before)


def test_a_study_is_not_set_against_a_framework(before):
    with pytest.raises(DliflowError, match="two folders, or two frameworks"):
        matched(before, "openvino", before)


def test_a_version_that_was_never_measured_is_told_with_those_that_were(before):
    problem = pairs.side("openvino==9.9", before).problem
    assert "but of onnxruntime==1.0, openvino==1.0" in problem


def test_where_no_study_has_been_run_that_is_told(tmp_path):
    problem = pairs.side("openvino", tmp_path).problem
    none_run = f"no study that this version of dliflow can read has been run in {tmp_path}; run the study"
    assert problem == f"openvino: there is no such folder, and {none_run}"


def test_a_record_of_another_version_of_dliflow_counts_as_none(before, after):
    (record,) = before.glob("results/sweep/local/m/openvino-*/*.json")
    write_json(record, {**read_json(record), "schema": 0})
    assert matched(before, after).only_after == [f"m openvino fp32 cpu, batch size {size}" for size in (1, 4)]


# --- The command ------------------------------------------------------------------------------------------------------


def measured_as(*verdicts, ratio=1.0, warnings=()):
    """Stands for the process that measures: it gives rows these verdicts, in turn."""

    def measure(able, args):
        rows = [(pair.name, size) for pair in able for size in pair.batch_sizes]
        figures = {"ratio": ratio, "ratio_ci_low": ratio - 0.01, "ratio_ci_high": ratio + 0.01}
        return {
            "rows": [
                {
                    **{"name": name, "batch_size": size, "verdict": verdict, "reason": "", "warnings": list(warnings)},
                    "measurements": [{**figures, "verdict": verdict, "groups": 6, "wall_s": 9.0, "more_s": 30.0}],
                }
                for (name, size), verdict in zip(rows, verdicts * len(rows))
            ]
        }

    return measure


def asked(*words):
    parser = argparse.ArgumentParser()
    compare.arguments(parser)
    return parser.parse_args([*map(str, words), "--slower", "3%"])


@pytest.mark.parametrize(
    ("verdicts", "status", "told"),
    [
        ((gate.PASSED,), 0, "PASSED: 4 of 4 rows take less than 3 % longer than before"),
        ((gate.PASSED, gate.REGRESSED, gate.UNDECIDED, gate.PASSED), 3, "REGRESSED: 1 of 4 rows takes over 3 %"),
        ((gate.PASSED, gate.UNDECIDED), 4, "2 of 4 rows may take over 3 % longer than before, or may not; about 1 min"),
    ],
)
def test_each_verdict_has_its_exit_status(before, after, monkeypatch, capsys, tmp_path, verdicts, status, told):
    monkeypatch.setattr(compare, "measure", measured_as(*verdicts))
    args = asked(before, after, "--json", tmp_path / "out.json", "--markdown", tmp_path / "out.md")
    assert compare.run(args) == status
    output = capsys.readouterr().out
    assert told in output.splitlines()[-1]
    assert "version 1.0 → 2.0" in output
    result = json.loads((tmp_path / "out.json").read_text())
    assert (result["exit_status"], len(result["rows"])) == (status, 4)
    assert result["rows"][0]["before"]["version"] == "1.0"
    assert result["rows"][0]["ratio_ci_low"] == 0.99
    assert (tmp_path / "out.md").read_text().count("\n| ") == 5  # a line for each row, and the heading
    assert "**dliflow compare: " in (tmp_path / "out.md").read_text()


def test_what_is_set_against_itself_is_measured_and_told(before, after, monkeypatch, capsys):
    """It tells what the machine does by itself."""
    monkeypatch.setattr(compare, "measure", measured_as(gate.PASSED))
    assert compare.run(asked(before, after)) == 0
    assert compare.SAME not in capsys.readouterr().err
    for one, other, study in ((before, before, before), ("openvino", "openvino==1.0", before)):
        assert compare.run(asked(one, other, "--study", study)) == 0
        assert capsys.readouterr().err == f"{compare.SAME}\n"


def test_undecided_says_which_budget_would_tell(before, after, monkeypatch, capsys):
    monkeypatch.setattr(compare, "measure", measured_as(gate.UNDECIDED))
    compare.run(asked(before, after))
    assert "about 2 min 00 s more would tell: --budget 720" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "wrong"),
    [("--confidence", "100%"), ("--confidence", "0%"), ("--confidence", "0.95")]
    + [("--budget", text) for text in ("0", "-1", "nan", "inf", "ten")],
)
def test_a_bound_that_nothing_can_meet_is_refused_before_anything_is_measured(before, after, capsys, option, wrong):
    with pytest.raises(SystemExit):
        asked(before, after, option, wrong)
    assert f"argument {option}: '{wrong}': right would be " in capsys.readouterr().err


def test_a_result_that_cannot_be_written_is_told_all_the_same(before, after, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(compare, "measure", measured_as(gate.PASSED))
    (tmp_path / "file").write_text("")
    with pytest.raises(DliflowError, match="the result stands above, and in no such file"):
        compare.run(asked(before, after, "--json", tmp_path / "file/gate.json"))
    assert "PASSED: 4 of 4 rows" in capsys.readouterr().out


def test_two_measurements_that_contradict_each_other_ask_for_no_longer_budget():
    why = "one measurement shows it slower, and a second one shows that it is not: the machine changed"
    row = {"verdict": gate.UNDECIDED, "reason": why, "ratio_ci_low": 0.99, "more_s": 0.0}
    told = texts.reason(gate.UNDECIDED, [row], 0.03, 600.0)
    assert why in told and "--budget" not in told


def test_without_a_common_row_nothing_is_measured(before, after, capsys):
    assert compare.run(asked(before, after, "--precision", "int8")) == 5
    assert "NOT MEASURED: both have no such row in common" in capsys.readouterr().out


def test_a_study_without_figures_is_not_measured(before, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert compare.run(asked(before, tmp_path / "empty")) == 5
    told = f"no study that this version of dliflow can read has been run in {tmp_path / 'empty'}; run the study"
    assert told in capsys.readouterr().out


def test_a_row_that_cannot_be_measured_lets_no_build_pass(before, after, monkeypatch, capsys):
    (before / "results/envs/openvino-1.0/bin/python").unlink()
    monkeypatch.setattr(compare, "measure", measured_as(gate.PASSED))
    assert compare.run(asked(before, after)) == 5
    output = capsys.readouterr().out
    assert "2 of 4 rows could not be measured: before: its environment cannot be found" in output
    assert output.count("\npassed ") == 2


def test_measuring_that_fails_as_a_whole_is_not_measured(before, after, monkeypatch, capsys):
    def measure(able, args):
        raise compare.Unmeasured("anchor: its process was killed by SIGKILL")

    monkeypatch.setattr(compare, "measure", measure)
    assert compare.run(asked(before, after)) == 5
    assert "4 of 4 rows could not be measured: anchor: its process was killed by SIGKILL" in capsys.readouterr().out


BUSY = "DOUBTFUL: other processes took 40 % of the processors' time; stop them"


def after_option(command, name):
    return Path(command[command.index(name) + 1])


def test_two_runs_at_once_judge_each_their_own_pairs(before, after, monkeypatch, tmp_path):
    """Seen: one that waited for the machine overwrote the pairs of the one that had it."""
    folder = tmp_path / "gate"
    left = folder / ".record.json.deadbeef"  # by a run that was killed
    left.mkdir(parents=True)
    every, waiting, others = matched(before, after).pairs, [], []

    def run(command, **options):
        if not waiting:
            waiting.append("the other one")
            others.append(compare.measure(every[1:], args))
        known = [pair["name"] for pair in read_json(after_option(command, "--pairs"))]
        write_json(after_option(command, "--out"), known)
        after_option(command, "--log").write_text(f"{known}")
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(compare.subprocess, "run", run)
    args = asked(before, after, "--folder", folder)
    assert compare.measure(every[:1], args) == [every[0].name]
    assert others == [[every[1].name]]
    assert {path.name for path in folder.iterdir()} == {"record.json", "gate.log"}
    assert read_json(folder / "record.json") == [every[0].name]
    assert (folder / "gate.log").read_text() == f"{[every[0].name]}"


def test_a_run_that_failed_leaves_its_log_and_the_record_of_the_last_good_one(before, after, monkeypatch, tmp_path):
    write_json(tmp_path / "record.json", "of the last one")

    def run(command, **options):
        log = after_option(command, "--log")
        log.write_text("its output")
        write_json(Path(paths.failure(str(log))), {"stage": "gate", "reason": "it broke"})
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(compare.subprocess, "run", run)
    with pytest.raises(compare.Unmeasured, match="it broke"):
        compare.measure(matched(before, after).pairs, asked(before, after, "--folder", tmp_path))
    assert read_json(tmp_path / "record.json") == "of the last one"
    assert (tmp_path / "gate.log").read_text() == "its output"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(("words", "status"), [((), 5), (("--on-busy-machine",), 3)])
def test_a_busy_machine_decides_nothing_unless_asked(before, after, monkeypatch, capsys, words, status):
    monkeypatch.setattr(compare, "measure", measured_as(gate.REGRESSED, warnings=[BUSY]))
    assert compare.run(asked(before, after, *words)) == status
    assert "took 40 % of the processors' time" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["3", "0.03", "-3%", "three%", "3 percent"])
def test_a_margin_is_per_cent(text):
    with pytest.raises(argparse.ArgumentTypeError, match="right would be per cent"):
        compare.share(text)


def test_margins_are_read_and_shown():
    assert [texts.percent(compare.share(text)) for text in ("3%", "2.5 %", "0%")] == ["3 %", "2.5 %", "0 %"]


def test_exit_statuses_are_apart_from_each_other_and_from_errors():
    assert len({*compare.EXIT.values(), 1, 2}) == len(compare.EXIT) + 2
    assert set(compare.EXIT) == set(gate.GRAVEST)
    for verdict, status in compare.EXIT.items():
        assert f"{status} {verdict}" in compare.__doc__
