"""Look for the launch settings with which a configuration is fastest at a batch size: enumerate, race, confirm.

The same machinery as that of the sweep and of comparisons. All settings that the framework's file declares to be worth
trying on this machine race in rounds, each in the same rounds as the default settings. Where they are too many, those
race that change one thing, and others that an optimiser proposes when it is told how these did in the first group. From
the third group on losers leave. Whoever wins meets the default once more, in fresh groups that had no part in
choosing it; only these tell how much is gained. What breaks, hangs or cannot run here leaves with its reason.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow import frameworks, wording
from dliflow.analysis import comparison, proposals, race
from dliflow.analysis.race import DEFAULT, TUNED, Settings
from dliflow.errors import Skip
from dliflow.files import digest, payload, sha256
from dliflow.machine import facts, launch
from dliflow.measuring import anchor, feed, metrics, session, turns, workers
from dliflow.records.journal import Journal
from dliflow.study import arguments as command_line
from dliflow.study import source_code

FIRST_HEAT = 4  # members, until it is known how much memory one takes
AT_ONCE = 3  # proposals, before it is looked how they do
MEMORY = 0.7  # share of what is available that workers may take
Event = dict[str, Any]
"""What became of some candidates, as the journal keeps it: `done`, whose turn it need not be again; `left`, those of
them that take no further part, each with `how` and `why`; `scores`, of those that were looked at, None where settings
change no arithmetic; and the `group`."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    launch.arguments(parser)
    feed.arguments(parser)
    turns.arguments(parser)
    anchor.arguments(parser)
    parser.add_argument("--node", required=True)
    parser.add_argument("--python", required=True, help="of the framework's environment, or a file naming it")
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--candidates", type=int, required=True, help="how many at most, the default among them")
    parser.add_argument("--groups", type=int, required=True, help="of the race, at most")
    parser.add_argument("--budget", type=float, required=True, help="seconds after which no new one of them begins")
    parser.add_argument("--sessions", type=int, required=True, help="in each group")
    parser.add_argument("--confirm-groups", type=int, required=True, help="of the winner and the default, at least")
    parser.add_argument("--confirm-budget", type=float, required=True, help="seconds after which no new one begins")
    parser.add_argument("--width", type=float, required=True, help="half of a ratio's interval that is narrow enough")
    parser.add_argument("--score-images", type=int, required=True, help="on so many scores are compared")
    parser.add_argument("--bounds", type=json.loads, required=True, help="JSON: parity's, of this precision")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the record")


def run(args: argparse.Namespace) -> None:
    """Write the record with every burst in it.

    Raises:
        DliflowError: when the default settings break, or the anchor does.
    """
    extra = {key: getattr(args, key) for key in ("node", "parameters", "batch_size")} | {"scenario": "latency"}
    description = session.described(args)
    launch.apply(args.launch)  # the workers inherit it, and the settings worth trying depend on it
    processors = facts.processors()
    valid = enumerated(args, processors)
    if len(valid) == 1:
        reason = "there are no other launch settings than the default ones that are worth trying on this machine"
        session.write_skip(args.out, "tune", description, Skip(reason), extra)
        return
    settings = named(args, valid)
    with Journal(payload(args.out, ".partial"), deciding(args, valid), np.uint8) as journal:
        with feed.shared(feed.images(args)) as inputs:
            try:
                propose = proposer(args, processors, valid)
                figures = tuned(Track(args, settings, inputs, Course(journal), propose))
            except turns.Skipped as skipped:  # the default, or the anchor
                session.write_skip(args.out, "tune", description, Skip(skipped.reason), extra)
                journal.remove()
                return
        versions = (group["members"][DEFAULT]["identity"]["framework_version"] for group in figures["race"])
        identity = {**description.identity, **extra, "framework_version": next(versions, None)}
        figures |= {"valid": len(valid), "width_asked": args.width, **feed.chosen(args)}
        session.write_record(args.out, "tune", identity, figures=figures)
        journal.remove()


