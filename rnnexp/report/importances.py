"""Importances of the searched keys, with their uncertainty, for a report."""

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from random import Random
from statistics import NormalDist, stdev

import optuna
from optuna.trial import FrozenTrial, TrialState

FEWEST = 10  # complete trials, below which importances are chance
RESAMPLES = 20
SHUFFLES = 19  # chance has one of twenty to be taken for an importance
BEST = 0.1  # the share of the trials that are among the best
FEWEST_BEST = 5  # trials among the best
NINE_OF_TEN = NormalDist().inv_cdf(0.95)  # standard deviations at either side


@dataclass(frozen=True)
class Importance:
    """How much a searched key decides whether a trial is among the best.

    Attributes:
        label: The key, in short.
        share: The key's share of the importances of all keys.
        low: The lower end of the interval that the share is in with a probability of nine in ten.
        high: The upper end.
    """

    label: str
    share: float
    low: float
    high: float


def importances_of(study: optuna.Study) -> list[Importance] | str:
    """Compute how much each searched key decides whether a trial is among the best.

    By PED-ANOVA (https://arxiv.org/abs/2304.10255), which takes milliseconds for 1,000 trials, and
    takes keys that only some trials have. The best are a tenth of the trials, but at least five, as
    Optuna advises. The intervals are by the standard deviation over a bootstrap of the trials. If
    the trials with their values shuffled have a key of the same importance, chance decides.

    Args:
        study: The study; only its complete trials count.

    Returns:
        The importances, the largest first; a reason, as half a sentence, if there are none yet.
    """
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if len(complete) < FEWEST:
        return f"it takes {FEWEST} complete trials to tell; there are {len(complete)}"
    varied = _varied(complete)
    if len(varied) < 2:
        return "it takes two searched keys that vary among the complete trials"
    importances = _importances(complete, varied, study)
    draw = Random(0)  # noqa: S311  # the same report of the same study
    largest = max(importances.values())
    for _ in range(SHUFFLES):
        shuffled = _with_values(complete, draw.sample(complete, k=len(complete)))
        if max(_importances(shuffled, varied, study).values()) >= largest:
            return "no searched key stands out from chance among the complete trials yet"
    resampled = [
        _shares(_importances(draw.choices(complete, k=len(complete)), varied, study))
        for _ in range(RESAMPLES)
    ]
    shares = dict(sorted(_shares(importances).items(), key=lambda item: -item[1]))
    found = []
    for key, share in shares.items():
        spread = NINE_OF_TEN * stdev(one.get(key, 0.0) for one in resampled)
        found.append(Importance(key, share, max(share - spread, 0.0), min(share + spread, 1.0)))
    return found


def tiers(importances: Sequence[Importance]) -> list[list[Importance]]:
    """Group importances, the largest first, so that those of a group can't be told apart.

    Keys belong to one group if their intervals overlap, or those of keys between them.

    Args:
        importances: The importances, in any order.
    """
    found: list[list[Importance]] = []
    for one in sorted(importances, key=lambda one: one.share, reverse=True):
        if found and one.high >= min(other.low for other in found[-1]):
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _varied(trials: Sequence[FrozenTrial]) -> list[str]:
    values: dict[str, set[object]] = {}
    for trial in trials:
        for key, value in trial.params.items():
            values.setdefault(key, set()).add(value)
    return sorted(key for key, found in values.items() if len(found) > 1)


def _shares(importances: Mapping[str, float]) -> dict[str, float]:
    total = sum(importances.values()) or 1.0
    return {key: importance / total for key, importance in importances.items()}


def _with_values(trials: Sequence[FrozenTrial], others: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials, each with the value of another."""
    found = []
    for trial, other in zip(trials, others, strict=True):
        changed = copy(trial)
        changed.values = other.values
        found.append(changed)
    return found


def _importances(
    trials: Sequence[FrozenTrial], varied: Sequence[str], study: optuna.Study
) -> dict[str, float]:
    """Return the importance of each key; 0 if the best can't be told from the others."""
    # Imported here: scikit-learn and SciPy come with it, which a sweep needs in its reports alone.
    from optuna.importance import PedAnovaImportanceEvaluator

    sign = 1 if study.direction == optuna.study.StudyDirection.MINIMIZE else -1
    losses = sorted(sign * trial.values[0] for trial in trials)
    best = max(BEST, FEWEST_BEST / len(losses))
    if losses[math.ceil(best * len(losses)) - 1] == losses[-1]:  # Optuna would warn
        return dict.fromkeys(varied, 0.0)
    keys = [key for key in varied if any(key in trial.params for trial in trials)]
    sample = optuna.create_study(direction=study.direction)
    sample.add_trials(trials)
    # Not `get_param_importances`, whose shares of the sum can't be compared with those of chance.
    return PedAnovaImportanceEvaluator(target_quantile=best).evaluate(sample, keys)
