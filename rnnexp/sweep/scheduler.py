"""The scheduler: which paused trial goes on when no new trial begins, and for how long.

The rule reads stored values alone. `benchmarks/scheduling` compares this rule with others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnnexp.objective import Objective
from rnnexp.pausing import Pausing

WINDOW = 5  # epochs over which the gain of a trial is measured
MOST_LOST = 2  # slices in a row without a gain, after which a trial with few epochs has its turn


class PausedTrial(NamedTuple):
    """A paused trial, as the scheduler sees it.

    Attributes:
        number: The trial's number.
        values: The values that the trial has reported, by epoch.
        seconds: The seconds that the trial took; None if they are not known.
    """

    number: int
    values: Mapping[int, float]
    seconds: float | None = None


class Slice(NamedTuple):
    """What a paused trial gets.

    Attributes:
        number: The trial's number.
        epochs: The number of epochs for which the trial goes on at least.
    """

    number: int
    epochs: int


@dataclass
class Scheduler:
    """Decides which paused trial goes on.

    That is the trial with the best forecast: its last value, improved by as much as its own best
    has improved in the last epochs. After some slices in a row in which the trial did not improve,
    one slice goes to the trial with the fewest epochs.

    Attributes:
        objective: Which of two values is better.
        pausing: The settings of pausing; None if no paused trial goes on.
        fruitless: The number of slices in a row that did not improve the study's best.
        lost: The number of slices in a row that did not improve the best of their own trials.
    """

    objective: Objective
    pausing: Pausing | None
    fruitless: int = 0
    lost: int = 0

    def ended(self, value: float | None, own: float | None, best: float | None) -> None:
        """Take note of a slice that has ended.

        Args:
            value: The best value of the trial after the slice.
            own: The best value of the trial before the slice.
            best: The best value of the study before the slice.
        """
        is_better = self.objective.is_better
        self.lost = 0 if is_better(value, own) else self.lost + 1
        self.fruitless = 0 if is_better(value, best) else self.fruitless + 1

    def reason_to_stop(self) -> str:
        """Return why no paused trial goes on; empty if one may."""
        if self.pausing is None or self.fruitless < self.pausing.max_slices:
            return ""
        most = self.pausing.max_slices
        return f"no new best in {most} slices of paused trials (pausing.max_slices={most})"

    def next(self, paused: Sequence[PausedTrial]) -> Slice | None:
        """Return the trial that goes on.

        Args:
            paused: The paused trials.

        Returns:
            The trial, and for how long; None if no trial goes on.
        """
        if self.pausing is None or not paused or self.reason_to_stop():
            return None
        if self.lost < MOST_LOST:
            chosen = min(paused, key=self._rank)
        else:
            self.lost = 0
            chosen = min(paused, key=lambda trial: (len(trial.values), *self._rank(trial)))
        return Slice(chosen.number, _epochs(chosen, self.pausing))

    def least_promising(self, paused: Sequence[PausedTrial], keep: int) -> list[int]:
        """Return the numbers of the trials that are too many to be kept, the worst first."""
        ranked = sorted(paused, key=self._rank, reverse=True)
        return [trial.number for trial in ranked[: max(len(ranked) - keep, 0)]]

    def _rank(self, trial: PausedTrial) -> tuple[float, int]:
        return forecast(trial.values, self.objective), trial.number


def forecast(values: Mapping[int, float], objective: Objective) -> float:
    """Forecast what a trial may still reach; the smaller, the better, for any objective.

    Args:
        values: The values that the trial has reported, by epoch.
        objective: Which of two values is better.

    Returns:
        The last value that is a number, less the gain of the trial's best in the last epochs;
        infinite without such a value.
    """
    ordered = [objective.sort_key(value) for _, value in sorted(values.items())]
    losses = [loss for loss in ordered if math.isfinite(loss)]
    if not losses:
        return math.inf
    before = losses[: max(len(losses) - WINDOW, 1)]
    return losses[-1] - (min(before) - min(losses))


def _epochs(trial: PausedTrial, pausing: Pausing) -> int:
    """Return the length of a slice: enough epochs to be worth the start of a training."""
    if not trial.seconds or not trial.values:
        return pausing.epochs
    an_epoch = trial.seconds / len(trial.values)
    return max(pausing.epochs, math.ceil(pausing.seconds / an_epoch))
