"""Trials and studies, made by hand."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from rnnexp.result import Result, State
from rnnexp.storage.schema import TrialAttrs

NOON = datetime(2026, 1, 1, 12)
LR, UNITS, RATE = "compile.optimizer.learning_rate", "model.units", "compile.optimizer.momentum"
SPACE: dict[str, BaseDistribution] = {
    LR: FloatDistribution(1e-4, 1e-2, log=True),
    UNITS: CategoricalDistribution((32, 64)),
    RATE: FloatDistribution(0, 1),
    "리뷰 $x$ </script>": CategoricalDistribution(("좋다", "$\\frac$", "<b>")),
}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def trial(
    value: float | None = None,
    *,
    state: TrialState = TrialState.COMPLETE,
    values: tuple[float, ...] = (),
    start: float = 0,
    seconds: float = 10,
    params: dict[str, object] | None = None,
    best_epoch: int | None = None,
    reason: str = "",
    attrs: Mapping[str, object] | None = None,
) -> FrozenTrial:
    params = params or {}
    attributes = dict(attrs or {})
    if state.is_finished():
        result = Result(State[state.name], value, best_epoch, reason)
        attributes[TrialAttrs.RESULT] = result.to_json()
    made = create_trial(
        state=state,
        value=value,
        params=params,
        distributions={key: SPACE[key] for key in params},
        intermediate_values=dict(enumerate(values)),
        user_attrs=attributes,
    )
    made.datetime_start = at(start)
    made.datetime_complete = at(start + seconds) if state.is_finished() else None
    return made


def study_of(*trials: FrozenTrial, direction: str = "minimize") -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="s", direction=direction)
    study.add_trials(trials)
    return study


def random_params(number: int) -> list[dict[str, float]]:
    """The params of some trials, the same each time."""
    rng = np.random.default_rng(1)
    return [
        {
            LR: float(10 ** rng.uniform(-4, -2)),
            RATE: float(rng.random()),
            UNITS: (32, 64)[rng.integers(2)],
        }
        for _ in range(number)
    ]
