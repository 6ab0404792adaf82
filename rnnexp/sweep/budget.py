"""Budget of a study: trials, wall time, epochs, core-hours, patience with the best, failures."""

from collections.abc import Sequence
from dataclasses import dataclass

from rnnexp.constraints import Values
from rnnexp.objectives import Objectives
from rnnexp.result import Result, State

FAILURE_WINDOW = 20  # the last trials that `too_many_failed` looks at
LEAST_LENGTHS = 3  # the number of complete trials by which the length of a trial is estimated
MIN_FAILURES = 5  # the number of failed trials that it takes


@dataclass(frozen=True)
class Budget:
    """What a study may spend.

    Attributes:
        objectives: What the study optimizes, and the constraints.
        n_trials: The number of trials; None for no limit.
        timeout: Seconds after which no further trial begins; None for no limit.
        patience: The number of trials in a row, without an improvement of the best, after which
            the study stops; None for no limit. The rule is EarlyStopping's, with trials in place
            of epochs.
        min_delta: The smallest improvement that does not count.
        epochs: The number of epochs of all trials together after which no trial begins, and no
            paused trial goes on; below 1, a share of what the study would take without pruning.
            None for no limit.
        core_hours: The core-hours of all trials together after which no trial begins, and no paused
            trial goes on; None for no limit.
    """

    objectives: Objectives
    n_trials: int | None = None
    timeout: float | None = None
    patience: int | None = None
    min_delta: float = 0.0
    epochs: float | None = None
    core_hours: float | None = None

    def over(
        self, seconds: float, epochs: int, lengths: Sequence[int] = (), core_hours: float = 0.0
    ) -> str | None:
        """Return why neither a trial may begin nor a paused trial go on; None if one may.

        Args:
            seconds: How long the study has run.
            epochs: The number of epochs that all trials have reported.
            lengths: The number of epochs of each complete trial.
            core_hours: The core-hours that the trials took which have ended or are paused.
        """
        if self.timeout is not None and seconds >= self.timeout:
            return f"{self.timeout:g} seconds have passed (timeout={self.timeout:g})"
        limit = self._most_epochs(lengths)
        if limit is not None and epochs >= limit:
            return f"{epochs} epochs have been trained (epochs={self.epochs:g})"
        if self.core_hours is not None and core_hours >= self.core_hours:
            return f"{core_hours:.3g} core-hours have been spent (core_hours={self.core_hours:g})"
        return None

    def _most_epochs(self, lengths: Sequence[int]) -> float | None:
        """Return the limit of epochs; of a share, by the mean length of the complete trials."""
        if self.epochs is None or self.epochs >= 1:
            return self.epochs
        if self.n_trials is None or len(lengths) < LEAST_LENGTHS:
            return None
        return self.epochs * self.n_trials * sum(lengths) / len(lengths)

    def spent(self, ended: Sequence[Result], running: int) -> str | None:
        """Return why no further trial may begin, apart from the limits of `over`; None if one may.

        Args:
            ended: The results of the trials that have ended, in the order in which they ended, then
                those of the paused trials.
            running: The number of running trials.
        """
        if self.n_trials is not None and len(ended) + running >= self.n_trials:
            return f"all {self.n_trials} trials have run (n_trials={self.n_trials})"
        if self.patience is not None and self._since_best(ended) >= self.patience:
            least = f" of more than {self.min_delta:g}" if self.min_delta else ""
            last = (
                f"in the last {self.patience} trials" if self.patience > 1 else "in the last trial"
            )
            return f"no improvement{least} {last} (patience={self.patience})"
        return None

    def seconds_left(
        self, ended: int, running: int, seconds: float, before: int = 0
    ) -> float | None:
        """Estimate how long the study will still take, by its speed so far.

        Args:
            ended: The number of trials that have ended.
            running: The number of running trials, which are halfway on average.
            seconds: How long the sweep has run.
            before: The number of trials that had ended before this sweep, if it resumes a study.

        Returns:
            Seconds; None if there is nothing to estimate by.
        """
        by_trials = None
        done = ended - before + running / 2
        if self.n_trials is not None and ended > before:
            by_trials = max(self.n_trials - ended - running / 2, 0) * seconds / done
        by_time = None if self.timeout is None else max(self.timeout - seconds, 0.0)
        known = [left for left in (by_trials, by_time) if left is not None]
        return min(known, default=None)

    def _since_best(self, ended: Sequence[Result]) -> int:
        """Count the trials since the last that improved the best, or came to the Pareto front."""
        best: float | None = None
        front: dict[int, Values] = {}
        since = 0
        for number, result in enumerate(ended):
            has_value = result.state in (State.COMPLETE, State.PAUSED)
            value = result.value if has_value else None
            values = self.objectives.named(value, result.measures)
            if value is None or not self.objectives.is_feasible(values):
                since += best is not None
            elif self.objectives.first.is_better(value, best, self.min_delta):
                best, since = value, 0
                front[number] = values
            elif self._joins(front, number, values):
                since = 0
            else:
                since += 1
        return since

    def _joins(self, front: dict[int, Values], number: int, values: Values) -> bool:
        """Add a trial of several objectives to the front, and return whether it belongs there."""
        if not self.objectives.others:
            return False
        front[number] = values
        left = self.objectives.front(front)
        for gone in front.keys() - set(left):
            del front[gone]
        return number in front


def too_many_failed(ended: Sequence[State], max_failure_rate: float) -> str:
    """Return why a sweep should stop because of its failed trials; empty if it should go on.

    Args:
        ended: The states of the sweep's trials, in the order in which they ended.
        max_failure_rate: The largest share of failed trials among the last 20, and not less than 5
            of them, that is accepted.
    """
    recent = [state for state in ended if state != State.PAUSED][-FAILURE_WINDOW:]
    failures = recent.count(State.FAIL)
    if failures < MIN_FAILURES or failures / len(recent) <= max_failure_rate:
        return ""
    return (
        f"stopped after {len(ended)} trials: {failures} of the last {len(recent)} failed, more "
        f"than max_failure_rate={max_failure_rate}; the traceback of each is in its MLflow run"
    )
