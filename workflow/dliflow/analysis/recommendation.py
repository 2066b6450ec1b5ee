"""What to deploy under which constraints: one answer for each question, and for every constraint a reader can set.

A candidate is a configuration at a batch size; for throughput, with a number of requests in flight, too. A constraint
is a latency budget and an accepted loss of top-1, or an accepted share of images whose class changes. Each holds for a
candidate for certain, certainly not, or neither: where an interval straddles the bound, where images cannot tell what a
conversion costs, or where the machine was too busy. So the answer is `yes` with the best of those that keep all
constraints for certain, `unknown` where there is none but others may keep them, and `no` where none can. Who is better,
and what cannot be told apart, says `ranking` alone.

The answer changes only where a bound passes an end of some interval. So all answers are a table of steps, computed
here, in which whoever shows them looks them up: with a bound, the last step that begins at or below it; without one,
the last step. No words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple, Optional

from dliflow.analysis import doubts, strain
from dliflow.analysis.columns import CONFIGURATION, POINT
from dliflow.analysis.quality import DISAGREEMENT, LOSS, NOTHING_KNOWN, Bounds, Quality, quality
from dliflow.analysis.ranking import SLOWER, TIE, UNDECIDED, Figure, More, Ranking, Standing, interval
from dliflow.analysis.rows import Row, Rows, grouped, key
from dliflow.analysis.tables.accuracy import ACCEPTED_LOSS

YES, NO, UNKNOWN = "yes", "no", "unknown"
LATENCY, FPS, THROUGHPUT, MEMORY = "latency", "fps", "throughput", "memory"  # what may be asked for
OBJECTIVES = (LATENCY, FPS, THROUGHPUT, MEMORY)
PLACE = ("model", "device", "node")  # what rows of performance and of throughput have in common
MACHINE = "machine"  # why an answer is not known, beside LATENCY and LOSS or DISAGREEMENT


class Candidate(NamedTuple):
    """A configuration at a batch size, with one request after another or with several in flight."""

    standing: Standing
    """With several in flight the latency is their mean under that load, and the verdict is empty."""
    position: int
    """In the ranking of its batch size; with several in flight, among them."""
    quality: Quality
    memory: Optional[Bounds]
    """The peak of its processes, MiB: the least and the largest of the sessions; None where nothing tells."""
    busy: bool
    """Whether the machine was too busy at its batch size, so that its latency is not known."""

    @property
    def row(self) -> Row:
        """Of performance.csv; with several in flight of throughput.csv."""
        return self.standing.row

    @property
    def in_flight(self) -> Optional[int]:
        """Requests at a time; None where they come one after another."""
        return self.row.get("in_flight")

    @property
    def rate(self) -> Figure:
        """Images per second."""
        return self.standing.fps.times(self.in_flight or 1)

    @property
    def size(self) -> int:
        """Its batch size."""
        return int(self.row["batch_size"])

    @property
    def latency(self) -> Bounds:
        """At the reference state, ms."""
        interval = self.standing.latency.interval
        return NOTHING_KNOWN if self.busy or interval is None else Bounds(*interval)


class Outcome(NamedTuple):
    """An answer. Candidates are named by their place in the recommendation's list."""

    objective: str
    answer: str
    """`yes`, `no` or `unknown`."""
    best: Optional[int] = None
    """Who is recommended; where the answer is `unknown`, the best of those that may keep the constraints. None for
    `no`, and where the machine was too busy to say who is best."""
    ties: Sequence[int] = ()
    """Those as fit that were measured together with it without a difference shown."""
    undecided: Sequence[int] = ()
    """Those as fit that were measured at other times, and whose intervals do not tell them from it."""
    perhaps: Optional[int] = None
    """Who would be recommended if it kept the constraints, which is not known."""
    why: Sequence[str] = ()
    """Why it is not known, of `perhaps` where there is one: LATENCY, LOSS or DISAGREEMENT, MACHINE."""
    more: Optional[More] = None
    """What would tell the ties apart."""


class Step(NamedTuple):
    """Of a table: the answer from a latency budget on."""

    budget_ms: Optional[float]
    """None: without a budget, where that is another answer than with any."""
    outcome: Outcome


class Steps(NamedTuple):
    """From an accepted share on, the answers by latency budget, in rising order."""

    share: float
    by_budget: list[Step]


Asked = tuple[str, Optional[int], str]
"""What is asked for (of OBJECTIVES), a batch size or None for any, and LOSS or DISAGREEMENT."""


