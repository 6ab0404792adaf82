"""The rule by which a trial is paused: its slot goes to another trial, and it may go on later.

A pruner throws away what a trial would have become, so a pruner has to be patient. A paused trial
loses nothing but its turn, so a trial can be paused as soon as an epoch brings it nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from statistics import fmean
from typing import Any, Self

from rnnexp.number_ranges import COUNT, POSITIVE
from rnnexp.objective import Objective

_RANGES = {"patience": COUNT, "epochs": COUNT, "seconds": POSITIVE, "idle_epochs": POSITIVE}
_OPTIONAL = ("patience", "epochs", "idle_epochs")

LEAST_GAIN = 0.001  # of the value; what a slow trial gains can wait
IDLE_EPOCHS = 3.0  # a trial
IDLE_SHARE = 0.2  # of the epochs of a trial


@dataclass(frozen=True)
class Pausing:
    """The settings of ``hydra.sweeper.pausing``; benchmarks/scheduling compares their defaults.

    A slice is what a trial trains between two pauses.

    Attributes:
        patience: The number of epochs in a row without an improvement of the trial's own best, by
            more than a thousandth, after which the trial pauses, also if it is the best of the
            study; None for no such limit, so that the study's pruner alone decides who is weak.
        epochs: The most epochs of a slice, so that no trial holds its slot while others wait; None
            for no limit.
        seconds: The least seconds of a slice of a trial that was paused before, since the start of
            a training takes time, too.
        idle_epochs: When no new trial begins, the study ends after this number of epochs, times the
            number of trials, in a row without a new best of the study. None for 3, or for less
            where trials are short: at most for a fifth of `trial_epochs`, and once half of the
            trials are complete, of the epochs that these took. A longer wait would train nearly all
            trials to their ends.
        trial_epochs: The most epochs of a trial. In conf/config.yaml these are ``fit.epochs``,
            which have their own check, so that whatever is no number of epochs counts as not known.
    """

    patience: int | None = 1
    epochs: int | None = 5
    seconds: float = 1.0
    idle_epochs: float | None = None
    trial_epochs: Any = None

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> Self | None:
        """Read the settings; None if trials are not paused."""
        return None if settings is None else cls(**settings)

    @classmethod
    def problems(cls, settings: object) -> list[str]:
        """Return what is wrong with the settings; empty if nothing is wrong."""
        key = "hydra.sweeper.pausing"
        if settings is None:
            return []
        if not isinstance(settings, Mapping):
            return [f"{key}={settings}: give its settings, or null to prune weak trials for good"]
        known = [each.name for each in fields(cls)]
        problems = []
        for name, value in settings.items():
            if name not in known:
                names = ", ".join(known)
                problems.append(f"{key}.{name}: there is no such setting; there are {names}")
            elif name in _RANGES and not (value is None and name in _OPTIONAL):
                problems += _RANGES[name].problems(f"{key}.{name}", value)
        return problems

    def idle(self, trials: int, lengths: Sequence[int]) -> float:
        """Return the epochs a trial, in a row without a new best, after which the study ends.

        Args:
            trials: The number of trials of the study.
            lengths: The number of epochs of each complete trial.
        """
        if self.idle_epochs is not None:
            return self.idle_epochs
        known: list[float] = [self.trial_epochs] if self.trial_epochs in COUNT else []
        if lengths and 2 * len(lengths) >= trials:  # the first to be complete are the shortest
            known.append(fmean(lengths))
        return min([IDLE_EPOCHS, *(IDLE_SHARE * epochs for epochs in known)])

    def reason(
        self, values: Mapping[int, float], objective: Objective, first: int = 0
    ) -> str | None:
        """Return why a trial pauses, though the pruner would let it go on; None if it goes on.

        Args:
            values: The values that the trial has reported, by epoch.
            objective: Which of two values is better.
            first: The first epoch of the slice.
        """
        if not values:
            return None
        at = f"paused at epoch {max(values)}"
        improved = _last_improvement(values, objective)
        since = sum(improved is None or epoch > improved for epoch in values)
        if self.patience is not None and since >= self.patience:
            last = _in_the_last(self.patience)
            least = f"no improvement of more than {LEAST_GAIN:.1%}"
            return f"{at}: {least} {last} (pausing.patience={self.patience})"
        if self.epochs is not None and sum(epoch >= first for epoch in values) >= self.epochs:
            return f"{at}: others have their turn (pausing.epochs={self.epochs})"
        return None


def _last_improvement(values: Mapping[int, float], objective: Objective) -> int | None:
    """Return the last epoch that was better than those before, by more than a thousandth."""
    best: float | None = None
    last = None
    for epoch, value in sorted(values.items()):
        if objective.is_better(value, best, LEAST_GAIN * abs(best or 0.0)):
            best, last = value, epoch
    return last


def _in_the_last(epochs: int) -> str:
    return "in the last epoch" if epochs == 1 else f"in the last {epochs} epochs"
