"""When a study has had enough: trials, wall time, or patience with the best."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rnnexp.objective import Objective
from rnnexp.result import Result, State


@dataclass(frozen=True)
class Budget:
    """What a study may spend.

    Attributes:
        n_trials: How many trials end; None for no limit.
        timeout: Seconds after which no further trial begins; None for no limit.
        patience: The study stops after so many trials in a row that didn't improve the best;
            None for no such limit. EarlyStopping's rule, with trials in place of epochs.
        min_delta: By how much a value has to be better to count as an improvement.
        direction: ``minimize`` or ``maximize``.
    """

    n_trials: int | None
    timeout: float | None
    patience: int | None
    min_delta: float
    direction: Literal["minimize", "maximize"]

    def spent(self, ended: Sequence[Result], running: int, seconds: float) -> str | None:
        """Why no further trial may begin; None if one may.

        Args:
            ended: What came out of the trials that have ended, in that order.
            running: How many trials are running.
            seconds: How long the study has run.
        """
        if self.n_trials is not None and len(ended) + running >= self.n_trials:
            return f"n_trials={self.n_trials} is reached"
        if self.timeout is not None and seconds >= self.timeout:
            return f"timeout={self.timeout:g} seconds are over"
        if self.patience is not None and self._since_best(ended) >= self.patience:
            least = f" by {self.min_delta:g}" if self.min_delta else ""
            return f"patience={self.patience}: so many trials did not improve the best{least}"
        return None

    def seconds_left(
        self, ended: int, running: int, seconds: float, before: int = 0
    ) -> float | None:
        """How long the study will still take, by its speed so far; None if that can't be told.

        Args:
            ended: How many trials have ended.
            running: How many trials are running; they are halfway, on average.
            seconds: How long the study has run.
            before: How many trials had ended before that, if it was resumed.
        """
        by_trials = None
        done = ended - before + running / 2
        if self.n_trials is not None and ended > before:
            by_trials = max(self.n_trials - ended - running / 2, 0) * seconds / done
        by_time = None if self.timeout is None else max(self.timeout - seconds, 0.0)
        known = [left for left in (by_trials, by_time) if left is not None]
        return min(known, default=None)

    def _since_best(self, ended: Sequence[Result]) -> int:
        objective = Objective.of_direction(self.direction)
        best: float | None = None
        since = 0
        for result in ended:
            value = result.value if result.state == State.COMPLETE else None
            if value is not None and objective.is_better(value, best, self.min_delta):
                best, since = value, 0
            elif best is not None:
                since += 1
        return since
