"""Enumerate, race, confirm: who takes part, who leaves and why, what is chosen, what a kill costs. No processes."""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
from types import SimpleNamespace

import nested
import numpy as np
import pytest

from dliflow import frameworks
from dliflow.analysis import race
from dliflow.machine.facts import Processors
from dliflow.measuring import anchor, turns
from dliflow.measuring.workers import WorkerEnded
from dliflow.records.journal import Journal
from dliflow.stages import tune

MACHINE = Processors(cores=4, cpus=8, flags=frozenset(), hybrid=False)
ARGS = {"groups": 5, "budget": 1e9, "seed": 0, "confirm_groups": 3, "confirm_budget": 1e9, "width": 0.02}
SD = (0.005, 0.005, 0.005)


def asked(**changes):
    fixed = {"framework": "openvino", "api": "python", "precision": "fp32", "variant": "default", "batch_size": 1}
    return argparse.Namespace(**{**fixed, "device": "cpu", "threads": None, "options": {}, **changes})


def test_what_is_enumerated_is_valid_and_changes_what_the_study_asks_for():
    of = asked()
    plain = tune.enumerated(of, MACHINE)
    assert plain == frameworks.candidates(of.framework, of.precision, of.variant, of.batch_size, MACHINE)
    assert plain[0] == {}
    changed = tune.enumerated(asked(threads=2, options={"pinning": False}), MACHINE)
    assert changed[0] == {"threads": 2, "pinning": False}
    assert {"threads": 2, "streams": 2, "pinning": False} in changed
    assert all(one["pinning"] is False and one["threads"] for one in changed)
    assert all(changed.count(one) == 1 for one in changed)
    assert not any(one.get("streams", 1) > one["threads"] for one in changed)  # more streams than threads are not valid


class Fake:
    """A track on which each candidate takes a known time, breaks as asked, and starts no process."""

    def __init__(self, truth, heats=99, faults=(), seed=0, later=(), **changes):
        """Of logarithms of ratios to the default by name; faults by name and group: what happens then; likewise those
        that are proposed later, one at a time.
        """
        self.args = argparse.Namespace(**{**ARGS, "seed": seed, **changes})
        self.truth, self.heats, self.faults = dict(truth), heats, dict(faults)
        self.settings = {race.DEFAULT: {}, **{name: {"threads": name} for name in self.truth}}
        self.scores, self.had, self.number = {}, dict.fromkeys(self.truth, 0), 0
        self.later, self.proposed, self.known = dict(later), set(), []

    def further(self, groups, left):
        self.known.append((len(groups), sorted(left)))
        if not self.later:
            return []
        name = next(iter(self.later))
        self.truth[name], self.had[name], self.settings[name] = self.later.pop(name), 0, {"threads": name}
        self.proposed.add(name)
        return [name]

    def heat(self, waiting):
        names = waiting[: self.heats]
        for name in names:
            self.had[name] += 1
            if (name, self.had[name]) in self.faults:
                how = self.faults[name, self.had[name]]
                return {"done": [name], "left": {name: {"how": how, "why": f"it {how}"}}, "scores": {}, "group": None}
        return self._event(names, {name: self.truth[name] for name in names})

    def confirmation(self, winner):
        if (winner, "confirm") in self.faults:
            gone = {winner: {"how": "failed", "why": "it broke later"}}
            return {"done": [], "left": gone, "scores": {}, "group": None}
        return self._event([race.TUNED], {race.TUNED: self.truth[winner]})

    def _event(self, done, levels):
        self.number += 1
        latency = {name: (lambda state, level=level: 5 * math.exp(level + state)) for name, level in levels.items()}
        members = {race.DEFAULT: lambda state: 5 * math.exp(state), **latency}
        (group,) = nested.groups(members, 1, sd=SD, seed=1000 * self.args.seed + self.number)
        return {"done": list(done), "left": {}, "scores": {}, "group": {**group, "wall_s": 10.0}}


