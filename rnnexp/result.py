"""The outcome of a trial, as a value that can cross processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self


class State(StrEnum):
    """The outcome of a trial; the names are those of Optuna's ``TrialState``, but for PAUSED.

    A paused trial may go on, so that it is RUNNING in Optuna, which has no such state.
    """

    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"
    PAUSED = "PAUSED"


@dataclass(frozen=True)
class Result:
    """The outcome of one trial.

    Attributes:
        state: How the trial ended.
        value: The monitored value of the best epoch, or the mean of these values of several
            trainings; None for a failed trial.
        best_epoch: The epoch, counted from 0, at which that value was reached; the mean of several
            trainings, rounded.
        reason: Why the trial was pruned, paused or failed; empty when it completed.
        seconds: How long all attempts of the trial took together; None if it is not known.
        std: The standard deviation of the values whose mean the value is, as with folds; None of
            fewer than two values.
        trainings: The number of these values; None if the value is that of one training.
        measures: What else was measured of the trial, by name: the other objectives, and what
            constraints are on.
        epoch_seconds: How long an epoch took, without the start of the training; None if it is not
            known.
    """

    state: State
    value: float | None = None
    best_epoch: int | None = None
    reason: str = ""
    seconds: float | None = None
    std: float | None = None
    trainings: int | None = None
    measures: Mapping[str, float] = field(default_factory=dict)
    epoch_seconds: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        return cls(**{**stored, "state": State(stored["state"])})
