"""Which launch settings to try next, where more are worth trying than may race: an optimiser proposes, never judges.

Optuna's tree-structured Parzen estimator is told of all settings that were in a race's first group how they did there
beside the default, and is asked for others. Who leaves, who wins and what is gained the race and the fresh groups
behind it tell as they always do. Nothing is kept between calls: what is proposed follows from the history and the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from dliflow.analysis.race import Settings

ASKED = 200  # times at most, for a few proposals: of what is proposed some is not valid, and some was tried


def version() -> str:
    """That of the optimiser, by which proposals may differ."""
    import optuna

    return optuna.__version__


def proposed(
    values: Mapping[str, Sequence[Any]],
    tried: Sequence[tuple[Settings, Optional[float]]],
    valid: Callable[[Settings], bool],
    most: int,
    seed: int,
) -> list[Settings]:
    """So many settings that were not tried yet; fewer where hardly any others are valid.

    Args:
        values: of each parameter, the default first.
        tried: a value of each parameter, and the logarithm of the ratio to the default that it had; None where it could
            not run, or not with the same scores. What makes the same changes, and others, is not proposed.
        valid: whether such settings make sense.
    """
    import optuna  # here: the rules import this room for names only

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space: dict[str, optuna.distributions.BaseDistribution] = {
        key: optuna.distributions.CategoricalDistribution(list(each)) for key, each in values.items()
    }
    # Nothing is tried at random first: each value alone has been.
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=0))
    for settings, figure in tried:
        if figure is not None:
            study.add_trial(optuna.trial.create_trial(params=settings, distributions=space, value=figure))
    broken = [_changes(values, settings) for settings, figure in tried if figure is None]
    known = [settings for settings, _ in tried]
    for _ in range(ASKED):
        if len(known) == len(tried) + most:
            break
        trial = study.ask(space)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)  # what becomes of it is told in the next call
        changes = _changes(values, trial.params)
        if trial.params not in known and not any(each <= changes for each in broken) and valid(trial.params):
            known.append(trial.params)
    return known[len(tried) :]


def _changes(values: Mapping[str, Sequence[Any]], settings: Settings) -> set[tuple[str, Any]]:
    """What of settings is not the default."""
    return {(key, settings[key]) for key, each in values.items() if settings[key] != each[0]}
