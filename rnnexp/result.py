"""What came out of a trial, as a value that can cross processes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

RESULT = "result"  # user attribute of a trial in Optuna


class State(StrEnum):
    """How a trial ended; the names are those of Optuna's ``TrialState``."""

    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Result:
    """The outcome of one trial.

    Attributes:
        state: How the trial ended.
        value: The monitored value of the best epoch; None for a failed trial.
        best_epoch: The epoch, counted from 0, at which that value was reached.
        reason: Why the trial was pruned or failed; empty when it completed.
    """

    state: State
    value: float | None = None
    best_epoch: int | None = None
    reason: str = ""

    def to_attribute(self) -> dict[str, Any]:
        """What a trial stores of it in Optuna under `RESULT`."""
        return asdict(self)

    @classmethod
    def stored(cls, attributes: Mapping[str, Any]) -> Self | None:
        """What came out of a trial by its user attributes; None while it runs."""
        known = attributes.get(RESULT)
        return cls(**known | {"state": State(known["state"])}) if known else None