class Goal(NamedTuple):
    """A reader's own constraint; None where there is none."""

    latency_ms: Optional[float] = None
    batch_size: Optional[int] = None
    loss: Optional[float] = None
    disagreement: Optional[float] = None
    objective: Optional[str] = None

    @classmethod
    def of(cls, text: str) -> Goal:
        """That of a command line: JSON of what of the config's goal is set."""
        return cls(**json.loads(text))

    @property
    def asked(self) -> Asked:
        """In which table the answer stands."""
        kind = LOSS if self.disagreement is None else DISAGREEMENT
        return self.objective or LATENCY, self.batch_size, kind

    @property
    def accepted(self) -> Optional[float]:
        """Of top-1, or of images whose class changes."""
        return self.loss if self.disagreement is None else self.disagreement


QUESTIONS = {
    "lowest_latency": Goal(objective=LATENCY),
    "highest_fps": Goal(objective=FPS),
    "highest_throughput": Goal(objective=THROUGHPUT),
    "smallest_memory": Goal(objective=MEMORY),
}
# Every question with whatever loss of top-1, and within what the methodology accepts.
ASKED = {**QUESTIONS, **{f"{name}_within": goal._replace(loss=ACCEPTED_LOSS) for name, goal in QUESTIONS.items()}}


class Contest:
    """Candidates for one objective, at one batch size or at any, the best first.

    At a batch size the order is that of the ranking. Over several of them the best of each is compared, so nobody
    counts as better than what ranking calls the fastest of its batch size.

    A set of candidates is a whole number here, in which the bit 0 stands for the first of the order: thousands of
    constraints are decided, and each of them asks who is in two sets, and which of these comes first.
    """

    def __init__(self, candidates: Sequence[Candidate], objective: str, size: Optional[int], of: Ranking, busy: bool):
        self.candidates, self.objective, self.of = candidates, objective, of
        self.withheld = busy and objective != MEMORY
        chosen = [place for place, one in enumerate(candidates) if size in (None, one.size) and self._takes(one)]
        self.order = sorted(chosen, key=self._key)
        self._beside_best: dict[int, tuple[int, int]] = {}
        self._decided: dict[tuple, Outcome] = {}

    def _takes(self, one: Candidate) -> bool:
        if self.objective == THROUGHPUT:
            return one.in_flight is not None
        return one.in_flight is None and (self.objective != MEMORY or one.memory is not None)

    def _key(self, place: int) -> tuple:
        one = self.candidates[place]
        latency = one.standing.latency.value
        if self.objective == MEMORY:
            assert one.memory is not None
            return one.memory.high, latency, place
        if self.objective == THROUGHPUT:
            return 1 / one.rate.value, one.position
        first = self.of.sizes[one.size][0].latency.value
        return max(latency, first) / self._images(one), one.size, one.position

    def _images(self, one: Candidate) -> int:
        """By how many a latency is divided."""
        return 1 if self.objective == LATENCY else one.size * (one.in_flight or 1)

    def verdict(self, one: Candidate, best: Candidate) -> str:
        """On a candidate beside the best one: TIE, UNDECIDED or SLOWER, which here stands for worse, too."""
        if self.objective == MEMORY:
            assert one.memory is not None and best.memory is not None
            return SLOWER if one.memory.low > best.memory.high else UNDECIDED
        weight = self._images(best) / self._images(one)
        return self.of.beside(one.standing, best.standing, rounds=self.objective != THROUGHPUT).verdict(weight)

    def decide(self, fits: Fits, keeps: Fits, kind: str) -> Outcome:
        """The answer under constraints.

        Args:
            fits: who keeps the latency budget.
            keeps: who keeps the bound of quality, which is of this kind.
        """
        certain, possible = fits.certain & keeps.certain, fits.possible & keeps.possible
        if not possible:
            return Outcome(self.objective, NO)
        if self.withheld:
            return Outcome(self.objective, UNKNOWN, why=(MACHINE,))
        first = leading(possible)
        why = tuple(reason for reason, one in ((LATENCY, fits), (kind, keeps)) if not one.certain >> first & 1)
        if not certain:
            return self._named(UNKNOWN, first, possible, None, why)
        best = leading(certain)
        return self._named(YES, best, certain, *((None, ()) if first == best else (first, why)))

    def _named(self, answer: str, best: int, among: int, perhaps: Optional[int], why: tuple[str, ...]) -> Outcome:
        """An outcome with those who stand beside the best one; numbers are places in the order."""
        ties, undecided = (beside & among for beside in self._beside(best))
        known = (answer, best, ties, undecided, perhaps, why)
        if known not in self._decided:
            level, apart = self._places(ties), self._places(undecided)
            more = self._more(self.order[best], level) if self.objective != MEMORY else None
            named = None if perhaps is None else self.order[perhaps]
            self._decided[known] = Outcome(self.objective, answer, self.order[best], level, apart, named, why, more)
        return self._decided[known]

    def _beside(self, best: int) -> tuple[int, int]:
        """Those that are not told apart from the best one: by rounds, and by separate measurements."""
        if best not in self._beside_best:
            verdicts = [self.verdict(self.candidates[place], self.candidates[self.order[best]]) for place in self.order]
            verdicts[best] = SLOWER  # not beside itself
            self._beside_best[best] = (members(one == TIE for one in verdicts),
                                       members(one == UNDECIDED for one in verdicts))  # fmt: skip
        return self._beside_best[best]

    def _places(self, among: int) -> tuple[int, ...]:
        return tuple(place for number, place in enumerate(self.order) if among >> number & 1)

    def _more(self, best: int, ties: Sequence[int]) -> Optional[More]:
        return self.of.more_of([self.candidates[place].standing for place in (best, *ties)]) if ties else None