def test_the_fastest_wins_the_far_ones_leave_and_fresh_groups_tell_the_gain():
    fake = Fake({"a": -0.2, "b": -0.01, "c": 0.7, "d": 0.9})
    figures = tune.tuned(fake)
    assert figures["winner"] == "a" and figures["chosen"] == {"threads": "a"}
    assert figures["race_stopped_by"] == "one left"
    assert {one["name"]: one["how"] for one in figures["candidates"]} == {
        race.DEFAULT: None,
        "a": None,
        **dict.fromkeys("bcd", "slower"),
    }
    assert "times as long as a in the race" in figures["candidates"][-1]["why"]
    assert figures["ratio"] == pytest.approx(math.exp(-0.2), rel=0.02)
    assert len(figures["confirm"]) >= 3
    assert not {id(group) for group in figures["confirm"]} & {id(group) for group in figures["race"]}


def test_what_is_proposed_in_the_first_group_races_like_the_others():
    fake = Fake({"a": -0.1, "b": 0.0}, faults={("b", 1): "failed"}, later={"c": -0.4, "d": 0.9})
    figures = tune.tuned(fake)
    assert fake.known == [(1, ["b"]), (2, ["b"]), (3, ["b"])]  # asked after each heat of the first group, and no more
    assert figures["winner"] == "c" and figures["chosen"] == {"threads": "c"}
    assert {one["name"]: one["proposed"] for one in figures["candidates"]} == {
        **{race.DEFAULT: False, "a": False, "b": False},
        **{"c": True, "d": True},
    }
    assert len(race.figures(figures["race"], "c")) == len(race.figures(figures["race"], "a"))  # no group less


def test_a_single_candidate_is_not_judged_by_one_group():
    figures = tune.tuned(Fake({"a": -0.1}))
    assert (len(figures["race"]), figures["race_stopped_by"], figures["winner"]) == (3, "one left", "a")


def test_the_default_s_victory_needs_no_confirmation():
    figures = tune.tuned(Fake({"a": 0.2, "b": 0.4}))
    assert (figures["winner"], figures["chosen"], figures["confirm"], figures["ratio"]) == (race.DEFAULT, {}, [], None)


def test_settings_that_change_nothing_are_hardly_ever_chosen():
    """The winner of six that are the same as the default looks faster in the race; fresh groups do not say so."""
    found = [tune.tuned(Fake(dict.fromkeys("abcdef", 0.0), seed=seed)) for seed in range(60)]
    raced = [race.ratio(race.figures(one["race"], one["winner"]))[0] for one in found if one["confirm"]]
    assert np.mean(np.log(raced)) < -0.002  # what the race says of its winner is biased
    assert abs(np.mean([math.log(one["ratio"]) for one in found if one["confirm"]])) < 0.002
    assert sum(bool(one["chosen"]) for one in found) <= 5  # 1.5 are to be expected


def test_what_breaks_or_cannot_leaves_with_its_reason_and_the_rest_goes_on_in_heats():
    faults = {("a", 2): "failed", ("b", 1): "skipped", ("c", 1): "other scores"}
    fake = Fake({"a": -0.3, "b": -0.3, "c": -0.3, "d": -0.1, "e": 0.0}, heats=2, faults=faults)
    figures = tune.tuned(fake)
    how = {one["name"]: (one["how"], one["why"]) for one in figures["candidates"]}
    assert how["a"] == ("failed", "it failed")
    assert how["b"] == ("skipped", "it skipped")
    assert how["c"] == ("other scores", "it other scores")
    assert figures["winner"] == "d"
    assert len(race.figures(figures["race"], "d")) == len(race.figures(figures["race"], "e")) >= 3


def test_a_winner_that_breaks_later_is_not_chosen():
    figures = tune.tuned(Fake({"a": -0.3, "b": 0.5}, faults={("a", "confirm"): None}))
    assert (figures["chosen"], figures["confirm"], figures["ratio"]) == ({}, [], None)
    assert figures["candidates"][1]["how"] == "failed" and figures["candidates"][1]["why"] == "it broke later"


@pytest.mark.parametrize(("changes", "why", "groups"), [({"budget": 15.0}, "time", 2), ({}, "groups", 5)])
def test_a_race_ends_with_its_groups_or_its_budget(changes, why, groups):
    fake = Fake({"a": -0.1, "b": -0.1}, **changes)
    found, left, stopped_by = tune.raced(fake)
    assert (len(found), left, stopped_by) == (groups, {}, why)