def enumerated(args: argparse.Namespace, processors: facts.Processors) -> list[Settings]:
    """All settings that are valid on this machine; first those of the study, which the others change."""
    base = frameworks.settings(args.framework, args.threads, args.options)
    place = (args.precision, args.variant, args.batch_size, processors)
    every = [base]
    for changed in frameworks.candidates(args.framework, *place, args.device):
        one = frameworks.settings(args.framework, *frameworks.apart({**base, **changed}))
        if one not in every and frameworks.valid(args.framework, one, *place):
            every.append(one)
    return every


def named(args: argparse.Namespace, valid: Sequence[Settings]) -> dict[str, Settings]:
    """By name those that begin the race, the default first."""
    default, *others = race.field(valid, args.candidates, args.seed)
    return {DEFAULT: default, **{wording.settings(one): one for one in others}}


Propose = Callable[[Sequence[tuple[Settings, Optional[float]]], int], list[Settings]]
"""So many further settings, of those that raced and what came of each, as `proposals.proposed` takes it."""


def proposer(args: argparse.Namespace, processors: facts.Processors, every: Sequence[Settings]) -> Optional[Propose]:
    """What proposes settings that are valid on this machine, of the values that are worth trying; None where all that
    are enumerated race.
    """
    if len(every) <= args.candidates:
        return None
    space = frameworks.space(args.framework)
    base = frameworks.settings(args.framework, args.threads, args.options)
    tried = frameworks.values(args.framework, processors, args.device)
    values = {key: [base.get(key, space[key].default), *each] for key, each in tried.items()}
    values = {key: list(dict.fromkeys(each)) for key, each in values.items()}
    place = (args.precision, args.variant, args.batch_size, processors)

    def settings(of: Settings) -> Settings:
        return frameworks.settings(args.framework, *frameworks.apart({**base, **of}))

    def whole(of: Settings) -> Settings:
        return {key: of.get(key, space[key].default) for key in values}

    def valid(of: Settings) -> bool:
        return frameworks.valid(args.framework, settings(of), *place)

    def propose(raced: Sequence[tuple[Settings, Optional[float]]], most: int) -> list[Settings]:
        known = [(whole(one), figure) for one, figure in raced]
        return [settings(one) for one in proposals.proposed(values, known, valid, most, args.seed)]

    return propose


def deciding(args: argparse.Namespace, valid: Sequence[Settings]) -> str:
    """Digest of everything that decides what is measured; what an earlier attempt left under another one is dropped."""
    code = source_code.digest("stages.tune", "stages.worker", "stages.anchor", f"frameworks.{args.framework}")
    asked = {key: str(value) for key, value in vars(args).items()}
    files = {key: sha256(getattr(args, key)) for key in ("converted", "array", "anchor")}
    machine = facts.stable(facts.describe())  # of the whole record, which tells of one
    optimiser = proposals.version() if len(valid) > args.candidates else None
    everything = {
        "asked": asked,
        "files": files,
        "code": code,
        "valid": valid,
        "optimiser": optimiser,
        "machine": machine,
    }
    return digest(everything, 64)


class Course:
    """What happened, one line of JSON each; what happened before the job was killed is told again, not made again."""

    def __init__(self, journal: Journal):
        self.journal, self.number = journal, 0
        self.before = [json.loads(line) for line in journal.records().tobytes().splitlines()]
        if self.before:
            print(f"goes on where it stopped: {len(self.before)} groups are done", flush=True)

    def __call__(self, happen: Callable[[int], Event]) -> Event:
        """The next event.

        Args:
            happen: makes it, knowing its number.
        """
        self.number += 1
        if self.before:
            return self.before.pop(0)
        event = happen(self.number)
        self.journal.add(np.frombuffer(json.dumps(event).encode() + b"\n", np.uint8))
        self.journal.sync()
        return event


