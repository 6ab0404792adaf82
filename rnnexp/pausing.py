"""The rule by which a weak trial is paused: its slot goes to another trial, and it may go on later.

A pruner throws away what a trial would have become, so it has to be patient. A paused trial loses
nothing but its turn. So a trial is paused when the study's pruner would prune the trial, and sooner
than that when the trial has stopped to improve.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from rnnexp.number_ranges import COUNT, POSITIVE
from rnnexp.objective import Objective


@dataclass(frozen=True)
class Pausing:
    """The settings of ``hydra.sweeper.pausing``.

    Attributes:
        patience: The number of epochs in a row without an improvement of the trial's own best after
            which the trial pauses, also if it is the best of the study; None for no such limit, so
            that the pruner alone decides.
        first: The number of epochs after which a new trial pauses in any case, so that no trial
            holds its slot while others wait for their first; None for no such limit.
        epochs: The least number of epochs for which a paused trial goes on.
        seconds: The least time for which a paused trial goes on, since starting takes time, too.
        max_slices: The study ends when paused trials went on this number of times in a row without
            an improvement of the study's best.
    """

    patience: int | None = 1
    first: int | None = 6
    epochs: int = 2
    seconds: float = 2.0
    max_slices: int = 5

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
        problems = [
            f"{key}.{name}: there is no such setting; there are {', '.join(known)}"
            for name in settings
            if name not in known
        ]
        for name, value in settings.items():
            allowed = POSITIVE if name == "seconds" else COUNT
            if name in known and not (value is None and name in ("patience", "first")):
                problems += allowed.problems(f"{key}.{name}", value)
        return problems

    def reason(
        self, values: Mapping[int, float], objective: Objective, *, is_new: bool
    ) -> str | None:
        """Return why a trial pauses, though the pruner would let it go on; None if it goes on.

        Args:
            values: The values that the trial has reported, by epoch.
            objective: Which of two values is better.
            is_new: Whether the trial has not been paused before.
        """
        if not values:
            return None
        at = f"paused at epoch {max(values)}"
        best = objective.best(values)
        since = sum(best is None or epoch > best[0] for epoch in values)
        if self.patience is not None and since >= self.patience:
            last = _in_the_last(self.patience)
            return f"{at}: no improvement {last} (pausing.patience={self.patience})"
        if is_new and self.first is not None and len(values) >= self.first:
            return f"{at}: its first {self.first} epochs are over (pausing.first={self.first})"
        return None


def _in_the_last(epochs: int) -> str:
    return "in the last epoch" if epochs == 1 else f"in the last {epochs} epochs"
