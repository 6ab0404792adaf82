"""The values of a study's trials, with those that stopped trials might have reached; pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from optuna.trial import FrozenTrial, TrialState

from rnnexp.objective import Objective

FEWEST = 3  # trials that went on, by which it is told what a stopped one might have gained


def expected_values(
    trials: Iterable[FrozenTrial], objective: Objective
) -> list[tuple[FrozenTrial, float]]:
    """Return the trials with the values that they have, or might have reached.

    A trial that was pruned, or paused at the end of the study, is taken to improve after its last
    epoch by as much as the trials that went on for longer, at the median. Trials that failed or
    still run are left out.

    Args:
        trials: The trials.
        objective: Which of two values is better.
    """
    ended = [t for t in trials if t.params and t.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    curves = [_Curve.of(t, objective) for t in ended if t.intermediate_values]
    found: list[tuple[FrozenTrial, float]] = []
    gains: dict[int, float] = {}  # the usual gain after an epoch
    for trial in ended:
        if trial.state == TrialState.COMPLETE:
            if objective.is_better(trial.values[0], None):
                found.append((trial, trial.values[0]))
        elif best := objective.best(trial.intermediate_values):
            last = max(trial.intermediate_values)
            if last not in gains:
                gains[last] = _usual_gain(last, curves)
            found.append((trial, best[1] - objective.sign * gains[last]))
    return found


@dataclass(frozen=True)
class _Curve:
    """The improvements of a trial.

    Attributes:
        last: The trial's last epoch.
        best: The epochs in which the trial improved, each with its loss.
    """

    last: int
    best: Sequence[tuple[int, float]]

    @classmethod
    def of(cls, trial: FrozenTrial, objective: Objective) -> "_Curve":
        best: list[tuple[int, float]] = []
        for epoch, value in sorted(trial.intermediate_values.items()):
            loss = objective.sort_key(value)
            if loss < (best[-1][1] if best else math.inf):
                best.append((epoch, loss))
        return cls(max(trial.intermediate_values), best)


def _usual_gain(epoch: int, curves: Iterable[_Curve]) -> float:
    """Return by how much the trials that went on after an epoch have improved; 0 of too few."""
    gains = []
    for curve in curves:
        known = bisect_right(curve.best, epoch, key=lambda point: point[0])
        if known and curve.last > epoch:
            gains.append(curve.best[known - 1][1] - curve.best[-1][1])
    return median(gains) if len(gains) >= FEWEST else 0.0