def test_what_happened_before_a_kill_is_told_again_and_not_made_again(tmp_path):
    made = []

    def happen(number):
        made.append(number)
        return {"number": number}

    with Journal(tmp_path / "partial", "key", np.uint8) as journal:
        course = tune.Course(journal)
        assert [course(happen) for _ in range(2)] == [{"number": 1}, {"number": 2}]
    with Journal(tmp_path / "partial", "key", np.uint8) as journal:
        course = tune.Course(journal)
        assert [course(happen) for _ in range(3)] == [{"number": 1}, {"number": 2}, {"number": 3}]
    assert made == [1, 2, 3]
    with Journal(tmp_path / "partial", "another", np.uint8) as journal:
        assert tune.Course(journal).before == []


# --- The track, on workers that are none ------------------------------------------------------------------------------

SETTINGS = {race.DEFAULT: {}, "channels_last=true": {"channels_last": True}, "threads=1": {"threads": 1}}
BOUNDS = {"tolerance": 1e-4, "distance": None, "agreement": None}


class Worker:
    """Answers what a session of its scores is asked."""

    def __init__(self, name, scores, open_for):
        self.name, self.scores, self.open_for = name, scores, open_for

    def ask(self, request, limit_s):
        (kind,) = request
        if self.scores == "breaks":
            raise WorkerEnded(self.name, "it broke when it was opened")
        if self.scores == "skips" and kind == "open":
            return {"skip": "not on this machine"}
        if kind == "open":
            self.open_for()
        return {"scores": self.scores} if kind == "scores" else {}


@pytest.fixture
def track(monkeypatch, tmp_path):
    """A track of PyTorch whose groups have these workers, or fail to start; and who gave bursts in each group."""

    def make(scores, ends=None, peak_mib=100.0, takes=(), budget=60.0):
        together, now = [], [0.0]

        def pass_by(name):
            now[0] += dict(takes).get(name, 0.0)

        def members(commands):
            return {
                name: Worker(name, scores.get(name, [[1.0, 2.0]]), functools.partial(pass_by, name))
                for name in commands
            }

        @contextlib.contextmanager
        def group(commands, of_anchor, inputs, hang_s):
            if ends is not None and ends.name in commands:
                raise ends
            yield turns.Group(None, members(commands), {name: {} for name in commands}, {})

        def session(running, sizes, pace, order):
            together.append(sorted(sizes))
            return {"opened": {name: {"peak_rss_mib": peak_mib} for name in sizes}}

        monkeypatch.setattr(turns, "group", group)
        monkeypatch.setattr(turns, "session", session)
        monkeypatch.setattr(turns, "Watch", lambda running: SimpleNamespace(seen=dict))
        for module in (tune, turns):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
        monkeypatch.setattr(anchor, "file", lambda manifest: "anchor")
        monkeypatch.setattr(tune.facts, "memory_available_mib", lambda: 1000)
        pace = {"rounds": 1, "burst_requests": 1, "burst_limit": 1.0, "warmup_requests": 1, "warmup_limit": 1.0}
        model = {"model": "m", "device": "cpu", "converted": "m.json", "scores": 2, "launch": {}, "distinct": None}
        model["anchor_device"] = "cpu"
        args = asked(framework="pytorch", python="python", anchor_python="python", anchor="a", sessions=1, seed=0)
        args = argparse.Namespace(**{**vars(args), **pace, **model, "hang": 1.0, "out": "x", "score_images": 1},
                                  bounds=BOUNDS, budget=budget)  # fmt: skip
        journal = Journal(tmp_path / "partial", "key", np.uint8)
        made = tune.Track(args, SETTINGS, 0, tune.Course(journal))
        made.together = together
        return made

    return make


def test_settings_that_may_change_arithmetic_are_held_by_the_bounds_of_parity(track):
    made = track({"channels_last=true": [[1.0, 2.1]]})
    event = made.heat(["channels_last=true", "threads=1"])
    assert event["done"] == ["channels_last=true", "threads=1"]
    (gone,) = event["left"].items()
    assert gone[0] == "channels_last=true" and gone[1]["how"] == "other scores"
    assert "0.05 of the largest" in gone[1]["why"] and "parity.tolerance.fp32 = 0.0001" in gone[1]["why"]
    assert made.together == [["default", "threads=1"]]
    assert made.scores["threads=1"] is None  # threads change no arithmetic
    assert made.scores["channels_last=true"]["max_rel_score_diff"] == pytest.approx(0.05)
    assert made.heat(["channels_last=true"])["scores"] == {}  # looked at once


