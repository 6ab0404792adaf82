"""The scheduler: which paused trial goes on when no new trial begins, and for how long.

The rule reads stored values alone, so that it decides the same in every process.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnnexp.objective import Objective
from rnnexp.pausing import Pausing


class PausedTrial(NamedTuple):
    """A paused trial, as the scheduler sees it.

    Attributes:
        number: The trial's number.
        value: The trial's best value; None if no value was a number.
        epochs: The number of epochs that the trial has reported.
        seconds: The seconds that the trial took; None if they are not known.
    """

    number: int
    value: float | None
    epochs: int
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

    Attributes:
        objective: Which of two values is better.
        pausing: The settings of pausing; None if no paused trial goes on.
        fruitless: The number of slices in a row that did not improve the study's best.
    """

    objective: Objective
    pausing: Pausing | None
    fruitless: int = 0

    def ended(self, before: float | None, after: float | None) -> None:
        """Take note of a slice that has ended.

        Args:
            before: The study's best value when the slice began; None if there was none.
            after: The best value of the trial that had the slice.
        """
        is_fruitful = after is not None and self.objective.is_better(after, before)
        self.fruitless = 0 if is_fruitful else self.fruitless + 1

    def reason_to_stop(self) -> str:
        """Return why no paused trial goes on; empty if one may."""
        if self.pausing is None or self.fruitless < self.pausing.max_slices:
            return ""
        most = self.pausing.max_slices
        return (
            f"no improvement by the last {most} trials that went on after a pause "
            f"(pausing.max_slices={most})"
        )

    def next(self, paused: Sequence[PausedTrial]) -> Slice | None:
        """Return the trial that goes on: the best one; of equal trials the earlier.

        Args:
            paused: The paused trials.

        Returns:
            The trial, and for how long; None if no trial goes on.
        """
        if self.pausing is None or not paused or self.reason_to_stop():
            return None
        chosen = min(paused, key=self._rank)
        return Slice(chosen.number, _epochs(chosen, self.pausing))

    def least_promising(self, paused: Sequence[PausedTrial], keep: int) -> list[int]:
        """Return the numbers of the trials that are too many to be kept, the worst first."""
        ranked = sorted(paused, key=self._rank, reverse=True)
        return [trial.number for trial in ranked[: max(len(ranked) - keep, 0)]]

    def _rank(self, trial: PausedTrial) -> tuple[float, int]:
        return self.objective.sort_key(trial.value), trial.number


def _epochs(trial: PausedTrial, pausing: Pausing) -> int:
    """Return the length of a slice: enough epochs to be worth the start of a training."""
    if not trial.seconds or not trial.epochs:
        return pausing.epochs
    an_epoch = trial.seconds / trial.epochs
    return max(pausing.epochs, math.ceil(pausing.seconds / an_epoch))
