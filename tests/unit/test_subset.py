"""Subsets: balanced, seeded, nested, and the same whatever the order of the list."""

from __future__ import annotations

import random

import pytest

from dliflow.images import subset


def rows(sizes):
    return [
        {"file": f"{label}/{index}.jpg", "label": label, "sha256": f"{label}-{index}"}
        for label, size in enumerate(sizes)
        for index in range(size)
    ]


@pytest.mark.parametrize("count", [1, 7, 10, 23, 57])
def test_classes_differ_by_one_at_most(count):
    counts = subset.counts(subset.order(rows([30] * 10), 3)[:count])
    have = [counts.get(label, 0) for label in range(10)]
    assert sum(have) == count
    assert max(have) - min(have) <= 1


def test_small_classes_give_what_they_have():
    counts = subset.counts(subset.order(rows([2, 30, 30]), 0)[:32])
    assert counts == {0: 2, 1: 15, 2: 15}


def test_the_order_of_the_list_and_the_place_of_the_files_do_not_matter():
    listed = rows([5, 9, 3])
    shuffled = [{**row, "file": f"/elsewhere/{row['file']}"} for row in random.Random(1).sample(listed, len(listed))]
    chosen = [[row["sha256"] for row in subset.order(some, 7)] for some in (listed, shuffled)]
    assert chosen[0] == chosen[1]
    assert sorted(chosen[0]) == sorted(row["sha256"] for row in listed)


def test_another_seed_is_another_choice():
    listed = rows([50] * 4)
    first, second = ({row["file"] for row in subset.order(listed, seed)[:20]} for seed in (0, 1))
    assert first != second
    # Which class gets the odd image is drawn too.
    assert len({subset.order(listed, seed)[0]["label"] for seed in range(20)}) > 1


def test_without_labels_it_is_a_sample():
    listed = [{**row, "label": None} for row in rows([10])]
    assert subset.order(listed, 0) != listed
    assert sorted(row["file"] for row in subset.order(listed, 0)) == [row["file"] for row in listed]