class Fits(NamedTuple):
    """Who keeps a constraint, as sets of a contest: for certain, and who may."""

    certain: int
    possible: int


def members(chosen: Iterable[bool]) -> int:
    """Those of an order that are chosen, as a set."""
    return sum(1 << number for number, one in enumerate(chosen) if one)


def fits(bounds: Sequence[Bounds], limit: float) -> Fits:
    """Who of an order stays at or below a limit; `inf` is none."""
    return Fits(members(one.high <= limit for one in bounds), members(one.low <= limit for one in bounds))


def leading(among: int) -> int:
    """The first of a set that is not empty."""
    return (among & -among).bit_length() - 1


def ends(bounds: Iterable[Bounds], most: float = math.inf) -> list[float]:
    """Where a constraint's fits change, from 0 on, in rising order."""
    return sorted({0.0, *(end for one in bounds for end in one if end < most)})


def steps(contest: Contest, kind: str) -> list[Steps]:
    """All answers of a contest: for accepted shares from 0 on, by latency budget; neighbours differ."""
    chosen = [contest.candidates[place] for place in contest.order]
    latencies, costs = [one.latency for one in chosen], [one.quality.within(kind) for one in chosen]
    by_budget = [(budget, fits(latencies, budget)) for budget in (*ends(latencies), math.inf)]
    table = []
    for share in ends(costs, 1 + 1e-9):
        keeps = fits(costs, share)
        row = [(budget, contest.decide(within, keeps, kind)) for budget, within in by_budget]
        merged = first_of_runs(row, lambda one: one[1])
        table.append(Steps(share, [Step(None if budget == math.inf else budget, each) for budget, each in merged]))
    return first_of_runs(table, lambda one: one.by_budget)


def first_of_runs(items: Iterable[Any], same: Callable[[Any], Any]) -> list[Any]:
    """Of neighbours of which this is the same, the first."""
    return [next(run) for _, run in groupby(items, same)]


def lookup(table: Sequence[Steps], budget_ms: Optional[float], share: Optional[float]) -> Outcome:
    """The answer under a constraint: the last step that begins at or below it; without one the last of all."""
    row = [one for one in table if share is None or one.share <= share][-1].by_budget
    known = [one for one in row if budget_ms is None or (one.budget_ms is not None and one.budget_ms <= budget_ms)]
    return known[-1].outcome


class Recommendation:
    """What to deploy of a model on a device of a node.

    Attributes:
        of: its ranking.
        candidates: all that have figures.
        busy: whether the machine was too busy to say who is fastest, at some batch size or between them.
    """

    def __init__(self, of: Ranking, candidates: Sequence[Candidate], busy: bool):
        self.of, self.candidates, self.busy = of, candidates, busy

    @cached_property
    def tables(self) -> dict[Asked, list[Steps]]:
        """The steps of everything that can be asked."""
        return {asked: steps(contest, asked[2]) for asked, contest in self._contests()}

    def _contests(self) -> Iterator[tuple[Asked, Contest]]:
        for objective in OBJECTIVES:
            loaded = objective == THROUGHPUT
            those = [one for one in self.candidates if (one.in_flight is not None) == loaded]
            sizes = {
                size: any(one.busy for one in those if one.size == size) for size in sorted({one.size for one in those})
            }
            every = any(sizes.values()) if loaded else self.busy
            for size, busy in ((None, every), *sizes.items()):
                contest = Contest(self.candidates, objective, size, self.of, busy)
                if contest.order:
                    yield from (((objective, size, kind), contest) for kind in (LOSS, DISAGREEMENT))

    def answer(self, goal: Goal) -> Optional[Outcome]:
        """To a constraint; None where nothing was measured that could tell."""
        table = self.tables.get(goal.asked)
        return None if table is None else lookup(table, goal.latency_ms, goal.accepted)

    def deployed(self, one: Candidate) -> Optional[Candidate]:
        """The candidate whose files are deployed: itself, or what it is with one request after another."""
        if one.in_flight is None:
            return one
        same = (*CONFIGURATION, "node", "parameters", "batch_size")
        alone = (other for other in self.candidates if other.in_flight is None)
        return next((other for other in alone if key(other.row, same) == key(one.row, same)), None)


