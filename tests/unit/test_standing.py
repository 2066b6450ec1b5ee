"""Where a run stands, in numbers and words, and what the terminal shows of it."""

from __future__ import annotations

import io
import logging
import re
import types

import pytest

from dliflow.progress import CLEAR
from dliflow.runs import display, terminal
from dliflow.runs.forecast import Durations, Job
from dliflow.runs.standing import Standing, called
from dliflow.study import config

CONFIG = config.study({"models": ["m"], "dataset": "d", "frameworks": ["null"], "precisions": ["fp32"]}, "test")


def job(number: int, stage: str, *needs: int, **wildcards: str) -> Job:
    """A job of model `m` that needs others."""
    return Job(number, stage, f"{number}.log", {"model": "m", "device": "cpu", **wildcards}, frozenset(needs))


def sweeps(*groups: int) -> list[Job]:
    """Jobs of OpenVINO's sweep, each expected to take as long."""
    named = {"framework": "openvino", "variant": "default", "precision": "fp32"}
    return [job(group, "sweep", **named, group=str(group)) for group in groups]


def standing(jobs: list[Job], cores: int = 1) -> Standing:
    """A run that begins at 0 s; a sweep is expected to take 10 s."""
    latency = {**CONFIG["latency"], "budget_s": 8.0, "warmup_limit_s": 99.0}
    return Standing(jobs, Durations({**CONFIG, "latency": latency}), cores, 0.0)


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (sweeps(3)[0], "sweep openvino fp32, group 3"),
        (
            job(1, "sweep", framework="mxnet", variant="hybrid", precision="int8", group="1"),
            "sweep mxnet hybrid int8, ",
        ),
        (job(1, "compare", batch_size="8"), "compare at batch size 8"),
        (job(1, "compare", batch_size="_sizes"), "compare of batch sizes"),
        (job(1, "environment", framework="openvino", digest="0123"), "environment openvino"),
        (job(1, "accuracy", framework="tflite", precision="fp16", dataset="photographs"), "tflite fp16 photographs"),
        (job(1, "tables"), "tables"),
    ],
)
def test_jobs_are_called_by_what_tells_them_apart(of, name):
    assert name in called(of)
    assert called(of, model=True).startswith(f"{of.stage} m")


def test_what_ended_tells_of_the_rest():
    run = standing(sweeps(*range(1, 101)))
    assert run.left(run.rest, 0.0) == pytest.approx(1000)
    for number in range(1, 51):
        run.start(number, 20.0 * (number - 1))
        assert run.end(number, True, 20.0 * number) == 20.0
    assert run.left(run.rest, 1000.0) == pytest.approx(1000, rel=0.02)  # 20 s each, not 10
    assert run.share(run.left(run.rest, 1000.0), 1000.0) == pytest.approx(0.5, abs=0.01)


def test_a_share_is_one_of_time_and_not_of_jobs():
    """Seen: at "98 %" 6 of 29 minutes were still to come, since a job that takes a minute counted like any other."""
    run = standing([*(job(number, "parity") for number in range(1, 99)), *sweeps(101, 102)])
    for number in range(1, 99):
        run.start(number, 0.1 * number - 0.1)
        run.end(number, True, 0.1 * number)
    assert run.share(run.left(run.rest, 9.8), 9.8) == pytest.approx(9.8 / 29.8)


def test_what_runs_counts_by_what_it_has_taken():
    run = standing(sweeps(1, 2))
    run.start(1, 0.0)
    assert run.left(run.rest, 4.0) == 16.0
    assert run.left(run.rest, 40.0) == 10.0  # longer than expected: not less than nothing is left of it


def test_nobody_waits_for_what_needs_a_job_that_failed():
    jobs = [job(1, "convert"), job(2, "sweep", 1), job(3, "compare", 2), *sweeps(4)]
    run = standing(jobs)
    run.start(1, 0.0)
    run.end(1, False, 3.0)
    assert [one.id for one in run.waiting] == [4]
    assert "convert: failed after 3 s; 1 of 4 jobs" in run.line(1, 3.0, 3.0)
    assert "1 failed, 2 jobs cannot run for that; about 10 s left" in run.line(1, 3.0, 3.0)
    run.start(1, 4.0)  # it is tried again
    run.end(1, True, 5.0)
    assert [one.id for one in run.waiting] == [2, 3, 4]


