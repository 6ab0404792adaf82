"""The scheduler: whether a new trial begins or a paused trial goes on, and which one.

The rule reads stored values alone. `benchmarks/scheduling` compares this rule with others.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rnnexp.objective import Objective
from rnnexp.pausing import Pausing

WINDOW = 3  # epochs over which the gain of a trial is measured
FIRST = 5  # new trials, before which no paused trial goes on
EVERY = 3  # new trials, after which a paused trial has its turn
AGAIN = 3  # epochs, at least, after a new best of the study
YOUNG = 3  # epochs, up to which a trial that is not promising has its turns


class PausedTrial(NamedTuple):
    """A paused trial, as the scheduler sees it.

    Attributes:
        number: The trial's number.
        values: The values that the trial has reported, by epoch.
        epoch_seconds: The seconds of an epoch of the trial; None if they are not known.
    """

    number: int
    values: Mapping[int, float]
    epoch_seconds: float | None = None


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
    """Decides whether a paused trial goes on.

    While new trials can begin, the most promising paused trial goes on after every third of them,
    once there are five. Then the most promising trials go on, and after a slice without a new best
    also the trial with the fewest epochs, as long as there is one with three or fewer. A slice with
    a new best is followed by one of at least three epochs: a leader's values go up and down, too.

    Attributes:
        objective: Which of two values is better.
        pausing: The settings of pausing; None if trials pause by a user's order alone, so that
            they go on before a new one begins.
        fruitless: The number of epochs in a row without a new best, since a new trial began.
    """

    objective: Objective
    pausing: Pausing | None
    fruitless: int = 0
    _begun: int = 0  # new trials since the last slice
    _is_winning: bool = False  # the last slice brought a new best
    _has_explored: bool = False  # the last slice was that of the trial with the fewest epochs

    def ended(self, value: float | None, best: float | None, epochs: int) -> None:
        """Take note of a slice that has ended.

        Args:
            value: The best value of the trial after the slice.
            best: The best value of the study before the slice.
            epochs: The number of epochs of the slice.
        """
        self._is_winning = self.objective.is_better(value, best)
        # A slice without an epoch counts as well, or the study would never end.
        self.fruitless = 0 if self._is_winning else self.fruitless + max(epochs, 1)

    def reason_to_stop(self, trials: int, lengths: Sequence[int] = ()) -> str:
        """Return why no paused trial goes on; empty if one may.

        Args:
            trials: The number of trials of the study.
            lengths: The number of epochs of each complete trial.
        """
        if self.pausing is None:
            return ""
        idle = self.pausing.idle(trials, lengths)
        most = math.ceil(idle * trials)
        if self.fruitless < most:
            return ""
        return (
            f"no new best in {most} epochs of paused trials "
            f"(pausing.idle_epochs: {idle:.3g} a trial)"
        )

    def next(
        self,
        paused: Sequence[PausedTrial],
        trials: int,
        *,
        can_begin: bool,
        lengths: Sequence[int] = (),
        wanted: Collection[int] = (),
    ) -> Slice | None:
        """Return the paused trial that goes on.

        Args:
            paused: The paused trials.
            trials: The number of trials of the study.
            can_begin: Whether a new trial can begin.
            lengths: The number of epochs of each complete trial.
            wanted: The trials that a user lets go on: they come first.

        Returns:
            The trial, and for how long at least; None if a new trial begins, or none at all.
        """
        if first := [trial for trial in paused if trial.number in wanted]:
            return self._slice(first[0])
        if self.pausing is None:  # what is paused all the same, a user has paused
            return self._slice(paused[0]) if paused else None
        is_due = self._is_winning or (self._begun >= EVERY and trials >= FIRST)
        if can_begin and not (paused and is_due):
            self._begun += 1
            self._is_winning, self.fruitless = False, 0
            return None
        if not paused or (not can_begin and self.reason_to_stop(trials, lengths)):
            return None
        young = [trial for trial in paused if len(trial.values) <= YOUNG]
        may_explore = not can_begin and self.fruitless > 0 and not self._has_explored
        explores = may_explore and bool(young)
        chosen = min(young, key=self._fewest_epochs) if explores else min(paused, key=self._rank)
        least = AGAIN if self._is_winning else 1
        self._begun, self._is_winning, self._has_explored = 0, False, explores
        return self._slice(chosen, least)

    def least_promising(self, paused: Sequence[PausedTrial], keep: int) -> list[int]:
        """Return the numbers of the trials that are too many to be kept, the worst first."""
        ranked = sorted(paused, key=self._rank, reverse=True)
        return [trial.number for trial in ranked[: max(len(ranked) - keep, 0)]]

    def _slice(self, trial: PausedTrial, least: int = 1) -> Slice:
        seconds = self.pausing.seconds if self.pausing else 0.0
        return Slice(trial.number, max(least, _epochs(trial, seconds)))

    def _rank(self, trial: PausedTrial) -> tuple[float, int]:
        return forecast(trial.values, self.objective), trial.number

    def _fewest_epochs(self, trial: PausedTrial) -> tuple[int, float, int]:
        best = self.objective.best(trial.values)
        loss = self.objective.sort_key(best[1] if best else None)
        return len(trial.values), loss, trial.number


def forecast(values: Mapping[int, float], objective: Objective) -> float:
    """Forecast what a trial may still reach; the smaller, the better, for any objective.

    Args:
        values: The values that the trial has reported, by epoch.
        objective: Which of two values is better.

    Returns:
        The better one of the last two values, less the gain of the trial's best in the last epochs;
        infinite without a value that is a number.
    """
    ordered = [objective.sort_key(value) for _, value in sorted(values.items())]
    losses = [loss for loss in ordered if math.isfinite(loss)]
    if not losses:
        return math.inf
    before = losses[: max(len(losses) - WINDOW, 1)]
    return min(losses[-2:]) - (min(before) - min(losses))


def _epochs(trial: PausedTrial, seconds: float) -> int:
    """Return the least epochs of a slice that is worth the start of a training."""
    return max(1, math.ceil(seconds / trial.epoch_seconds)) if trial.epoch_seconds else 1
