"""What the optimiser proposes: it learns, it repeats nothing, it keeps away from what broke, and its seed decides."""

from __future__ import annotations

from dliflow.analysis import proposals

VALUES = {"threads": [None, 1], **{name: [False, True] for name in "abcdefghijk"}}
DEFAULT = {key: each[0] for key, each in VALUES.items()}
# Logarithms of ratios to the default: two values help, all others harm.
EFFECTS = {"threads": -0.3, "a": -0.2, **{name: 0.1 + 0.02 * place for place, name in enumerate("bcdefghijk")}}


def takes(settings):
    """The logarithm of the ratio to the default."""
    return sum(EFFECTS[key] for key, value in settings.items() if value != DEFAULT[key])


def single():
    """The default, and each value alone."""
    return [(one, takes(one)) for one in (DEFAULT, *({**DEFAULT, key: each[1]} for key, each in VALUES.items()))]


def ask(tried, most=3, valid=lambda settings: True, seed=0):
    return proposals.proposed(VALUES, tried, valid, most, seed)


def test_what_did_well_alone_is_proposed_together():
    found = [one for seed in range(5) for one in ask(single(), seed=seed)]
    assert len(found) == 15
    assert sum(one["threads"] == 1 and one["a"] for one in found) >= 13


def test_nothing_is_proposed_twice():
    tried = single()
    for _ in range(4):
        found = ask(tried)
        assert len(found) == 3
        tried += [(one, takes(one)) for one in found]
    assert all(one not in [other for other, _ in tried[:place]] for place, (one, _) in enumerate(tried))


def test_what_broke_and_what_is_not_valid_is_not_proposed():
    tried = [(one, None if one["a"] else figure) for one, figure in single()]
    found = ask(tried, 5, valid=lambda settings: not settings["b"])
    assert len(found) == 5 and not any(one["a"] or one["b"] for one in found)


def test_where_hardly_anything_is_valid_fewer_are_proposed():
    assert ask(single(), valid=lambda settings: False) == []


def test_the_seed_and_the_history_decide():
    assert ask(single()) == ask(single())
    assert ask(single(), seed=1) != ask(single())
    assert ask(single()[:-1]) != ask(single())
