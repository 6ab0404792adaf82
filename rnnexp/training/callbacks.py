"""The Keras callbacks of this project: what a trial tells MLflow and its study each epoch."""

import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from rnnexp.execution.current_trial import CurrentTrial
from rnnexp.objective import Objective
from rnnexp.result import Result, State
from rnnexp.storage.mlflow_run import Run

log = logging.getLogger(__name__)


@contextmanager
def quiet_without_value() -> Iterator[None]:
    """Keras's callbacks warn at every epoch without a monitored value; they just wait for one."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Early stopping|Learning rate reduction is) condition")
        yield


def epoch_metrics(model: keras.Model, logs: Mapping[str, float] | None) -> dict[str, float]:
    """What is kept of an epoch: Keras's logs, and the learning rate that it ended with."""
    rate = float(model.optimizer.learning_rate)
    return {"learning_rate": rate} | {name: float(value) for name, value in (logs or {}).items()}


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """Keras's, which with ``save_best_only`` would save every epoch that has no monitored value.

    Such are most epochs where ``validation_freq`` is not 1.

    Attributes:
        files: The file that an epoch is in, by epoch; that of an earlier one if it was better.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.files: dict[int, str] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save the model, if it is to be saved."""
        logs = dict(logs or {})
        if self.save_best_only and self.monitor not in logs:
            return
        super().on_epoch_end(epoch, logs)
        file = self.filepath.format(epoch=epoch + 1, **logs)
        if Path(file).exists():
            self.files[epoch] = file


class LogEpoch(keras.callbacks.Callback):
    """Writes every metric of an epoch to MLflow, with the learning rate, in one batch.

    Args:
        run: The trial's run.
        monitor: The metric that is written first, since MLflow's pages that compare runs show the
            first that all have.
    """

    def __init__(self, run: Run, monitor: str) -> None:
        super().__init__()
        self._run = run
        self._monitor = monitor

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the metrics at step = epoch."""
        self._write(epoch, epoch_metrics(self.model, logs))

    def catch_up(self, metrics: Mapping[int, Mapping[str, float]]) -> None:
        """Write the epochs that were saved, but not written before the process died."""
        written = self._run.steps("learning_rate")
        for epoch in sorted(set(metrics) - written):
            self._write(epoch, metrics[epoch])

    def _write(self, epoch: int, metrics: Mapping[str, float]) -> None:
        names = sorted(metrics, key=lambda name: name != self._monitor)
        self._run.log_batch(metrics={name: metrics[name] for name in names}, step=epoch)


class ReportToStudy(keras.callbacks.Callback):
    """Reports the monitored value to the study, and stops a trial that the pruner gives up on.

    It only sets ``stop_training``, so that ``fit`` and the other callbacks end as usual.

    Args:
        trial: The trial in its study.
        objective: What is monitored.

    Attributes:
        values: The monitored value by epoch; epochs without one are missing.
        losses: The training loss by epoch.
    """

    def __init__(self, trial: CurrentTrial, objective: Objective) -> None:
        super().__init__()
        self._trial = trial
        self._objective = objective
        self.values: dict[int, float] = {}
        self.losses: dict[int, float] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Report the epoch's value, if it has one."""
        self._keep_loss(epoch, logs or {})
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
            self._keep_loss(epoch, metrics[epoch])
            if (value := metrics[epoch].get(self._objective.monitor)) is not None:
                self.values[epoch] = value
                if epoch not in reported:
                    self._trial.report(value, epoch, metric=None)
        return bool(self.values) and self._is_pruned()

    def _keep_loss(self, epoch: int, logs: Mapping[str, float]) -> None:
        if (loss := logs.get("loss")) is not None:
            self.losses[epoch] = float(loss)

    def _is_pruned(self) -> bool:
        pruned = self._trial.should_prune()
        if pruned:
            log.info("%s %s", self._objective.monitor, self._trial.verdict)
        return pruned

    @property
    def best(self) -> tuple[int, float] | None:
        """The best epoch so far, and its value."""
        return self._objective.best(self.values)

    def result(self) -> Result:
        """What came out, once ``fit`` has returned: the best epoch counts, not the last."""
        monitor = self._objective.monitor
        best = self.best
        if self._trial.verdict is None:
            # A training that has diverged is not to be trusted, however good it was before; and
            # an accuracy is a number even then.
            for name, values in (("loss", self.losses), (monitor, self.values)):
                for epoch, value in values.items():
                    if not math.isfinite(value):
                        return Result(State.FAIL, reason=f"{name} was {value} at epoch {epoch}")
        if best is None:
            return Result(State.FAIL, reason=f"{monitor} was never a number")
        epoch, value = best
        if self._trial.verdict is None:
            return Result(State.COMPLETE, value, epoch)
        return Result(State.PRUNED, value, epoch, reason=f"{monitor} {self._trial.verdict}")
