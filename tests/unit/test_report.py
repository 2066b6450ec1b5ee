"""Plots, page and summary from tiny synthetic tables."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

from dliflow.analysis import comparison, ranking
from dliflow.analysis.tables import accuracy as accuracy_table
from dliflow.analysis.tables import shared
from dliflow.report import canvas, conclusion, missing, names, page, plots, read, summary, times, tradeoff, units
from dliflow.stages import report
from dliflow.study import paths

CPU = {"model": "tiny", "variant": "default", "device": "cpu", "node": "local", "scenario": "latency"}
NASTY = "convert: <script>alert('x')</script> $x$ & more"


def point(framework, batch_size, medians, precision="fp32", status="ok", reason=None):
    """The measurements of one configuration and its row of the performance table."""
    row = {**CPU, "framework": framework, "precision": precision, "parameters": "default", "batch_size": batch_size}
    row.update(framework_version="1.0", threads="default", status=status, reason=reason)
    runs = [
        {**row, "repetition": number, "latency_p50_ms": value, "cpu": "a CPU", "hostname": "a host"}
        for number, value in enumerate(medians, 1)
    ]
    if medians:
        middle = float(np.exp(np.mean(np.log(medians))))
        row.update(latency_p50_ms=middle, fps=batch_size / middle * 1e3, requests=30, repetitions=len(medians))
        if len(medians) > 1:
            row.update(latency_ci_low_ms=min(medians), latency_ci_high_ms=max(medians))
            row.update(fps_ci_low=batch_size / max(medians) * 1e3, fps_ci_high=batch_size / min(medians) * 1e3)
    return row, runs or [{**row, "repetition": 1, "record": "results/latency/none.json"}]


def quality(framework, precision="fp32", status="ok", reason=None, change=None):
    """A row of the accuracy table."""
    row = {**CPU, "dataset": "few", "framework": framework, "precision": precision, "status": status, "reason": reason}
    if status == "ok":
        row.update(images=20, top1=0.9, top1_ci_low=0.7, top1_ci_high=0.97, top5=1.0, top5_ci_low=0.8, top5_ci_high=1.0)
    if change:
        low, middle, high = change
        row.update(baseline=f"{framework}-default-fp32", top1_change=middle, mcnemar_p=0.5, agreement=0.95)
        row.update(top1_change_ci_low=low, top1_change_ci_high=high)
        row.update(images_needed=accuracy_table.images_needed(middle, low, high, 20))
    return row


def in_rounds(batch_size, ratios, groups=4, wobble=0.004):
    """The two tables of a comparison: `ratios` are latencies over that of the first one named, the first leader."""
    base = {**CPU, "batch_size": batch_size, "status": "ok"}
    bursts = []
    for group in range(groups):
        for round_ in range(2):
            for turn, (name, ratio) in enumerate(ratios.items(), 1):
                value = ratio * (1 + wobble * ((group + turn) % 3 - 1))
                burst = {"group": group + 1, "round": round_ + 1, "turn": turn, "configuration": name}
                bursts.append({**base, **burst, "latency_p50_ms": value, "probe_ms": 1.0, "pacer_ms": 2.0 + round_})
    first, *others = ratios
    pairs = []
    for other in others:
        pair = {"purpose": "leaders", "first": first, "second": other, "verdict": "no difference shown"}
        pair |= {"ratio": 1 / ratios[other], "ratio_ci_low": 0.9 / ratios[other], "ratio_ci_high": 1.1 / ratios[other]}
        pairs.append({**base, **pair, "groups": groups, "rounds": 2 * groups, "stopped_by": "width"})
    return pairs, bursts


def strained(points, **columns):
    """The same points, each process of which has these figures."""
    return [(row, [{**run, **columns} for run in runs]) for row, runs in points]


def tables_of(points, accuracy, folder, comparison=(), rounds=()):
    """The tables, written and read again."""
    performance = [row for row, _ in points]
    measurements = [run for _, runs in points for run in runs]
    parity = [{**row, "images": 8} for row in accuracy]
    for name, rows in {
        "parity": parity,
        "accuracy": accuracy,
        "performance": performance,
        "measurements": measurements,
        "comparison": list(comparison),
        "rounds": list(rounds),
    }.items():
        shared.frame(rows, name).to_csv(folder / f"{name}.csv", index=False)
    return read.tables(folder)


@pytest.fixture
def study(tmp_path):
    """A framework called `null`, a tie, a slower one, a failed one and a skipped one."""
    folder = tmp_path / "tables"
    folder.mkdir()
    points = [
        point("null", 1, [1.0, 1.1, 1.05], "int8"),
        point("null", 1, [2.0, 2.1, 2.05]),
        point("alpha", 1, [1.0, 1.2, 1.06]),
        point("beta", 1, [], status="failed", reason=NASTY),
        point("gamma", 1, [], status="skipped", reason="cannot"),
    ]
    accuracy = [
        quality("null", "int8", change=(-0.3, -0.2, -0.1)),
        quality("null"),
        quality("alpha"),
        quality("beta", status="failed", reason=NASTY),
        quality("gamma", status="skipped", reason="cannot"),
    ]
    return tables_of(points, accuracy, folder)


def test_the_reader_keeps_text_and_tells_gaps(study):
    row = study.performance[0]
    assert (row["framework"], row["framework_version"], row["batch_size"]) == ("null", "1.0", 1)
    assert study.performance[3]["latency_p50_ms"] is None


def test_the_conclusion_names_ties_losses_and_an_alternative(study):
    (setting,) = conclusion.settings(study)
    (batch,) = setting.batches
    assert batch.fastest.name == "null int8"
    assert batch.fastest.cost.loss
    assert batch.named(ranking.TIE) == ["alpha fp32"]
    assert batch.named(ranking.SLOWER) == ["null fp32"]
    assert batch.alternative.name == "alpha fp32"
    assert setting.counts == {"ok": 3, "failed": 1, "skipped": 1}


def test_the_baseline_of_another_model_is_none_of_this_one(tmp_path):
    rows = [{**quality("alpha"), "model": model, "baseline": None, "top1_change": None} for model in ("m", "n")]
    judged = {**quality("alpha", "int8", change=(-0.1, 0.0, 0.1)), "model": "m", "baseline": "alpha-default-fp32"}
    costs = conclusion.costs(tables_of([], [*rows, judged], tmp_path).accuracy)
    assert {key[0]: cost.change for key, cost in costs.items() if "fp32" in key} == {
        "m": "is the baseline",
        "n": "no baseline",
    }


def test_one_repetition_decides_nothing(tmp_path):
    tables = tables_of([point("a", 1, [1.0]), point("b", 1, [9.0])], [quality("a"), quality("b")], tmp_path)
    (batch,) = conclusion.settings(tables)[0].batches
    assert batch.named(ranking.UNDECIDED) == ["b fp32"]


def test_rounds_decide_who_is_fastest_against_what_repetitions_say(tmp_path):
    points = [point("a", 1, [1.0, 1.1]), point("b", 1, [1.05, 1.15]), point("c", 1, [1.06, 1.2])]
    names_ = [f"{name}-default-fp32-default" for name in "abc"]
    rounds = in_rounds(1, dict(zip(names_, (1.0, 0.9, 0.902))))
    tables = tables_of(points, [quality(name) for name in "abc"], tmp_path, *rounds)
    (batch,) = conclusion.settings(tables)[0].batches
    assert batch.fastest.name == "b fp32"
    assert batch.named(ranking.TIE) == ["c fp32"]
    assert batch.named(ranking.SLOWER) == ["a fp32"]
    assert batch.rounds
    (slower,) = (entry for entry in batch.entries if entry.verdict == ranking.SLOWER)
    assert slower.ratio == pytest.approx(1 / 0.9, rel=0.01)
    alone = tables_of(points, [quality(name) for name in "abc"], tmp_path)
    (batch,) = conclusion.settings(alone)[0].batches
    assert (batch.fastest.name, batch.rounds) == ("a fp32", False)


def test_the_best_of_three_in_the_same_rounds_needs_more_than_one_pair_does(tmp_path):
    """An interval that just excludes 1 for a pair of its own does not where the best of three was picked by it."""
    points = [point(name, 1, [1.0, 1.1]) for name in "abc"]
    names_ = [f"{name}-default-fp32-default" for name in "abc"]
    rounds = in_rounds(1, dict(zip(names_, (1.0, 1.008, 1.05))))
    tables = tables_of(points, [quality(name) for name in "abc"], tmp_path, *rounds)
    compared = ranking.comparisons(tables.comparison, tables.rounds)[("tiny", "cpu", "local", "latency", 1)]
    assert compared.confidence == pytest.approx(1 - 0.05 / 3)
    alone = comparison.ratio(comparison.log_ratios(compared.groups, comparison.Pair(names_[1], names_[0], "")))
    assert alone.interval[1] - alone.interval[0] < np.diff(compared.ratio(names_[1], names_[0]).interval)[0]


def test_what_repetitions_show_faster_than_the_leaders_of_the_rounds_is_undecided(tmp_path):
    points = [point("a", 1, [1.0, 1.1]), point("b", 1, [1.05, 1.15]), point("c", 1, [0.5, 0.51])]
    rounds = in_rounds(1, {f"{name}-default-fp32-default": 1.0 for name in "ab"})
    tables = tables_of(points, [quality(name) for name in "abc"], tmp_path, *rounds)
    (batch,) = conclusion.settings(tables)[0].batches
    assert batch.named(ranking.UNDECIDED) == ["c fp32"]


def test_rounds_that_failed_are_told_beside_what_they_would_have_settled(tmp_path):
    points = [point("a", 1, [1.0, 1.1]), point("b", 1, [1.05, 1.15])]
    pairs = [{**CPU, "batch_size": 1, "status": "failed", "reason": NASTY}]
    tables = tables_of(points, [quality(name) for name in "ab"], tmp_path, pairs)
    (batch,) = conclusion.settings(tables)[0].batches
    assert batch.no_rounds == NASTY
    assert summary.verdict(batch).endswith("; rounds did not run")


def test_the_page_tells_comparisons_and_why_there_is_none(tmp_path):
    (tmp_path / "tables").mkdir()
    pairs, bursts = in_rounds(1, {"a-default-int8-default": 1.0, "b-default-fp32-default@2.0": 1.5})
    pairs[0] |= {"purpose": "version", "verdict": "first is faster", "warnings": "depends <on> the state"}
    pairs.append({**CPU, "batch_size": 2, "status": "failed", "reason": NASTY})
    points = [point("a", 1, [1.0, 1.1], "int8"), point("b", 1, [2.0, 2.1])]
    tables = tables_of(points, [quality("a", "int8"), quality("b")], tmp_path / "tables", pairs, bursts)
    plots.draw(tables, tmp_path / "plots")
    text, short = run_report(tmp_path)
    assert "b fp32 of 2.0" in text and "depends &lt;on&gt; the state" in text
    assert "Against b fp32 of 2.0: 0.67× its latency" in " ".join(text.split())
    assert "<script" not in text
    assert "FAILED" in short and "batch size 2: convert:" in short


SIZES = {1: (5.40, 5.50), 2: (9.00, 9.05), 4: (19.9, 20.1), 8: (38.0, 41.0)}


def test_the_highest_fps_is_that_of_the_rounds_and_names_what_is_not_told_apart(tmp_path):
    """Repetitions say batch size 2, the rounds 183, 201, 202 and 243 FPS: batch size 8."""
    points = [point(name, size, values) for size, values in SIZES.items() for name in "ab"]
    pairs, bursts = [], []
    for size, fps in {1: 183, 2: 201, 4: 202, 8: 243}.items():
        ratios = {f"{name}-default-fp32-default": size / fps * 1e3 * slower for name, slower in (("a", 1), ("b", 1.5))}
        more = in_rounds(size, ratios)
        pairs, bursts = pairs + more[0], bursts + more[1]
    tables = tables_of(points, [quality("a"), quality("b")], tmp_path, pairs, bursts)
    (setting,) = conclusion.settings(tables)
    best = setting.highest_fps
    assert (best.batch.size, best.ties) == (8, [])
    assert setting.fps(best.batch) == pytest.approx(243, rel=0.01)
    assert setting.lowest_latency.batch.size == 1
    assert "  highest FPS: a fp32 at batch size 8" in summary.fastest(setting, setting.batches)

    for row in bursts:
        if row["batch_size"] == 4:
            row["latency_p50_ms"] *= 202 / 243
    (setting,) = conclusion.settings(tables_of(points, [quality("a"), quality("b")], tmp_path, pairs, bursts))
    best = setting.highest_fps
    assert {best.batch.size, *(batch.size for batch in best.ties)} == {4, 8}
    (line,) = (line for line in summary.fastest(setting, setting.batches) if "highest FPS" in line)
    assert "not told apart" in line


def test_rounds_that_the_machine_or_the_repetitions_contradict_do_not_settle_the_highest_fps(tmp_path):
    names_ = [f"{name}-default-fp32-default" for name in "ab"]
    rounds = {
        size: in_rounds(size, dict(zip(names_, (size / fps * 1e3, 99)))) for size, fps in {1: 180, 2: 240}.items()
    }

    def ties(medians, pace=1.0):
        points = [point(name, size, values) for size, values in medians.items() for name in "ab"]
        bursts = [{**row, "pacer_ms": row["pacer_ms"] * (pace if row["batch_size"] == 1 else 1)}
                  for _, rows in rounds.values() for row in rows]  # fmt: skip
        pairs = [row for rows, _ in rounds.values() for row in rows]
        (setting,) = conclusion.settings(tables_of(points, [quality("a"), quality("b")], tmp_path, pairs, bursts))
        return [batch.size for batch in setting.highest_fps.ties]

    assert ties({1: [5.5, 5.6, 5.7], 2: [9.0, 9.1, 9.2]}) == []
    assert ties({1: [4.0, 4.01, 4.02], 2: [9.0, 9.01, 9.02]}) == [1]  # the repetitions show the opposite
    assert ties({1: [5.5, 5.6, 5.7], 2: [9.0, 9.1, 9.2]}, pace=1.4) == [1]  # the machine was slower just then


def test_without_rounds_the_highest_fps_rests_on_repetitions(tmp_path):
    points = [point(name, size, values) for size, values in SIZES.items() for name in "ab"]
    (setting,) = conclusion.settings(tables_of(points, [quality("a"), quality("b")], tmp_path))
    best = setting.highest_fps
    assert best.batch.size == 2
    assert 8 in [batch.size for batch in best.ties]  # known from two processes to ± 40 %
    assert setting.speed(best.batch).interval[0] is not None


def test_a_compressed_winner_whose_quality_is_not_known_says_so_beside_its_name(tmp_path):
    (tmp_path / "tables").mkdir()
    points = [point("a", 1, [1.0, 1.01], "int8"), point("b", 1, [2.0, 2.1])]
    accuracy = [quality("a", "int8", change=(-0.09, 0.0, 0.09)), quality("a"), quality("b")]
    tables_of(points, accuracy, tmp_path / "tables")
    text, short = run_report(tmp_path)
    doubt = "whether it loses more than 1% of top-1 cannot be told with 20 images; some 1,700 would"
    assert doubt in " ".join(short.split())
    assert "fastest without that: b fp32" in " ".join(short.split())
    assert doubt in text.partition('id="plots"')[0]
    assert "Fastest without that doubt: <strong>b fp32" in text
    qualities = [quality("a", "int8", change=(-0.005, 0.0, 0.005)), quality("a"), quality("b")]
    (batch,) = conclusion.settings(tables_of(points, qualities, tmp_path / "tables"))[0].batches
    assert (batch.fastest.marks, batch.alternative) == ([], None)


def test_a_winner_at_chance_is_marked_on_page_and_terminal(tmp_path):
    (tmp_path / "tables").mkdir()
    chance = "top-1 looks like chance (0 of 20 right, 3 classes)"
    points = [point("a", 1, [1.0, 1.01]), point("b", 1, [2.0, 2.1])]
    tables_of(points, [{**quality("a"), "warnings": chance}, quality("b")], tmp_path / "tables")
    text, short = run_report(tmp_path)
    assert short.startswith(f"DOUBTFUL\n  tiny (a fp32): {chance}")
    assert "its top-1 is doubtful, see above; fastest without that: b fp32" in short
    assert text.index(chance) < text.index('id="conclusion"')
    card = text.partition('<div class="card">')[2].partition("</section>")[0]
    assert chance in card


@pytest.mark.parametrize(
    ("columns", "doubt"),
    [
        ({"taken_share": 0.94}, "others took up to 94% of the processors' time"),
        ({"taken_share": 0.0}, None),
        ({"taken_share": None, "pacer_ms": None}, None),
    ],
)
def test_on_a_machine_too_busy_to_measure_nothing_is_the_fastest(tmp_path, columns, doubt):
    (tmp_path / "tables").mkdir()
    points = strained([point("a", size, [1.0, 1.01]) for size in (1, 2)], **columns)
    points += strained([point("b", size, [2.0, 2.1]) for size in (1, 2)], **columns)
    tables_of(points, [quality("a"), quality("b")], tmp_path / "tables")
    text, short = run_report(tmp_path)
    assert ("faster than all others" in short) is (doubt is None)
    assert ("highest FPS" in short) is (doubt is None)
    assert ('<div class="card">' in text) is (doubt is None)
    if doubt is not None:
        assert short.startswith(f"DOUBTFUL\n  tiny · cpu · local: {doubt}")
        assert text.index(doubt.replace("'", "&#39;")) < text.index('id="conclusion"')
        assert ">fastest<" not in text


def test_many_doubts_of_one_kind_leave_room_for_the_other_and_for_figures(tmp_path):
    (tmp_path / "tables").mkdir()
    frameworks = [f"f{number}" for number in range(9)]
    points = strained([point(name, 1, [1.0, 1.01]) for name in frameworks], taken_share=0.9)
    accuracy = [{**quality(name), "warnings": f"looks like chance, says {name}"} for name in frameworks]
    tables_of(points, accuracy, tmp_path / "tables")
    _, short = run_report(tmp_path)
    assert "and 7 more such, all in the report" in short
    assert "others took up to 90%" in short
    assert len(short.splitlines()) <= summary.LINES
    assert "Report: " in short


def test_a_pacer_far_from_its_best_in_the_study_is_doubtful(tmp_path):
    quiet = strained([point("a", 1, [1.0, 1.01])], pacer_ms=0.5)
    slow = strained([point("b", 1, [2.0, 2.1])], pacer_ms=100.0)
    (setting,) = conclusion.settings(tables_of([*quiet, *slow], [quality("a"), quality("b")], tmp_path))
    (doubt,) = setting.doubts
    assert "took up to 200 times as long as at its best, and more than 3 times in 1 of 2 measurements" in doubt
    (batch,) = setting.batches
    assert batch.doubtful
    twice = strained([point("b", 1, [2.0, 2.1])], pacer_ms=1.0)
    assert conclusion.settings(tables_of([*quiet, *twice], [quality("a"), quality("b")], tmp_path))[0].doubts == []


def test_rounds_beside_other_work_are_doubtful(tmp_path):
    points = [point(name, 1, [1.0, 1.1]) for name in "ab"]
    pairs, bursts = in_rounds(1, {f"{name}-default-fp32-default": 1.0 + 0.1 * (name == "b") for name in "ab"})
    pairs = [{**row, "taken_share": 0.6, "missing": "c-default-int8-default"} for row in pairs]
    (setting,) = conclusion.settings(tables_of(points, [quality("a"), quality("b")], tmp_path, pairs, bursts))
    assert "others took up to 60%" in setting.doubts[0]
    assert setting.batches[0].missing == ["c int8"]


def test_missing_groups_by_reason_with_failed_ones_first_and_their_logs(study, tmp_path):
    log = tmp_path / "logs/models/beta.json.log"
    log.parent.mkdir(parents=True)
    stage, _, reason = NASTY.partition(": ")
    failure = {"stage": stage, "reason": reason, "output_tail": ["the <end>"]}
    (log.parent / "beta.json.failed.json").write_text(json.dumps(failure))
    failed, skipped = missing.missing(study, tmp_path / "logs")
    assert (failed.status, failed.reason, failed.logs, failed.tail) == ("failed", NASTY, [str(log)], ["the <end>"])
    assert failed.tables == ["parity", "accuracy", "performance"]
    assert (skipped.configurations, skipped.logs) == (["gamma fp32"], [])


def test_partial_failures_meet_the_whole_ones():
    assert missing.plain("2 of 3 repetitions: latency: crashed") == "latency: crashed"


def test_times_are_grouped_and_jobs_side_by_side_count_once(tmp_path):
    written = [("fetch", 0.0, 9.0), ("latency", 100.0, 10.0), ("latency", 105.0, 10.0), ("new_stage", 120.0, 1.0)]
    for number, (stage, started, seconds) in enumerate(written):
        data = {"stage": stage, "started": started, "seconds": seconds, "status": 0}
        (tmp_path / f"{number}.time.json").write_text(json.dumps(data))
    jobs = times.jobs(tmp_path)
    assert [(share.group, share.jobs, share.seconds) for share in times.shares(jobs)] == [
        ("inputs", 1, 9.0),
        ("measuring", 2, 20.0),
        ("other", 1, 1.0),
    ]
    run = times.this_run(jobs, {"started": 95.0, "command": "snakemake"}, now=130.0)
    assert (run.wall, run.busy, run.overhead) == (35.0, 16.0, 19.0)
    assert [share.group for share in run.shares] == ["measuring", "other"]
    assert times.this_run(jobs, None) is None


def test_each_framework_s_share_of_the_measuring_time():
    def process(framework, process_ms, status="ok"):
        parts = {"import_ms": 300.0, "load_ms": 150.0, "first_request_ms": 50.0, "warmup_ms": 200.0}
        row = {"framework": framework, "status": status, "process_ms": process_ms}
        return {**row, **parts, "requests": 10, "latency_mean_ms": 40.0}

    efforts = times.effort([process("b", 1200.0), process("a", 1500.0), process("b", 1600.0), process("c", None)])
    assert [(effort.framework, effort.processes, effort.total) for effort in efforts] == [
        ("a", 1, 1.5),
        ("b", 2, 2.8),
        ("all", 3, 4.3),
    ]
    assert (efforts[1].loading, efforts[1].warm_up, efforts[1].requests) == pytest.approx((1.0, 0.4, 0.8))
    assert efforts[1].rest == pytest.approx(0.6)
    assert times.effort([]) == []
    assert [effort.framework for effort in times.effort([process("a", 900.0)])] == ["a"]
    assert times.effort([process("a", 900.0)])[0].rest == 0  # a clock tick's rounding is no negative time


def run_report(tmp_path, *options):
    """Run the stage on what lies in a folder; the page and the summary."""
    parser = argparse.ArgumentParser()
    report.arguments(parser)
    places = ["--tables", tmp_path / "tables", "--plots", tmp_path / "plots", "--logs", tmp_path / "logs"]
    out = tmp_path / "report/index.html"
    report.run(parser.parse_args([*map(str, places), "--run", str(tmp_path / "run.json"), "--out", str(out), *options]))
    return out.read_text(), out.with_name("summary.txt").read_text()


def test_page_escapes_what_comes_from_tables_and_needs_nothing_else(study, tmp_path):
    plots.draw(study, tmp_path / "plots")
    (tmp_path / "run.json").write_text(json.dumps({"started": 0, "command": "snakemake <all>"}))
    text, short = run_report(tmp_path, "--title", "A & <B>")
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "<title>A &amp; &lt;B&gt;</title>" in text
    assert "snakemake &lt;all&gt;" in text
    assert text.count("<svg") == 6
    for outside in ('src="http', 'href="http', "url(http", "@import"):
        assert outside not in text
    assert short.startswith("FAILED\n  beta fp32: convert: <script>")
    assert len(short.splitlines()) <= summary.LINES
    assert max(map(len, short.splitlines())) <= summary.COLUMNS
    assert "no difference shown: alpha fp32" in short


def test_everything_failed_still_gives_plots_page_and_summary(tmp_path):
    (tmp_path / "tables").mkdir()
    points = [point("a", size, [], status="failed", reason="environment: $no$ network") for size in (1, 2)]
    tables = tables_of(points, [quality("a", status="failed", reason="environment: $no$ network")], tmp_path / "tables")
    plots.draw(tables, tmp_path / "plots")
    assert "Most often: environment: $no$ network" in (tmp_path / "plots/fps.svg").read_text()
    text, short = run_report(tmp_path)
    assert "What failed" in text and "no figures: 2 failed" in short


def test_empty_tables_still_give_everything(tmp_path):
    (tmp_path / "tables").mkdir()
    tables = tables_of([], [], tmp_path / "tables")
    plots.draw(tables, tmp_path / "plots")
    text, short = run_report(tmp_path)
    assert "The tables have no rows." in text and "Report: " in short


def test_unchanged_tables_give_identical_plots_under_the_declared_names(study, tmp_path):
    plots.draw(study, tmp_path / "one")
    plots.draw(study, tmp_path / "two")
    first, second = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert {path.name for path in first} == {path.rsplit("/", 1)[1] for path in paths.PLOT_FILES}
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert all(path.stat().st_size < 150_000 for path in first)


def test_many_series_are_drawn_framework_by_framework(tmp_path):
    precisions = ("fp32", "fp16", "bf16", "int8")
    points = [point(f, 1, [1.0 + i, 1.1 + i], p) for i, f in enumerate("abc") for p in precisions]
    tables = tables_of(points, [quality(f, p) for f in "abc" for p in precisions], tmp_path)
    for figure in plots.FIGURES.values():
        assert figure(tables)
    assert len(plots.FIGURES["latency"](tables).axes) == 3


def test_a_configuration_looks_the_same_in_all_plots(tmp_path):
    points = [point("a", 1, [1.0]), point("b", 1, [2.0], "int8")]
    tables = tables_of(points, [quality("b", "int8"), quality("only here"), quality("a")], tmp_path)
    looks = canvas.looks(tables)
    colours = [looks[canvas.look_key(row)].colour for row in [*tables.performance, *tables.accuracy]]
    assert colours == [canvas.COLOURS[index] for index in (0, 1, 1, 2, 0)]
    (axes,) = plots.FIGURES["latency"](tables).axes
    (other,) = plots.FIGURES["tradeoff"](tables).axes
    for drawn in (axes, other):
        shown = {line.get_label(): (line.get_color(), line.get_marker()) for line in drawn.get_legend().legend_handles}
        assert shown == {"a fp32": (canvas.COLOURS[0], "o"), "b int8": (canvas.COLOURS[1], "D")}


def test_everything_lies_within_its_picture_and_texts_do_not_overlap(tmp_path):
    precisions = ("fp32", "fp16", "bf16", "int8")
    configurations = [(f"framework_{f}", p) for f in "abc" for p in precisions]
    for number, chosen in enumerate((configurations, configurations[:6])):
        points = [point(f, size, [1000.0 + i, 1100.0 + i], p) for i, (f, p) in enumerate(chosen) for size in (1, 8)]
        folder = tmp_path / str(number)
        folder.mkdir()
        rounds = in_rounds(1, {f"{f}-default-{p}-default": 1.003 for f, p in chosen[:4]})
        tables = tables_of(points, [quality(f, p) for f, p in chosen], folder, *rounds)
        with canvas.style():
            for name, make in plots.FIGURES.items():
                figure = make(tables)
                canvas.save(figure, folder / name)
                drawn, paper = figure.get_tightbbox(), figure.bbox_inches
                assert paper.x0 <= drawn.x0 and drawn.x1 <= paper.x1, name
                assert paper.y0 <= drawn.y0 and drawn.y1 <= paper.y1, name
                for axes in figure.axes:
                    boxes = [text.get_window_extent() for text in axes.texts]
                    assert not [1 for box in boxes for other in boxes if box is not other and box.overlaps(other)], name


def test_front_holds_what_nothing_beats():
    look = canvas.Look("#000000", "o", "-", "full")
    points = [tradeoff.Point(name, name, name, look, x, y, None, None) for name, x, y in
            [("slow", 5, 80), ("best", 1, 90), ("better", 2, 95), ("same", 3, 95)]]  # fmt: skip
    assert [each.name for each in tradeoff.front(points)] == ["best", "better"]


def test_names_and_units():
    assert names.configuration({"framework": "mxnet", "variant": "hybrid", "precision": "int8"}) == "mxnet hybrid int8"
    assert names.listed(["a", "b", "c", "d"], 3) == "a, b and 2 others"
    assert [units.significant(x) for x in (0.001234, 9.996, 134.4, 12345, None)] == [
        *("0.00123", "10.0", "134", "12,345", "–")
    ]
    assert (units.ratio(1.0043), units.ratio(1.09), units.ratio(0.9996)) == ("1.004", "1.09", "0.9996")
    assert units.ratio(0.9876, 0.981, 0.9993) == "0.9876"
    assert units.ratio_interval(0.9876, 0.981, 0.9993) == "[0.9810, 0.9993]"
    assert units.ratio_interval(0.4612, 0.4521, 1.0) == "[0.45, 1.00]"
    assert (units.points(-0.0131), units.points(0.0), units.duration(125)) == ("−1.3", "±0.0", "2 min 05 s")


def test_inline_plots_take_the_pages_colours_and_own_ids(study, tmp_path):
    plots.draw(study, tmp_path)
    text = str(page.inline((tmp_path / "latency.svg").read_text(), "latency"))
    assert text.startswith("<svg ") and canvas.INK not in text and "var(--ink)" in text
    assert 'id="figure_1"' not in text and 'id="latency-figure_1"' in text
