"""The answer as data and on the terminal, from tiny synthetic tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from project import ROOT
from study_rows import in_flight, point, quality, tables_of, whole

from dliflow.analysis.recommendation import Goal, lookup
from dliflow.report import answer, conclusion, summary
from dliflow.report.read import POINT
from dliflow.study import paths

SCHEMA = json.loads((ROOT / "workflow/schemas/summary.schema.json").read_text())
SURE, VAGUE = (-0.005, 0.0, 0.005), (-0.09, -0.02, 0.05)
CHANCE = {"warnings": "top-1 looks like chance (0 of 20 right, 3 classes)"}


def study(folder: Path, change=VAGUE, **columns):
    """A network in two precisions, at two batch sizes; INT8 takes a third of the time."""
    points = [
        point("a", size, [middle * size, 1.1 * middle * size], precision, peak_rss_mib=middle + size, **columns)
        for size in (1, 4)
        for precision, middle in (("int8", 1.0), ("fp32", 3.0))
    ]
    return tables_of(points, [quality("a", "int8", change=change), quality("a")], folder)


def data(tables, goal=None):
    """What `summary.json` holds, read again."""
    settings, answers = conclusion.settings(tables), answer.answers(answer.recommendations(tables), goal)
    text = json.dumps(answer.summary(tables, answers, settings, goal, "A title"), allow_nan=False)
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(text))
    return json.loads(text)


def terminal(tables, goal=None):
    """The lines of the summary."""
    answers = {one.name: one for one in answer.answers(answer.recommendations(tables), goal)}
    settings = conclusion.settings(tables)
    doubts = conclusion.doubts(settings, tables.accuracy)
    text = summary.render(settings, answers, goal, [], doubts, [], None, "index.html")
    assert len(text.splitlines()) <= summary.LINES
    assert max(map(len, text.splitlines())) <= summary.COLUMNS
    return text


def flat(text):
    """Words one space apart."""
    return " ".join(text.split())


def test_the_schema_is_one_and_refuses_what_it_does_not_name(tmp_path):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    good = data(study(tmp_path))
    for part in (good, good["answers"][0], good["answers"][0]["rows"][0], good["answers"][0]["outcomes"][0]):
        part["surprise"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(SCHEMA).validate(good)
        del part["surprise"]


def test_the_data_answer_every_question_with_figure_interval_cost_and_files(tmp_path):
    (of,) = data(study(tmp_path), Goal(latency_ms=4.0, loss=0.01))["answers"]
    rows, outcomes = of["rows"], of["outcomes"]
    first = outcomes[of["questions"]["lowest_latency"]]
    row = rows[first["row"]]
    assert (first["answer"], row["precision"], row["batch_size"]) == ("yes", "int8", 1)
    assert row["latency_ci_low_ms"] == 1.0 < row["latency_ms"] < row["latency_ci_high_ms"] == 1.1
    assert row["fps_ci_low"] < row["fps"] < row["fps_ci_high"]
    assert (row["loss_low_share"], row["loss_high_share"], row["images_needed"]) == (0.0, 0.09, 990)
    assert row["doubts"]["loss"].startswith("20 images cannot tell what int8 costs: up to 9.0 % of top-1")
    assert row["deploy"] == "results/deploy/local/tiny-a-python-default-int8-cpu-default-batch1"
    assert Path(row["deploy"], "manifest.json") == Path(paths.DEPLOYED.format(**row))
    assert row["recommended_for"] == ["lowest_latency", "highest_fps", "smallest_memory"]
    within = outcomes[of["questions"]["lowest_latency_within"]]
    assert {"goal", "lowest_latency_within"} <= set(rows[within["row"]]["recommended_for"])
    assert rows[within["perhaps"]] == row and within["why"] == ["loss"]
    assert outcomes[of["questions"]["goal"]] == within
    assert of["questions"]["highest_throughput"] is None


def test_who_looks_a_constraint_up_in_the_data_gets_what_was_decided(tmp_path):
    tables = whole(tmp_path / "tables", groups=3)
    (of,) = data(tables)["answers"]
    (recommendation,) = answer.recommendations(tables).values()

    def last(steps, name, bound):
        """As the page does it."""
        return [one for one in steps if bound is None or (one[name] is not None and one[name] <= bound)][-1]

    for table in of["tables"]:
        steps = recommendation.tables[(table["objective"], table["batch_size"], table["quality"])]
        for share in (None, 0.0, 0.004, 0.011, 0.02, 0.5):
            for budget in (None, 0.0, 3.3, 5.1, 9.7, 33.3, 1000.0):
                outcome = last(last(table["steps"], "from_share", share)["by_latency"], "from_ms", budget)["outcome"]
                seen, decided = of["outcomes"][outcome], lookup(steps, budget, share)
                assert seen["answer"] == decided.answer
                if decided.best is not None:
                    row = recommendation.candidates[decided.best].row
                    assert {name: of["rows"][seen["row"]][name] for name in POINT} == {
                        name: row[name] for name in POINT
                    }


def test_the_example_in_the_docs_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "results/report").mkdir(parents=True)
    (tmp_path / "results/report/summary.json").write_text(json.dumps(data(study(tmp_path))))
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/answer.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert capsys.readouterr().out == "yes a fp32\n"


def test_several_requests_in_flight_have_a_question_of_their_own(tmp_path):
    rows = [in_flight("a", 2, 400.0, 4.9)]
    tables = tables_of([point("a", 1, [3.9, 4.1])], [quality("a")], tmp_path, throughput=rows)
    (of,) = data(tables, Goal(objective="throughput", latency_ms=6))["answers"]
    row = of["rows"][of["outcomes"][of["questions"]["highest_throughput"]]["row"]]
    assert (row["in_flight"], row["fps"], row["fps_ci_low"], row["latency_ms"]) == (2, 400, 380, 5)
    assert row["id"].endswith("-throughput-default-1-2")
    assert row["recommended_for"] == next(one["recommended_for"] for one in of["rows"] if one["in_flight"] is None)
    text = flat(terminal(tables, Goal(objective="throughput", latency_ms=6)))
    assert (
        "highest throughput, at most 6 ms yes: a fp32 at batch size 1, 2 in flight: 400 images/s [380, 420], in" in text
    )
    assert "Highest throughput a fp32 at batch size 1, 2 in flight: 400 images/s [380, 420] no loss of top-1" in text
    assert "Highest throughput" not in terminal(study(tmp_path))


def test_a_batch_size_that_has_several_in_flight_alone_can_be_asked_for_and_has_no_files(tmp_path):
    rows = [in_flight("a", 2, 400.0, 4.9, batch_size=16)]
    tables = tables_of([point("a", 1, [3.9, 4.1])], [quality("a")], tmp_path, throughput=rows)
    (of,) = data(tables)["answers"]
    row = of["rows"][of["outcomes"][of["questions"]["highest_throughput"]]["row"]]
    assert of["batch_sizes"] == [1, 16]
    assert (row["batch_size"], row["deploy"], row["recommended_for"]) == (16, None, [])


def test_without_figures_the_data_say_of_what_there_are_none(tmp_path):
    failed = tables_of([point("a", 1, [], status="failed", reason="broke")], [quality("a")], tmp_path)
    whole_data = data(failed, Goal(latency_ms=1.0))
    assert (whole_data["answers"], whole_data["without_figures"]) == ([], ["tiny · cpu · local"])
    assert data(tables_of([], [], tmp_path))["without_figures"] == []


def test_launch_parameters_and_the_lines_that_set_them_stand_in_the_data(tmp_path):
    points = [point("onnxruntime", 1, [1.0, 1.1], threads="2")]
    tables = tables_of(points, [quality("onnxruntime")], tmp_path)
    (of,) = data(tables)["answers"]
    assert of["rows"][0]["settings"] == {"threads": 2}
    assert any("intra_op_num_threads = 2" in line for line in of["rows"][0]["code"])
    assert "no loss of top-1 shown launched with threads=2" in flat(terminal(tables))
    (of,) = data(study(tmp_path))["answers"]
    assert (of["rows"][0]["settings"], of["rows"][0]["code"]) == ({}, [])


@pytest.mark.parametrize(
    ("goal", "answers"),
    [
        (
            Goal(latency_ms=4, loss=0.01),
            "lowest latency, at most 4 ms, at most 1 % of top-1 lost yes: a fp32 at batch size 1: 3.15 ms [3.00, 3.30] "
            "perhaps better: a int8 at batch size 1, 1.05 ms [1.00, 1.10], but 20 images cannot tell",
        ),
        (
            Goal(latency_ms=2, loss=0.01, batch_size=1),
            "lowest latency, batch size 1, at most 2 ms, at most 1 % of top-1 lost cannot be told; perhaps a int8 at "
            "batch size 1: 1.05 ms [1.00, 1.10] 20 images cannot tell what int8 costs: up to 9.0 % of top-1; some 990 "
            "with labels would tell if it is over 1 % without the budget: a fp32 at batch size 1: 3.15 ms [3.00, 3.30] "
            "with any loss: a int8 at batch size 1: 1.05 ms [1.00, 1.10]",
        ),
        (
            Goal(latency_ms=0.5, objective="fps"),
            "highest FPS, at most 0.5 ms no: no configuration does without the budget: a int8 at batch size 1: 953 FPS "
            "[909, 1,000], 1.05 ms [1.00, 1.10]",
        ),
        (Goal(latency_ms=1.05), "cannot be told; perhaps a int8 at batch size 1: 1.05 ms [1.00, 1.10] its latency,"),
        (Goal(latency_ms=2, loss=0.0), "20 images cannot tell what int8 costs: up to 9.0 % of top-1; some "),
        (Goal(latency_ms=2, loss=0.05), "up to 9.0 % of top-1; some 110 with labels would tell if it is over 5 %"),
        (Goal(objective="memory", disagreement=0.05), "smallest memory, at most 5 % of classes changed yes: a fp32 at"),
    ],
)  # fmt: skip
def test_the_goal_is_answered_first(goal, answers, tmp_path):
    text = terminal(study(tmp_path), goal)
    assert text.splitlines()[:2] == ["tiny · cpu · local", f"  Your goal        {summary.constraint(goal)}"]
    assert answers in flat(text)
    assert flat(text).index(answers) < flat(text).index("Lowest latency")


def test_the_questions_are_answered_with_what_they_cost_and_what_is_sure(tmp_path):
    text = flat(terminal(study(tmp_path)))
    assert "Lowest latency a int8 at batch size 1: 1.05 ms [1.00, 1.10] 20 images cannot tell what int8 costs" in text
    assert "losing 1 % at most: a fp32 at batch size 1: 3.15 ms [3.00, 3.30]" in text
    assert "Your goal" not in text
    text = flat(terminal(study(tmp_path, change=SURE)))
    assert "Lowest latency a int8 at batch size 1: 1.05 ms [1.00, 1.10] it loses up to 0.5 % of top-1 Highest" in text
    assert "Smallest memory a int8 at batch size 1: 2.00 MiB it loses up to 0.5 % of top-1" in text


def test_where_there_is_no_room_for_all_each_answer_keeps_its_cost(tmp_path):
    tables = study(tmp_path)
    models = [f"m{number}" for number in range(3)]
    names = ("performance", "measurements", "accuracy")
    of_names = {name: [row | {"model": model} for model in models for row in getattr(tables, name)] for name in names}
    text = terminal(tables._replace(**of_names), None)
    for model in models:
        (_, _, of_model) = text.partition(f"{model} · cpu · local")
        assert flat(of_model).startswith("Lowest latency a int8 at batch size 1: 1.05 ms [1.00, 1.10] 20 images cannot")
    many = [f"m{number}" for number in range(9)]
    of_names = {name: [row | {"model": model} for model in many for row in getattr(tables, name)] for name in names}
    assert "more of model, device and node in the report" in terminal(tables._replace(**of_names))


def test_what_looks_like_chance_is_no_answer_on_the_terminal(tmp_path):
    tables = study(tmp_path)
    tables.accuracy[:] = [row | CHANCE for row in tables.accuracy]
    text = flat(terminal(tables, Goal(loss=0.01)))
    assert "cannot be told; perhaps a int8 at batch size 1: 1.05 ms [1.00, 1.10] its top-1 looks like chance" in text
    assert "yes: " not in text and "Lowest latency cannot be told; perhaps a int8" in text