class Track:
    """Where settings race: it lets candidates and the default take turns, as many of them as the memory holds."""

    def __init__(
        self,
        args: argparse.Namespace,
        settings: Mapping[str, Settings],
        inputs: int,
        course: Course,
        propose: Optional[Propose] = None,
    ):
        """Begin.

        Args:
            settings: by name, of them the default.
            inputs: descriptor of the inputs, which the workers inherit.
            propose: further settings; None where all that are valid race.
        """
        self.args, self.settings, self.inputs, self.course = args, dict(settings), inputs, course
        self.propose, self.proposed = propose, set[str]()
        self.of_anchor = anchor.asked(args)
        self.pace = turns.Pace.of(args)
        self.scores: dict[str, dict[str, float] | None] = {}
        self.largest_mib = 0.0

    def heat(self, waiting: Sequence[str]) -> Event:
        """Measure the first of these candidates beside the default, as many as there is room for."""
        return self._next(lambda number: self._measured({name: name for name in waiting[: self.room() - 1]}, number))

    def further(self, groups: Sequence[dict[str, Any]], left: Collection[str]) -> list[str]:
        """Names of some candidates that are proposed, now that these groups are known; none where no more may race."""
        most = min(self.args.candidates - len(self.settings), AT_ONCE)
        if self.propose is None or most <= 0:
            return []
        figures = {name: race.figures(groups, name) for name in self.settings if name not in left}
        means = {DEFAULT: 0.0} | {name: float(np.mean(each)) for name, each in figures.items() if each}
        found = self.propose([(one, means.get(name)) for name, one in self.settings.items()], most)
        named = {wording.settings(one): one for one in found}
        self.settings |= named
        self.proposed |= named.keys()
        return list(named)

    def confirmation(self, winner: str) -> Event:
        """A group of the winner and the default alone."""
        return self._next(lambda number: self._measured({TUNED: winner}, number))

    def room(self) -> int:
        """Members that may live at once; a default and a candidate in any case."""
        available = facts.memory_available_mib()
        if not self.largest_mib or available is None:
            return FIRST_HEAT
        return max(2, int(MEMORY * available / self.largest_mib))

    def _next(self, happen: Callable[[int], Event]) -> Event:
        event = self.course(happen)
        self.scores |= event["scores"]
        sessions = event["group"]["sessions"] if event["group"] else []
        peaks = [opened["peak_rss_mib"] or 0.0 for one in sessions for opened in one["opened"].values()]
        self.largest_mib = max([self.largest_mib, *peaks])
        return event

    def _measured(self, members: Mapping[str, str], number: int) -> Event:
        """A group of these members, each a candidate, and the default.

        Raises:
            WorkerEnded, Skipped: when that is the default's doing, or the anchor's.
        """
        order, begun = random.Random(f"{self.args.seed}:{self.args.out}:{number}"), time.monotonic()
        commands = {DEFAULT: self._command(DEFAULT, DEFAULT)}
        commands |= {member: self._command(name, member) for member, name in members.items()}
        event: Event = {"done": [], "left": {}, "scores": {}, "group": None}
        try:
            with turns.group(commands, self.of_anchor, self.inputs, self.pace.hang_s) as running:
                event |= self._looked_at(running, [name for member, name in members.items() if member == name])
                racing = _without(running, event["left"])
                if len(racing.members) > 1:
                    watch = turns.Watch(racing)
                    sizes = dict.fromkeys(racing.members, self.args.batch_size)
                    sessions = [turns.session(racing, sizes, self.pace, order) for _ in range(self.args.sessions)]
                    event["group"] = turns.described(racing, watch.seen(), sessions, begun)
                return {**event, "done": list(members)}
        except (workers.WorkerEnded, turns.Skipped) as ended:
            if ended.name not in members:
                raise
            left = {**event["left"], members[ended.name]: _gone(ended)}
            return {**event, "done": list(left), "left": left}

    def _looked_at(self, running: turns.Group, names: Sequence[str]) -> Event:
        """Open each of these that was not seen yet, by itself: the `scores` of each, None where its settings change no
        arithmetic, and who `left`.

        So what cannot run, breaks or takes too long costs those that are to race beside it nothing.
        """
        scores: dict[str, dict[str, float] | None] = {}
        left: dict[str, dict[str, str]] = {}
        for name in names:
            if name in self.scores:
                continue
            began = time.monotonic()
            try:
                predicted = self._predicted(running, name)
            except (workers.WorkerEnded, turns.Skipped) as ended:
                left[name] = _gone(ended)
                continue
            took = time.monotonic() - began
            scores[name] = None
            if self._changes_arithmetic(name):
                scores[name] = metrics.compare(predicted, self._predicted(running, DEFAULT))
            why = self._beyond(scores[name]) or self._too_slow(took)
            left |= {name: why} if why else {}
        return {"scores": scores, "left": left}

    def _too_slow(self, opening_s: float) -> dict[str, str] | None:
        """Why a candidate leaves that would take all of the time for being opened; None where it does not."""
        whole = opening_s * race.LEAST * self.args.sessions
        if whole <= self.args.budget:
            return None
        return {
            "how": "skipped",
            "why": f"opening it takes {opening_s:.1f} s, and so do {race.LEAST} groups {whole:.0f} s for that alone, "
            f"more than tune.budget_s: {self.args.budget:g}; raise that to try it",
        }

    def _changes_arithmetic(self, name: str) -> bool:
        base, one = self.settings[DEFAULT], self.settings[name]
        space = frameworks.space(self.args.framework)
        return any(space[key].arithmetic and one.get(key) != base.get(key) for key in {*base, *one})

    def _predicted(self, running: turns.Group, member: str) -> np.ndarray:
        """Its scores, float32 (images, scores)."""
        worker = running.members[member]
        at_once = {"batch_size": self.args.batch_size, "warm_up": {"requests": 0, "limit_s": 0}}
        opened = worker.ask({"open": at_once}, self.pace.opening_limit_s)
        if "skip" in opened:
            raise turns.Skipped(member, opened["skip"])
        scores = worker.ask({"scores": {"images": self.args.score_images}}, self.pace.burst_limit_s)["scores"]
        worker.ask({"close": {}}, self.pace.hang_s)
        return np.array(scores, np.float32)

    def _beyond(self, distances: dict[str, float] | None) -> dict[str, str] | None:
        """Why a candidate leaves whose scores are so far from the default's; None where they are near enough."""
        broken = metrics.beyond(distances, self.args.bounds) if distances else []
        if not distances or not broken:
            return None
        listed = " and ".join(f"parity.{name}.{self.args.precision} = {self.args.bounds[name]:g}" for name in broken)
        return {
            "how": "other scores",
            "why": f"its scores differ from the default's by {distances['max_rel_score_diff']:.2g} of the largest, "
            f"their distance is {distances['score_distance']:.2g}, top-1 agrees on {100 * distances['agreement']:.0f} "
            f"%: beyond {listed}",
        }

    def _command(self, name: str, member: str) -> list[str]:
        """How the worker of a candidate is started."""
        keys = (
            "model",
            "framework",
            "api",
            "variant",
            "precision",
            "device",
            "converted",
            "scores",
            "launch",
            "distinct",
        )
        threads, options = frameworks.apart(self.settings[name])
        return command_line.worker(
            workers.python(self.args.python),
            self.inputs,
            **{key: getattr(self.args, key) for key in keys},
            **{"parameters": DEFAULT if member == DEFAULT else TUNED, "threads": threads, "options": options},
        )


