"""What Snakemake is spared: weighing jobs that cannot be chosen, and making plans anew that stay what they are."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from dliflow.runs import engine


class Job:
    """What is asked of one of Snakemake's."""

    def __init__(self, name, priority=0, rule="sweep", output=(), node="local"):
        self.name, self.priority, self.rule, self.output = name, priority, SimpleNamespace(name=rule), list(output)
        self.node = node


def measured_on(one):
    return one.node if one.rule.name == "sweep" else None


def test_of_the_jobs_that_measure_the_scheduler_sees_the_one_of_the_highest_priority_and_all_others():
    class Scheduler:
        def __init__(self, ready):
            self.ready = ready

        @property
        def open_jobs(self):
            return self.ready

    measuring, others = [Job("a", 3), Job("b", 7), Job("c", 5)], [Job("d", 99, "parity"), Job("e", 1, "convert")]
    scheduler = Scheduler([*measuring, *others])
    ready = []
    engine.choose_among_few(scheduler, measured_on, ready.append)
    assert [one.name for one in scheduler.open_jobs] == ["b", "d", "e"]
    scheduler.ready = others
    assert [one.name for one in scheduler.open_jobs] == ["d", "e"]
    scheduler.ready = []
    assert scheduler.open_jobs == []
    assert ready == [{"local"}, set(), set()]


def test_however_often_the_scheduler_is_to_look_again_it_does_so_once_at_a_time(monkeypatch):
    timers, looks = [], []
    started = SimpleNamespace(start=lambda: None)
    monkeypatch.setattr(engine.threading, "Timer", lambda delay, look: timers.append(look) or started)
    scheduler = SimpleNamespace(_open_jobs=SimpleNamespace(release=lambda: looks.append(1)))
    engine.look_again_once(scheduler)
    for expected in (1, 2):
        for _ in range(3):
            scheduler._schedule_reevalutation(1)
        assert len(timers) == expected and len(looks) == expected - 1
        timers[-1]()


def test_each_node_has_its_own_next_measurement():
    jobs = [Job("a", 3, node="first"), Job("b", 7, node="second"), Job("c", 5, node="first"), Job("d", 9, "parity")]
    assert [one.name for one in engine.selectable(jobs, measured_on)] == ["b", "c", "d"]


def test_snakemake_looks_at_the_arguments_of_a_function_once():
    looked_at = []
    one, other = (SimpleNamespace(get_function_params=lambda function: looked_at.append(function) or 1) for _ in "ab")
    engine.ask_functions_once(one, other)
    assert [one.get_function_params(len), other.get_function_params(len), other.get_function_params(max)] == [1, 1, 1]
    assert looked_at == [len, max]


def test_snakemake_looks_for_the_rules_that_make_a_file_once():
    class Index:
        def __init__(self):
            self.looked_for = []

        def match_producers(self, path):
            self.looked_for.append(path)
            return {f"rule of {path}"}

    engine.find_producers_once(Index)
    one, after_rules_were_added = Index(), Index()
    assert [one.match_producers(path) for path in "aba"] == [{"rule of a"}, {"rule of b"}, {"rule of a"}]
    assert one.looked_for == ["a", "b"]
    assert after_rules_were_added.match_producers("a") == {"rule of a"} and after_rules_were_added.looked_for == ["a"]


class Dag:
    """One conversion, of which a measurement is to be made, and another checkpoint."""

    def __init__(self, output):
        self.conversion, self.other = Job("model", rule="convert"), Job("which", rule="recommend")
        self.depending = {self.conversion: [Job("measured", output=[output])], self.other: []}
        self.updated = []

    async def update_checkpoint_dependencies(self, jobs=None):
        self.updated.append(jobs)
        return bool(jobs)


@pytest.mark.parametrize("made", [True, False])
def test_the_plan_is_made_anew_behind_a_conversion_only_where_something_was_made_of_its_model(tmp_path, made):
    record = Path(tmp_path, "record.json")
    if made:
        record.touch()
    dag = Dag(str(record))
    engine.keep_the_plan(dag, "convert")
    with ThreadPoolExecutor(1) as thread:  # a browser's test leaves a running loop in the main one

        def updated(*jobs):
            return thread.submit(asyncio.run, dag.update_checkpoint_dependencies(*jobs)).result()

        assert updated([dag.conversion]) is made
        assert updated([dag.other]) is True
        updated()
    assert dag.updated == [[dag.conversion] if made else [], [dag.other], None]