def test_the_same_scores_stay(track):
    event = track({}).heat(["channels_last=true"])
    assert event["left"] == {} and event["scores"]["channels_last=true"]["max_rel_score_diff"] == 0


@pytest.mark.parametrize(("does", "how"), [("breaks", "failed"), ("skips", "skipped")])
def test_what_cannot_be_opened_leaves_before_and_costs_the_others_nothing(track, does, how):
    made = track({"channels_last=true": does})
    event = made.heat(["channels_last=true", "threads=1"])
    assert {name: one["how"] for name, one in event["left"].items()} == {"channels_last=true": how}
    assert event["done"] == ["channels_last=true", "threads=1"]
    assert made.together == [["default", "threads=1"]]  # in the same group


def test_what_would_take_all_the_time_for_being_opened_leaves_with_what_to_raise(track):
    event = track({}, takes={"channels_last=true": 0.2}, budget=0.3).heat(["channels_last=true", "threads=1"])
    assert list(event["left"]) == ["channels_last=true"]
    assert "more than tune.budget_s: 0.3; raise that to try it" in event["left"]["channels_last=true"]["why"]


def test_no_more_are_proposed_than_may_race_and_what_left_is_told(track):
    asked_for = []

    def propose(raced, most):
        asked_for.append((raced, most))
        return [{"threads": 2 + number + len(raced)} for number in range(most)]

    made = track({})
    made.propose, made.args.candidates = propose, len(SETTINGS) + tune.AT_ONCE + 1
    assert made.further([], {"channels_last=true": {}}) == ["threads=5", "threads=6", "threads=7"]
    assert asked_for == [([({}, 0.0), ({"channels_last": True}, None), ({"threads": 1}, None)], tune.AT_ONCE)]
    assert made.further([], {}) == ["threads=8"]
    assert made.further([], {}) == []
    assert made.proposed == {f"threads={number}" for number in (5, 6, 7, 8)} < set(made.settings)


@pytest.mark.parametrize("study", [{}, {"threads": 2, "options": {"io_binding": True}}])
def test_what_is_proposed_is_new_valid_on_this_machine_and_keeps_what_the_study_asks_for(study):
    machine = Processors(cores=14, cpus=20, flags=frozenset(), hybrid=True)
    of = asked(framework="onnxruntime", candidates=24, seed=0, **study)
    every = tune.enumerated(of, machine)
    assert len(every) > of.candidates
    field = list(tune.named(of, every).values())
    assert 10 < len(field) < of.candidates
    raced = [(one, 0.01 * number) for number, one in enumerate(field)]
    raced[1] = (field[1], None)  # it broke
    assert tune.proposer(of, machine, every[: of.candidates]) is None
    found = tune.proposer(of, machine, every)(raced, 5)
    assert len(found) == 5 and found == tune.proposer(of, machine, every)(raced, 5)
    place = (of.precision, of.variant, of.batch_size, machine)
    for number, one in enumerate(found):
        assert one not in field and one not in found[:number]
        assert frameworks.valid(of.framework, one, *place)
        assert not field[1].items() <= one.items()
        assert not study or one["io_binding"]


def test_the_memory_bounds_how_many_live_at_once(track):
    made = track({}, peak_mib=350.0)
    assert made.room() == tune.FIRST_HEAT
    made.heat(["threads=1"])
    assert made.room() == 2  # 700 of 1,000 MiB
    made.heat(["threads=1", "channels_last=true"])
    assert made.together[-1] == ["default", "threads=1"]


@pytest.mark.parametrize(
    ("ended", "how"),
    [(WorkerEnded("threads=1", "it died"), "failed"), (turns.Skipped("threads=1", "not here"), "skipped")],
)
def test_a_candidate_that_does_not_come_up_leaves_and_who_was_with_it_does_not(track, ended, how):
    event = track({}, ends=ended).heat(["threads=1", "channels_last=true"])
    assert event["done"] == ["threads=1"]
    assert event["left"] == {"threads=1": {"how": how, "why": ended.reason}}


def test_a_default_that_breaks_is_the_job_s_end(track):
    with pytest.raises(WorkerEnded, match="default: it died"):
        track({}, ends=WorkerEnded(race.DEFAULT, "it died")).heat(["threads=1"])