def _gone(ended: workers.WorkerEnded | turns.Skipped) -> dict[str, str]:
    """How and why a candidate left that cannot run, or broke."""
    return {"how": "skipped" if isinstance(ended, turns.Skipped) else "failed", "why": ended.reason}


def _without(running: turns.Group, left: Collection[str]) -> turns.Group:
    """The workers of those that go on."""
    members = {name: worker for name, worker in running.members.items() if name not in left}
    ready = {name: running.ready[name] for name in members}
    return turns.Group(running.anchor, members, ready, running.anchor_ready)


def tuned(track: Track) -> dict[str, Any]:
    """The record's figures: all groups, who left and why, and what was chosen: `{}` where none was shown faster."""
    groups, left, race_stopped_by = raced(track)
    standing = {name: race.figures(groups, name) for name in track.settings if name not in {DEFAULT, *left}}
    winner = race.best(standing)
    confirm, confirm_stopped_by = confirmed(track, winner, left) if winner != DEFAULT else ([], None)
    ratio = comparison.ratio(confirm, race.PAIR) if confirm else None
    faster = ratio is not None and ratio.verdict == comparison.FIRST
    return {
        "candidates": [
            {"name": name, "settings": one, **left.get(name, {"how": None, "why": None})}
            | {"scores": track.scores.get(name), "proposed": name in track.proposed}
            for name, one in track.settings.items()
        ],
        "race": groups,
        "race_stopped_by": race_stopped_by,
        "winner": winner,
        "confirm": confirm,
        "confirm_stopped_by": confirm_stopped_by,
        "chosen": track.settings[winner] if faster else {},
        "ratio": ratio.ratio if ratio else None,
        "wall_s": sum(group["wall_s"] for group in (*groups, *confirm)),
    }