def test_jobs_that_turn_out_to_be_needless_are_no_longer_waited_for():
    run = standing(sweeps(1, 2, 3))
    run.start(1, 0.0)
    run.end(1, True, 10.0)
    run.plan(sweeps(2))
    assert (len(run.jobs), [one.id for one in run.rest]) == (2, [2])


def test_a_job_that_has_ended_counts_once_though_a_checkpoint_gives_it_another_number():
    run = standing(sweeps(1, 2))
    run.start(1, 0.0)
    run.end(1, True, 10.0)
    (anew,) = sweeps(1)
    run.plan([anew._replace(id=7), *sweeps(2, 3)])
    assert [one.id for one in run.rest] == [2, 3] and len(run.jobs) == 3


def test_the_block_has_a_bar_for_each_part_and_fits_the_terminal():
    run = standing([job(1, "convert", framework="tflite", precision="int8"), *sweeps(2, 3, 4), job(5, "tables")])
    run.start(1, 0.0)
    run.end(1, True, 4.0)
    run.start(2, 4.0)
    run.end(2, True, 14.0)
    run.start(3, 14.0)
    lines = run.block(16.0, 80)
    assert [line.split()[0] for line in lines[:3]] == ["conversion", "measuring", "reporting"]
    assert "━" * 30 + "  1 of 1" in lines[0] and "left" not in lines[0]
    assert "━" * 10 + "╌" * 20 + "  1 of 3  about 20 s left" in lines[1]
    assert lines[3:] == [
        "41 % of the time, 16 s so far, about 20 s left",
        "  sweep openvino fp32, group 3, 2 s of about 10 s",
    ]
    assert all(len(line) < 40 for line in run.block(16.0, 40))


def test_of_many_jobs_side_by_side_a_few_are_named():
    run = standing([job(number, "parity") for number in range(9)], cores=9)
    for number in range(9):
        run.start(number, 0.0)
    assert run.block(1.0, 80)[-1] == "  and 5 jobs more"


# --- The display ------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that is a terminal, or none."""

    def __init__(self, terminal: bool):
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def log(stream: io.StringIO, jobs: list[Job], monkeypatch, *events: dict) -> str:
    """What a stream shows of the events of a log, of which one is a message of Snakemake's own."""
    monkeypatch.setenv("TERM", "xterm")
    logger = logging.getLogger("as Snakemake's")
    logger.handlers = [logging.StreamHandler(stream)]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    shown = terminal.taken_over(logger)
    shown.begin(lambda: jobs, Durations(CONFIG), 1)
    for event in events:
        logger.info(event.pop("msg", "of Snakemake"), extra=event)
    drawn = stream.getvalue()
    shown.end()
    logger.info("after")
    assert stream.getvalue().endswith("after\n")
    return drawn


EVENTS = (
    {"event": "job_started", "jobs": [1, 7]},
    {"msg": "Select jobs to execute..."},
    {"msg": "something to know"},
    {"event": "job_finished", "job_id": 1},
    {"event": "progress", "total": 3, "done": 1},
    {"event": "job_finished", "job_id": 7},
)


def events() -> list[dict]:
    return [dict(event) for event in EVENTS]


def test_what_is_no_terminal_gets_a_line_for_each_job(monkeypatch):
    text = log(Terminal(False), sweeps(1, 2), monkeypatch, *events())
    forecast, told = text.split("Measurements to be made: 2 of the sweep (openvino).\n")
    assert "measuring" in forecast and "\x1b" not in text
    known, ended = told.splitlines()
    assert known == "something to know"
    assert re.match(r"sweep openvino fp32, group 1: \d+ s; 1 of 2 jobs, \d+ % of the time; about ", ended[10:])


def test_a_terminal_is_drawn_over_and_keeps_what_others_write(monkeypatch):
    text = log(Terminal(True), sweeps(1, 2), monkeypatch, *events())
    assert "Select" not in text and "of Snakemake" not in text
    assert f"{CLEAR}something to know\n{CLEAR}\n" in text  # taken away, the message, drawn anew below it
    last = text.split(CLEAR)[-1]
    assert last.startswith("\nmeasuring  ") and last.endswith("\r\x1b[2A")  # the cursor rests above both lines


def test_a_dumb_terminal_is_none(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    assert not display.Screen.fits(Terminal(True))


def test_a_terminal_that_is_gone_ends_nothing():
    def gone(text):
        raise BrokenPipeError

    display.Screen(types.SimpleNamespace(write=gone)).write("x")