class Recommended(NamedTuple):
    """A row that is recommended."""

    row: Row
    """Of performance.csv."""
    asked: list[str]
    """What it is the answer to: `goal`, or of ASKED."""
    loads: Rows
    """Of throughput.csv, the rows that were meant where it is the answer with several requests in flight."""


def recommended(of: Recommendation, goal: Optional[Goal] = None) -> list[Recommended]:
    """The rows that are recommended, each once: for the goal, then for each question, with whatever loss and within
    what the methodology accepts. None of them is no better than guessing.
    """
    asked_of: dict[tuple, Recommended] = {}
    for name, asked in {**({"goal": goal} if goal else {}), **ASKED}.items():
        outcome = of.answer(asked)
        meant = None if outcome is None or outcome.best is None else of.candidates[outcome.best]
        best = meant and of.deployed(meant)
        if meant is None or best is None or best.quality.chance:
            continue
        one = asked_of.setdefault(key(best.row, POINT), Recommended(best.row, [], []))
        one.asked.append(name)
        if meant.in_flight is not None and meant.row not in one.loads:
            one.loads.append(meant.row)
    return list(asked_of.values())


def recommendations(
    rankings: Mapping[tuple, Ranking], accuracy: Rows, measurements: Rows, rounds: Rows, throughput: Rows
) -> dict[tuple, Recommendation]:
    """Of a study, by the values of `SETTING`; a setting without figures has none.

    Args:
        rankings: of the study, by the same values.
        accuracy, measurements, rounds, throughput: the rows of accuracy.csv, measurements.csv, rounds.csv and
            throughput.csv.
    """
    strains = strain.Strains.of(measurements, rounds)
    quality_of: dict[tuple, Quality] = {}
    for row in accuracy:
        if row["status"] == "ok":
            quality_of.setdefault(key(row, CONFIGURATION), quality(row))
    loaded = grouped((row for row in throughput if row["status"] == "ok" and row["images_per_s"]), PLACE)
    result = {}
    for setting, of in rankings.items():
        busy = {size: any(one.doubtful for one in of_size) for size, of_size in strains.of_ranking(of).items()}
        candidates = [
            Candidate(
                one,
                position,
                quality_of.get(key(one.row, CONFIGURATION), quality(None)),
                memory(one.row, strains.measurements_of(one.row)),
                busy[size],
            )
            for size, standings in of.sizes.items()
            for position, one in enumerate(standings)
        ]
        for position, row in enumerate(loaded.get(key(of.first_row, PLACE), [])):
            known = quality_of.get(key(row, CONFIGURATION), quality(None))
            doubtful = doubts.DOUBTFUL in (row["warnings"] or "")
            candidates.append(Candidate(under_load(row), position, known, None, doubtful))
        result[setting] = Recommendation(of, candidates, any(busy.values()))
    return result


def under_load(row: Row) -> Standing:
    """What is quoted of a row of throughput.csv.

    So many requests are always in flight. So what each takes in the mean is their number over how many end in a second
    (J. D. C. Little, Operations Research 9, 1961), with the same uncertainty.
    """
    rate = Figure(row["images_per_s"], interval(row["images_per_s_ci_low"], row["images_per_s_ci_high"]))
    latency = rate.inverse.times(row["in_flight"] * row["batch_size"] * 1e3)
    return Standing(row, "", latency, Figure(math.nan), rounds=False)


def memory(row: Row, measurements: Rows) -> Optional[Bounds]:
    """The peak resident memory of a configuration at a batch size, MiB: the least and the largest of its sessions."""
    if row["peak_rss_mib"] is None:
        return None
    peaks = [one["peak_rss_mib"] for one in measurements if one["peak_rss_mib"] is not None]
    return Bounds(min(peaks, default=row["peak_rss_mib"]), row["peak_rss_mib"])
