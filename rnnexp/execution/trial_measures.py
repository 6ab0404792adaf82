"""What is measured of a running trial, next to the value that it reports."""

import math
import time
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from rnnexp.constraints import SECONDS
from rnnexp.objectives import Objectives
from rnnexp.storage.optuna_store import complete_trials, objectives_of, values_of
from rnnexp.storage.schema import TrialAttrs

if TYPE_CHECKING:
    import optuna

    from rnnexp.storage.mlflow_run import Run


class TrialMeasures:
    """The other objectives of a running trial, what constraints are on, and its seconds.

    Args:
        trial: The trial.
        run: The run of the trial, which counts its seconds; None if it has none.

    Attributes:
        values: What the job has measured so far, by name.
    """

    def __init__(self, trial: "optuna.trial.Trial", run: "Run | None") -> None:
        self.values: dict[str, float] = {}
        self._trial = trial
        self._run = run
        self._times: list[float] = []  # of the steps that this job has reported
        self._reported: dict[str, list[float]] = dict(trial.user_attrs.get(TrialAttrs.OTHERS, {}))

    @cached_property
    def objectives(self) -> Objectives:
        """The objectives of the study."""
        # Imported here, and below: outside of a sweep nothing is reported.
        from rnnexp.storage.retry import retry_transient

        return retry_transient(objectives_of)(self._trial.study)

    def now(self) -> dict[str, float]:
        """Return what was measured so far, and the seconds that the trial has taken."""
        return ({SECONDS: self._run.seconds} if self._run else {}) | self.values

    @property
    def epoch_seconds(self) -> float | None:
        """The mean seconds from one report of this job to the next; None before the second one."""
        times = self._times
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None

    def report(self, step: int) -> None:
        """Note the time of a step, and store the other objectives as they are, for the pruner."""
        from rnnexp.storage.retry import retry_transient

        self._times.append(time.monotonic())
        if not self.objectives.others:
            return
        measured = self.now()
        values = [measured.get(each.monitor, math.nan) for each in self.objectives.others]
        self._reported[str(step)] = values
        retry_transient(self._trial.set_user_attr)(TrialAttrs.OTHERS, self._reported)

    def broken(self) -> str:
        """Return which constraint is broken, if no further epoch can change that; else empty."""
        return self.objectives.broken(self.now())

    def leads(self, value: float, measures: Mapping[str, float]) -> bool:
        """Return whether no complete trial of the study is better than this one.

        Args:
            value: The value of this trial.
            measures: The other values of this trial, which count more than those measured before.
        """
        from rnnexp.storage.retry import retry_transient

        complete = retry_transient(complete_trials)(self._trial.study)
        trials = {trial.number: values_of(trial, self.objectives) for trial in complete}
        own = self.objectives.named(value, {**self.now(), **measures})
        return self._trial.number in self.objectives.front({**trials, self._trial.number: own})
