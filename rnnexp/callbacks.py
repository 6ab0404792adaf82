"""The Keras callbacks of this project: what a trial tells MLflow and its study each epoch."""

import logging
import math
from collections.abc import Mapping

import keras

from rnnexp.current import CurrentTrial
from rnnexp.objective import Objective
from rnnexp.result import Result, State
from rnnexp.tracking import Run

log = logging.getLogger(__name__)


def epoch_metrics(model: keras.Model, logs: Mapping[str, float] | None) -> dict[str, float]:
    """What is kept of an epoch: Keras's logs, and the learning rate that it ended with."""
    rate = float(model.optimizer.learning_rate)
    return {"learning_rate": rate} | {name: float(value) for name, value in (logs or {}).items()}


class LogEpoch(keras.callbacks.Callback):
    """Writes every metric of an epoch to MLflow, with the learning rate, in one batch.

    Args:
        run: The trial's run.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the metrics at step = epoch."""
        self._run.log_batch(metrics=epoch_metrics(self.model, logs), step=epoch)

    def catch_up(self, metrics: Mapping[int, Mapping[str, float]]) -> None:
        """Write the epochs that were saved, but not written before the process died."""
        written = self._run.steps("learning_rate")
        for epoch in sorted(set(metrics) - written):
            self._run.log_batch(metrics=metrics[epoch], step=epoch)


class ReportToStudy(keras.callbacks.Callback):
    """Reports the monitored value to the study, and stops a trial that the pruner gives up on.

    It only sets ``stop_training``, so that ``fit`` and the other callbacks end as usual.

    Args:
        trial: The trial in its study.
        objective: What is monitored.

    Attributes:
        values: The monitored value by epoch; epochs without one are missing.
    """

    def __init__(self, trial: CurrentTrial, objective: Objective) -> None:
        super().__init__()
        self._trial = trial
        self._objective = objective
        self.values: dict[int, float] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Report the epoch's value, if it has one."""
        value = (logs or {}).get(self._objective.monitor)
        if value is None:
            return
        self.values[epoch] = float(value)
        self._trial.report(float(value), epoch, metric=None)  # `LogEpoch` writes it
        if self._is_pruned():
            self.model.stop_training = True

    def catch_up(self, metrics: Mapping[int, Mapping[str, float]]) -> bool:
        """Report the epochs that were saved, but not reported; whether the trial is pruned."""
        reported = self._trial.reported
        for epoch in sorted(metrics):
            if (value := metrics[epoch].get(self._objective.monitor)) is not None:
                self.values[epoch] = value
                if epoch not in reported:
                    self._trial.report(value, epoch, metric=None)
        return bool(self.values) and self._is_pruned()

    def _is_pruned(self) -> bool:
        pruned = self._trial.should_prune()
        if pruned:
            log.info("%s %s", self._objective.monitor, self._trial.verdict)
        return pruned

    def result(self) -> Result:
        """What came out, once ``fit`` has returned: the best epoch counts, not the last."""
        monitor = self._objective.monitor
        best = self._objective.best(self.values)
        if self._trial.verdict is None:
            # A training that has diverged is not to be trusted, however good it was before.
            for epoch, value in self.values.items():
                if not math.isfinite(value):
                    return Result(State.FAIL, reason=f"{monitor} was {value} at epoch {epoch}")
        if best is None:
            return Result(State.FAIL, reason=f"{monitor} was never a number")
        epoch, value = best
        if self._trial.verdict is None:
            return Result(State.COMPLETE, value, epoch)
        return Result(State.PRUNED, value, epoch, reason=f"{monitor} {self._trial.verdict}")
