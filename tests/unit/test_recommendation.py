"""What to deploy under constraints: steps looked up say what a decision for each constraint says."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from study_rows import called, in_flight, in_rounds, point, quality, tables_of, whole

from dliflow.analysis import ranking
from dliflow.analysis import recommendation as recommending
from dliflow.analysis.quality import DISAGREEMENT, LOSS, NOT_COMPARED
from dliflow.analysis.quality import quality as quality_of
from dliflow.analysis.recommendation import (
    FPS,
    LATENCY,
    MEMORY,
    NO,
    THROUGHPUT,
    UNKNOWN,
    YES,
    Goal,
)
from dliflow.report import answer

SURE = (-0.005, 0.0, 0.005)  # loses no more than 0.5 %
VAGUE = (-0.09, -0.02, 0.05)  # between nothing and 9 %
WORSE = (-0.3, -0.2, -0.1)
CHANCE = {"warnings": "top-1 looks like chance (0 of 20 right, 3 classes)"}


def of(tables):
    """The recommendation of the only setting."""
    (only,) = answer.recommendations(tables).values()
    return only


def name(recommendation, place):
    """`a-int8:1`; None stays."""
    if place is None:
        return None
    row = recommendation.candidates[place].row
    return f"{row['framework']}-{row['precision']}:{row['batch_size']}"


def told(recommendation, **goal):
    """The answer, who is recommended and who perhaps."""
    outcome = recommendation.answer(Goal(**goal))
    return outcome.answer, name(recommendation, outcome.best), name(recommendation, outcome.perhaps)


def table(recommendation, objective=LATENCY, size=None, kind=LOSS):
    """Steps in short: by share, for each budget the answer and who is recommended."""
    short = {}
    for steps in recommendation.tables[(objective, size, kind)]:
        short[steps.share] = [
            (one.budget_ms, one.outcome.answer, name(recommendation, one.outcome.best)) for one in steps.by_budget
        ]
    return short


def test_one_configuration_has_the_ends_of_its_interval_for_steps(tmp_path):
    one = of(tables_of([point("a", 1, [1.0, 1.2], peak_rss_mib=90.0)], [quality("a")], tmp_path))
    expected = {0.0: [(0.0, NO, None), (1.0, UNKNOWN, "a-fp32:1"), (1.2, YES, "a-fp32:1")]}
    assert [table(one, objective) for objective in (LATENCY, FPS, MEMORY)] == [expected] * 3
    assert [told(one, latency_ms=budget)[0] for budget in (0.99, 1.0, 1.19, 1.2, None)] == [
        *(NO, UNKNOWN, UNKNOWN, YES, YES)
    ]


def test_without_an_interval_no_budget_is_kept_for_certain(tmp_path):
    one = of(tables_of([point("a", 1, [1.0])], [quality("a")], tmp_path))
    assert table(one)[0.0] == [(0.0, UNKNOWN, "a-fp32:1"), (None, YES, "a-fp32:1")]
    assert told(one, latency_ms=1e9)[0] == UNKNOWN


def test_where_images_cannot_tell_the_original_is_recommended_and_the_faster_one_perhaps(tmp_path):
    points = [point("a", 1, [1.0, 1.1], "int8"), point("a", 1, [3.0, 3.3])]
    one = of(tables_of(points, [quality("a", "int8", change=VAGUE), quality("a")], tmp_path))
    assert list(table(one)) == pytest.approx([0.0, 0.09])
    assert told(one, loss=0.01) == (YES, "a-fp32:1", "a-int8:1")
    assert one.answer(Goal(loss=0.01)).why == (LOSS,)
    assert told(one, loss=0.0901) == told(one) == (YES, "a-int8:1", None)
    assert told(one, loss=0.01, latency_ms=2) == (UNKNOWN, "a-int8:1", None)
    assert told(one, loss=0.01, latency_ms=1.05) == (UNKNOWN, "a-int8:1", None)
    assert one.answer(Goal(loss=0.01, latency_ms=1.05)).why == (LATENCY, LOSS)
    assert told(one, loss=0.01, latency_ms=0.5) == (NO, None, None)
    certain_loss = [quality("a", "int8", change=WORSE), quality("a")]
    one = of(tables_of(points, certain_loss, tmp_path))
    assert told(one, loss=0.01) == (YES, "a-fp32:1", None)  # known to lose more
    assert told(one, loss=0.01, latency_ms=2) == (NO, None, None)


@pytest.mark.parametrize(
    ("row", "loss", "disagreement"),
    [
        (quality("a"), (0, 0), (0, 0)),
        (quality("a") | {"top1_change": None, "baseline": None, "precision": "int8"}, (0, 1), (0, 1)),
        (quality("a", change=(-0.09, 0.0, 0.09)), (0, 0), (0, 0)),  # FP32 keeps the original's arithmetic
        (quality("a", change=WORSE), (0.1, 0.1), (0, 0)),  # but what is shown counts
        (quality("a", "int8", change=VAGUE, changed=(0.01, 0.03)), (0, 0.03), (0, 0.03)),  # unlabelled bound it
        (quality("a", "int8", change=VAGUE, changed=(0.1, 0.2)), (0, 0.09), (0, 0.2)),
        (quality("a", "int8", status="failed"), (0, 1), (0, 1)),
        (None, (0, 1), (0, 1)),
    ],
)
def test_between_which_bounds_the_loss_lies(row, loss, disagreement, tmp_path):
    rows = tables_of([], [row] if row else [], tmp_path).accuracy
    known = quality_of(rows[0] if rows else None)
    assert known.loss == pytest.approx(loss)
    assert known.most in (None, known.loss.high)
    assert (known.alone is not None) == (known.most is not None and row["precision"] == "fp32")
    if row is None or row["precision"] != "fp32":
        assert known.disagreement == pytest.approx(disagreement)
    else:
        assert known.disagreement.low == known.disagreement.high < 0.1


def test_of_the_change_against_a_baseline_at_chance_nothing_is_known(tmp_path):
    row = quality("a", "int8", change=SURE) | {"verdict": "cannot tell: the baseline looks like chance"}
    (read,) = tables_of([], [row], tmp_path).accuracy
    assert quality_of(read).loss == NOT_COMPARED


def test_without_images_that_need_no_labels_those_with_labels_tell_how_often_the_class_changes(tmp_path):
    (row,) = tables_of([], [quality("a", "int8", change=VAGUE)], tmp_path).accuracy
    low, high = quality_of(row).disagreement
    assert 0 < low < 0.05 < high < 0.3  # one of 20


def test_what_looks_like_chance_is_never_the_answer_but_named(tmp_path):
    points = [point("a", 1, [1.0, 1.1], "int8", peak_rss_mib=9.0), point("a", 1, [3.0, 3.3], peak_rss_mib=20.0)]
    accuracy = [quality("a", "int8", change=SURE) | CHANCE, quality("a")]
    one = of(tables_of(points, accuracy, tmp_path))
    for objective in (LATENCY, FPS, MEMORY):
        assert told(one, objective=objective) == (YES, "a-fp32:1", "a-int8:1")
    assert [each.row["precision"] for each in recommending.recommended(one)] == ["fp32"]
    one = of(tables_of(points, [row | CHANCE for row in accuracy], tmp_path))
    assert told(one) == (UNKNOWN, "a-int8:1", None)
    assert recommending.recommended(one) == []


def test_ties_are_those_of_the_rounds_and_keep_the_constraints_too(tmp_path):
    points = [point(each, 1, [1.0, 1.1], "int8") for each in "abc"] + [point("d", 1, [0.9, 3.0])]
    rounds = in_rounds(1, {called("a", "int8"): 1.0, called("b", "int8"): 1.001, called("c", "int8"): 1.2})
    accuracy = [quality("a", "int8", change=SURE), quality("b", "int8", change=VAGUE)]
    accuracy += [quality("c", "int8", change=SURE), quality("d")]
    one = of(tables_of(points, accuracy, tmp_path, *rounds))
    outcome = one.answer(Goal())
    assert name(one, outcome.best) == "a-int8:1"
    assert [name(one, place) for place in outcome.ties] == ["b-int8:1"]
    assert [name(one, place) for place in outcome.undecided] == ["d-fp32:1"]
    within = one.answer(Goal(loss=0.01))
    assert (name(one, within.best), within.ties, within.undecided) == ("a-int8:1", (), outcome.undecided)
    assert within.perhaps is None  # `a` would be the answer anyway


def test_memory_is_told_apart_where_no_session_of_one_needs_as_little_as_the_other(tmp_path):
    points = [point(each, 1, [1.0, 1.1], peak_rss_mib=most) for each, most in (("a", 90.0), ("b", 95.0), ("c", 99.0))]
    points.append(point("d", 1, [0.1, 0.11]))  # not told by the system
    for (_, sessions), peaks in zip(points, ((80.0, 90.0), (89.0, 95.0), (91.0, 99.0))):
        for session, peak in zip(sessions, peaks):
            session["peak_rss_mib"] = peak
    one = of(tables_of(points, [quality(each) for each in "abcd"], tmp_path))
    outcome = one.answer(Goal(objective=MEMORY))
    assert (name(one, outcome.best), [name(one, place) for place in outcome.undecided]) == ("a-fp32:1", ["b-fp32:1"])
    assert told(one) == (YES, "d-fp32:1", None)


def test_nothing_measured_has_no_answer(tmp_path):
    failed = tables_of([point("a", 1, [], status="failed", reason="broke")], [quality("a")], tmp_path)
    assert answer.recommendations(failed) == {}
    without_memory = of(tables_of([point("a", 1, [1.0, 1.1])], [quality("a")], tmp_path))
    assert without_memory.answer(Goal(objective=MEMORY)) is None
    assert [each.row["framework"] for each in recommending.recommended(without_memory)] == ["a"]


def test_on_a_machine_too_busy_nobody_is_the_fastest_but_memory_is_told(tmp_path):
    points = [point("a", size, [1.0 * size, 1.1 * size], peak_rss_mib=90.0 + size) for size in (1, 2)]
    for session in points[0][1]:
        session["taken_share"] = 0.9
    one = of(tables_of(points, [quality("a")], tmp_path))
    for objective in (LATENCY, FPS):
        outcome = one.answer(Goal(objective=objective))
        assert (outcome.answer, outcome.best, outcome.why) == (UNKNOWN, None, ("machine",))
    assert told(one, objective=MEMORY) == (YES, "a-fp32:1", None)
    assert told(one, objective=MEMORY, latency_ms=9) == (YES, "a-fp32:2", "a-fp32:1")
    assert told(one, batch_size=2) == (YES, "a-fp32:2", None)  # it was at rest then
    assert told(one, batch_size=1)[:2] == (UNKNOWN, None)


def test_rounds_between_batch_sizes_that_were_disturbed_give_no_latency_at_any_of_them(tmp_path):
    points = [
        point(name, size, [ms * size**1.1, 1.1 * ms * size**1.1])
        for size in (1, 2)
        for name, ms in (("a", 5.0), ("b", 12.0))
    ]
    pairs, bursts = in_rounds(None, {called("a", size=1): 12.0, called("a", size=2): 10.0})
    quality_of = [quality(name) for name in "ab"]
    at_rest, disturbed = (
        of(tables_of(points, quality_of, tmp_path, [{**row, "taken_share": share} for row in pairs], bursts))
        for share in (0.0, 0.9)
    )
    assert told(at_rest, batch_size=1, latency_ms=9.0) == (NO, None, None)
    assert told(disturbed, batch_size=1, latency_ms=9.0) == (YES, "a-fp32:1", None)
    assert told(disturbed, latency_ms=9.0)[:2] == (UNKNOWN, None)  # which batch size is best they would have told


def test_what_is_quoted_of_a_batch_size_is_its_own_latency_where_that_contradicts_no_rounds(tmp_path):
    points = [point("a", size, [4.9 * ms, 5.1 * ms]) for size, ms in ((1, 1.0), (2, 1.8))]
    agreeing, contradicting = (
        in_rounds(None, {called("a", size=1): 5.0, called("a", size=2): ms}) for ms in (8.0, 12.0)
    )
    for (pairs, bursts), expected in ((agreeing, {1: 5.0, 2: 9.0}), (contradicting, {1: 5.0, 2: 12.0})):
        one = of(tables_of(points, [quality("a")], tmp_path, pairs, bursts))
        quoted = {each.size: each.standing.latency.value for each in one.candidates}
        assert quoted == pytest.approx(expected, rel=1e-3)
        best = one.candidates[one.answer(Goal(objective=FPS)).best]
        assert best.size == (2 if pairs is agreeing[0] else 1)


def test_the_most_images_per_second_are_those_of_the_throughput_scenario(tmp_path):
    points = [point("a", 1, [3.9, 4.1]), point("a", 1, [1.9, 2.1], "int8")]
    rows = [
        in_flight("a", 1, 250, 5.0),
        in_flight("a", 2, 400, 5.0),
        in_flight("a", 4, 410, 5.0),
        in_flight("a", 2, 700, 5.0, "int8"),
    ]
    rows += [in_flight("a", 4, 900, 5.0, "int8", status="failed"), in_flight("b", 4, 300, 5.0)]
    accuracy = [quality("a"), quality("a", "int8", change=VAGUE), quality("b")]
    one = of(tables_of(points, accuracy, tmp_path, throughput=rows))
    outcome = one.answer(Goal(objective=THROUGHPUT))
    best = one.candidates[outcome.best]
    assert (best.row["precision"], best.in_flight, best.rate.value) == ("int8", 2, pytest.approx(700))
    assert (outcome.ties, outcome.undecided) == ((), ())
    within = one.answer(Goal(objective=THROUGHPUT, loss=0.01))
    assert (one.candidates[within.best].in_flight, within.perhaps) == (4, outcome.best)
    assert [one.candidates[place].in_flight for place in within.undecided] == [2]
    # Four in flight of which 410 end in a second take 9.8 ms in the mean, two of 400 take 5.0 ms.
    fits = one.answer(Goal(objective=THROUGHPUT, loss=0.01, latency_ms=6))
    assert one.candidates[fits.best].in_flight == 2
    assert one.candidates[fits.best].latency == pytest.approx((5 / 1.05, 5 / 0.95))
    # What is deployed is the configuration as it stands in performance.csv.
    asked = {each.row["precision"]: each.asked for each in recommending.recommended(one)}
    assert ("highest_throughput" in asked["int8"], "highest_throughput_within" in asked["fp32"]) == (True, True)
    assert told(one) == (YES, "a-int8:1", None)  # rows with several in flight are no part of the other questions


def test_throughput_beside_other_work_is_doubtful(tmp_path):
    rows = [
        in_flight("a", 2, 400, 5.0, warnings="DOUBTFUL: other processes took 90 % of the processors' time; stop them")
    ]
    one = of(tables_of([point("a", 1, [3.9, 4.1])], [quality("a")], tmp_path, throughput=rows))
    outcome = one.answer(Goal(objective=THROUGHPUT))
    assert (outcome.answer, outcome.best, outcome.why) == (UNKNOWN, None, ("machine",))
    assert told(one) == (YES, "a-fp32:1", None)


def of_two_sizes(folder, at_4=70, at_8=15, between=3, lost=VAGUE):
    """Two kinds of two frameworks, each as fast as its like at both batch sizes, by image.

    `a int8` stands for batch size 8 in the comparison of batch sizes, `b int8` for 4.

    Args:
        at_4, at_8, between: by the tables, so many groups more would tell the leaders, int8, apart.
        lost: by `b int8`.
    """
    slower = {"int8": 1, "fp32": 2}
    kinds = [(framework, precision) for precision in slower for framework in "ab"]
    points, pairs, bursts = [], [], []
    for size, needed in ((4, at_4), (8, at_8)):
        points += [point(one, size, [size * slower[of], 1.1 * size * slower[of]], of) for one, of in kinds]
        latencies = {called(one, of): size * slower[of] for one, of in kinds}
        purposes = {called(one): "precision" for one in "ab"}
        rows, more = in_rounds(size, latencies, wobble=0.03, purposes=purposes)
        pairs += [row | {"groups_needed": needed if "int8" in row["second"] else 0} for row in rows]
        bursts += more
    rows, more = in_rounds(None, {called("a", "int8", 8): 8.0, called("b", "int8", 4): 4.0}, wobble=0.03)
    pairs += [row | {"groups_needed": between} for row in rows]
    losses = {("a", "int8"): VAGUE, ("b", "int8"): lost}
    accuracy = [quality(*kind, change=losses.get(kind)) for kind in kinds]
    return of(tables_of(points, accuracy, folder, pairs, bursts + more))


def more_of(one, objective=FPS, **goal):
    """Between how many, and what would tell them apart."""
    outcome = one.answer(Goal(objective=objective, **goal))
    return 1 + len(outcome.ties), outcome.more


def test_over_batch_sizes_all_comparisons_of_what_is_level_have_to_tell(tmp_path):
    """Seen: `3 groups` by the comparison of batch sizes alone, above a table in which 70 groups would tell."""
    one = of_two_sizes(tmp_path)
    assert more_of(one) == (4, (70 + 15 + 3, 30.0 * (70 + 15 + 3)))
    assert more_of(one, batch_size=8) == (2, (15, 450.0))
    assert more_of(one, LATENCY) == (2, (70, 2100.0))  # of batch size 4 alone


def test_over_batch_sizes_nobody_knows_what_would_tell_others_apart_than_were_set_against_each_other(tmp_path):
    """Seen: of FP32 what the comparison of INT8 needed."""
    one = of_two_sizes(tmp_path, lost=WORSE)
    assert more_of(one, loss=0.01) == (4, None)  # FP32, at both batch sizes
    assert more_of(one, loss=0.09) == (2, None)  # `a int8`, at both batch sizes


@pytest.mark.parametrize("unknown", ["at_4", "at_8", "between"])
def test_where_one_comparison_foresees_nothing_nothing_is_foreseen(tmp_path, unknown):
    assert more_of(of_two_sizes(tmp_path, **{unknown: None})) == (4, None)


def test_what_is_decided_in_all_comparisons_needs_no_more(tmp_path):
    assert more_of(of_two_sizes(tmp_path, 0, 0, 0)) == (4, None)
    assert more_of(of_two_sizes(tmp_path, 0, 0, 3)) == (4, (3, 90.0))


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """A study of twenty configurations on a machine that changes its speed."""
    return whole(tmp_path_factory.mktemp("noisy") / "tables", groups=3)


def test_without_constraints_it_is_what_the_ranking_says(noisy):
    one = of(noisy)
    (ranked,) = ranking.rankings(noisy.performance, noisy.comparison, noisy.rounds).values()
    for size, standings in ranked.sizes.items():
        for objective in (LATENCY, FPS):
            outcome = one.answer(Goal(objective=objective, batch_size=size))
            assert one.candidates[outcome.best].standing == standings[0]
            level = {verdict: [each.name for each in standings if each.verdict == verdict] for verdict in
                     (ranking.TIE, ranking.UNDECIDED)}  # fmt: skip
            told_apart = [
                [one.candidates[place].standing.name for place in places]
                for places in (outcome.ties, outcome.undecided)
            ]
            assert told_apart == [level[ranking.TIE], level[ranking.UNDECIDED]]
    first = [standings[0] for standings in ranked.sizes.values()]
    for objective, measure in ((LATENCY, lambda one: one.latency.value), (FPS, lambda one: -one.fps.value)):
        assert one.candidates[one.answer(Goal(objective=objective)).best].standing == min(first, key=measure)


def random_study(seed, folder):
    """Eight configurations at two batch sizes, of any latency, memory and cost; a comparison at one of the sizes."""
    rng = np.random.default_rng(seed)
    points, accuracy = [], []
    for framework, precision in itertools.product("abcd", ("fp32", "int8")):
        for size in (1, 2):
            middle, peak = rng.uniform(1, 4), rng.uniform(50, 90)
            medians = [middle, middle * rng.uniform(1.0, 1.5)]
            points.append(point(framework, size, medians, precision, peak_rss_mib=peak))
        low, high = sorted(rng.uniform(-0.2, 0.05, 2))
        change = (low, (low + high) / 2, high)
        accuracy.append(quality(framework, precision, change=None if precision == "fp32" else change))
    rounds = in_rounds(1, {called(framework, "int8"): rng.uniform(1, 1.02) for framework in "abc"})
    return of(tables_of(points, accuracy, folder, *rounds))


def directly(one, objective, size, kind, budget, share):
    """The decision for one constraint, without steps."""
    candidates = [(place, each) for place, each in enumerate(one.candidates) if size in (None, each.size)]

    def best(end):
        kept = [
            place
            for place, each in candidates
            if getattr(each.latency, end) <= budget and getattr(getattr(each.quality, kind), end) <= share
        ]
        if objective == MEMORY:
            return min(kept, key=lambda place: one.candidates[place].row["peak_rss_mib"], default=None)
        firsts = [next((place for place in kept if one.candidates[place].size == each), None) for each in (1, 2)]

        def time(place):
            each = one.candidates[place]
            fastest = one.of.sizes[each.size][0]
            latency = max(each.standing.latency.value, fastest.latency.value)
            return latency / each.size if objective == FPS else latency

        return min((place for place in firsts if place is not None), key=time, default=None)

    certain, possible = best("high"), best("low")
    if certain is not None:
        return YES, certain, None if possible == certain else possible
    return (NO, None, None) if possible is None else (UNKNOWN, possible, None)


def around(ends):
    """At each end, a little before and behind it, and at none."""
    finite = sorted(end for end in set(ends) if end < math.inf)
    return [0.0, *(end + shift for end in finite for shift in (-1e-9, 0.0, 1e-9) if end + shift >= 0), math.inf]


@pytest.mark.parametrize("seed", [1, 2])
def test_steps_hold_the_decision_for_every_constraint_and_only_improve_with_what_is_accepted(seed, tmp_path):
    one = random_study(seed, tmp_path)
    budgets = around(end for each in one.candidates for end in each.latency)
    for (objective, size, kind), steps in one.tables.items():
        shares = around(end for each in one.candidates for end in getattr(each.quality, kind))
        seen = {}
        for (i, budget), (j, share) in itertools.product(enumerate(budgets[::3]), enumerate(shares)):
            outcome = recommending.lookup(steps, *(None if each == math.inf else each for each in (budget, share)))
            expected = directly(one, objective, size, kind, budget, share)
            assert (outcome.answer, outcome.best, outcome.perhaps) == expected, (objective, size, kind, budget, share)
            seen[i, j] = [NO, UNKNOWN, YES].index(outcome.answer)
            for before in ((i - 1, j), (i, j - 1)):
                assert seen.get(before, 0) <= seen[i, j]
        for row in steps:  # no step that changes nothing
            assert all(a.outcome != b.outcome for a, b in itertools.pairwise(row.by_budget))
        assert all(a.by_budget != b.by_budget for a, b in itertools.pairwise(steps))


def test_a_goal_asks_the_table_of_what_it_bounds():
    assert Goal(latency_ms=5.0).asked == (LATENCY, None, LOSS)
    assert Goal(disagreement=0.02, batch_size=4, objective=FPS).asked == (FPS, 4, DISAGREEMENT)
    assert (Goal(loss=0.01).accepted, Goal(disagreement=0.02).accepted, Goal().accepted) == (0.01, 0.02, None)


def test_recommended_are_the_goals_and_each_question_s_with_and_without_loss(tmp_path):
    points = [point("a", 1, [1.0, 1.1], "int8", peak_rss_mib=9.0), point("a", 1, [3.0, 3.3], peak_rss_mib=20.0)]
    points += [point("a", 2, [1.5, 1.6], "int8", peak_rss_mib=9.5), point("a", 2, [5.0, 5.3], peak_rss_mib=20.5)]
    one = of(tables_of(points, [quality("a", "int8", change=VAGUE), quality("a")], tmp_path))
    goal = Goal(latency_ms=6, batch_size=2, loss=0.01)
    rows = [(each.row["precision"], each.row["batch_size"]) for each in recommending.recommended(one, goal)]
    assert rows == [("fp32", 2), ("int8", 1), ("int8", 2), ("fp32", 1)]