def raced(track: Track) -> tuple[list[dict[str, Any]], dict[str, dict[str, str]], str]:
    """Let all candidates race, and in the first group those that are proposed, too; its groups, those that left with
    `how` and `why`, and what ended it.

    It ends when one is left beside the default, though not before the third group, which a single candidate has, too;
    or with its last group, or with the budget.
    """
    args = track.args
    groups: list[dict[str, Any]] = []
    left: dict[str, dict[str, str]] = {}
    standing = [name for name in track.settings if name != DEFAULT]
    for number in range(args.groups):
        if number and sum(group["wall_s"] for group in groups) >= args.budget:
            return groups, left, "time"
        waiting = random.Random(f"{args.seed}:{number}").sample(standing, len(standing))
        while waiting:
            event = track.heat(waiting)
            waiting = [name for name in waiting if name not in event["done"]]
            left |= event["left"]
            groups += [event["group"]] if event["group"] else []
            if number == 0 and not waiting:
                waiting = track.further(groups, left)
                standing += waiting
        of = {name: race.figures(groups, name) for name in standing if name not in left}
        left |= {name: _slower(loss) for name, loss in race.losers(of, race.looks(args.groups)).items()}
        standing = [name for name in standing if name not in left]
        if not standing or (len(standing) == 1 and number + 1 >= race.LEAST):
            return groups, left, "one left"
    return groups, left, "groups"


def _slower(loss: race.Loss) -> dict[str, str]:
    why = f"took {loss.ratio:.3g} times as long as {loss.against} in the race (p = {loss.p:.1g})"
    return {"how": "slower", "why": why}


class Gone(Exception):
    """The winner broke after it had won."""


def confirmed(track: Track, winner: str, left: dict[str, dict[str, str]]) -> tuple[list[Mapping[str, Any]], str | None]:
    """Groups of the winner and the default, none of which had a part in choosing it, and what ended them.

    A winner that breaks is added to those that left.
    """

    def make() -> dict[str, Any]:
        event = track.confirmation(winner)
        left.update(event["left"])
        if event["group"] is None:
            raise Gone
        return event["group"]

    args = track.args
    groups: list[Mapping[str, Any]] = []
    try:
        stopped_by = comparison.until_decided(
            make, groups, [race.PAIR], args.confirm_groups, args.confirm_budget, args.width
        )
    except Gone:
        return [], None
    return groups, stopped_by
