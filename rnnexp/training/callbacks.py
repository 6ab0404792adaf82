"""Keras callbacks that log each epoch to MLflow, report it to the study, and save checkpoints."""

import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rnnexp.execution.current_trial import CurrentTrial
from rnnexp.full_disk import named_if_full
from rnnexp.objectives import Objectives
from rnnexp.result import Result, State
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.schema import Metrics

log = logging.getLogger(__name__)


@contextmanager
def without_monitor_warnings() -> Iterator[None]:
    """Silence the warnings of Keras's callbacks at epochs without the monitored value.

    With ``validation_freq`` most epochs have no value, and the callbacks just wait for the next.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(Early stopping|Learning rate reduction is) condition")
        yield


def epoch_metrics(model: keras.Model, logs: Mapping[str, float] | None) -> dict[str, float]:
    """Return the metrics of an epoch: Keras's logs, and the learning rate at the epoch's end."""
    metrics = {Metrics.LEARNING_RATE: float(model.optimizer.learning_rate)}
    return metrics | {name: float(value) for name, value in (logs or {}).items()}


class ModelCheckpoint(keras.callbacks.ModelCheckpoint):
    """Keras's ModelCheckpoint, which skips epochs without a monitored value that is a number.

    With ``save_best_only`` Keras's own would save each of these epochs over the best. Where
    ``validation_freq`` is not 1, most epochs have no monitored value.

    Attributes:
        files: The epoch, counted from 0, whose model each file holds: the last that was saved
            to it. Models that ``save_freq`` saves amid an epoch are of no epoch.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.files: dict[str, int] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save the model if Keras's rules say so, and keep the name of the file."""
        logs = dict(logs or {})
        if self.save_best_only and not math.isfinite(logs.get(self.monitor, math.nan)):
            return
        best = self.best
        with named_if_full(Path(self.filepath)):
            super().on_epoch_end(epoch, logs)
        # With `save_best_only` Keras saves whenever there is a new best, and only then.
        if self.save_freq == "epoch" and (not self.save_best_only or self.best != best):
            self.files[self.filepath.format(epoch=epoch + 1, **logs)] = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Save the model if ``save_freq`` says so."""
        with named_if_full(Path(self.filepath)):
            super().on_train_batch_end(batch, logs)


class SeedOrder(keras.callbacks.Callback):
    """Seeds NumPy's generator at each epoch; Keras draws the order of the rows from it on JAX.

    So a training that is resumed goes on with the order that it would have had.

    Args:
        seed: The order of an epoch depends on this seed and the epoch alone.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002
        """Seed the generator, before Keras asks for the batches of the epoch."""
        np.random.seed((self._seed, epoch))


class LogEpoch(keras.callbacks.Callback):
    """Logs all metrics of an epoch to MLflow, with the learning rate, in one batch.

    Args:
        run: The trial's run.
        monitor: The metric that is written first, since MLflow's pages that compare runs show the
            first metric that all runs have.
        prefix: What comes before the names of the metrics, such as ``fold_0/``.
    """

    def __init__(self, run: Run, monitor: str, prefix: str = "") -> None:
        super().__init__()
        self._run = run
        self._monitor = monitor
        self._prefix = prefix
        self._logged: set[int] = set()  # by earlier attempts

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Log the metrics, each epoch once; the step is the epoch."""
        if epoch not in self._logged:
            self._log(epoch, epoch_metrics(self.model, logs))

    def catch_up(self, metrics: Mapping[int, Mapping[str, float]]) -> None:
        """Log the epochs that were saved, but not logged before the process died.

        Args:
            metrics: The metrics of each saved epoch; none if the backup was lost.
        """
        self._logged = self._run.steps(f"{self._prefix}{Metrics.LEARNING_RATE}")
        for epoch in sorted(set(metrics) - self._logged):
            self._log(epoch, metrics[epoch])

    def _log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        names = sorted(metrics, key=lambda name: name != self._monitor)
        named = {f"{self._prefix}{name}": metrics[name] for name in names}
        self._run.log_batch(metrics=named, step=epoch)


class ReportToStudy(keras.callbacks.Callback):
    """Reports the monitored value to the study, and stops a trial that the pruner prunes.

    The callback sets ``stop_training`` and does not raise, so that ``fit`` and the other callbacks
    end as usual.

    Args:
        trial: The trial in its study.
        objectives: The monitored value, which of two values is better, and what else is measured.

    Attributes:
        values: The monitored value by epoch; epochs without a value are missing.
        losses: The training loss by epoch.
    """

    def __init__(self, trial: CurrentTrial, objectives: Objectives) -> None:
        super().__init__()
        self._trial = trial
        self._objective = objectives.first
        self._names = objectives.names
        self._measures: dict[int, dict[str, float]] = {}  # by epoch
        self.values: dict[int, float] = {}
        self.losses: dict[int, float] = {}

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Report the epoch's value, if there is one, and ask the pruner."""
        self._keep_loss(epoch, logs or {})
        value = (logs or {}).get(self._objective.monitor)
        if value is None:
            return
        self.values[epoch] = float(value)
        self._measure(epoch, logs or {})
        self._trial.report(float(value), epoch, metric=None)  # `LogEpoch` logs the value
        is_last = self.model.stop_training or epoch + 1 == (self.params or {}).get("epochs")
        if self._is_pruned(is_last=is_last):
            self.model.stop_training = True

    def catch_up(
        self, metrics: Mapping[int, Mapping[str, float]], *, is_over: bool = False
    ) -> bool:
        """Report the epochs that were saved, but not reported before the process died.

        Args:
            metrics: The metrics of each saved epoch.
            is_over: Whether the training had ended with the last of these epochs.

        Returns:
            Whether the pruner stops the trial.
        """
        reported = self._trial.reported
        for epoch in sorted(metrics):
            self._keep_loss(epoch, metrics[epoch])
            if (value := metrics[epoch].get(self._objective.monitor)) is not None:
                self.values[epoch] = value
                self._measure(epoch, metrics[epoch])
                if epoch not in reported:
                    self._trial.report(value, epoch, metric=None)
        return bool(self.values) and self._is_pruned(is_last=is_over)

    def _measure(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Keep the other objectives, and let the trial know those of the best epoch so far."""
        self._measures[epoch] = {n: float(logs[n]) for n in self._names if n in logs}
        self._trial.measure(**self.measures)

    @property
    def measures(self) -> dict[str, float]:
        """The metrics that are other objectives, or under constraints, at the best epoch."""
        return self._measures[self.best[0]] if self.best else {}

    def _keep_loss(self, epoch: int, logs: Mapping[str, float]) -> None:
        if (loss := logs.get("loss")) is not None:
            self.losses[epoch] = float(loss)

    def _is_pruned(self, *, is_last: bool) -> bool:
        is_pruned = self._trial.should_prune(is_last=is_last)
        if is_pruned:
            why = self._trial.verdict or self._trial.pause or self._trial.stopped
            log.info("%s %s", self._objective.monitor, why)
        return is_pruned

    @property
    def best(self) -> tuple[int, float] | None:
        """The best epoch so far and its value; None if no value was finite."""
        return self._objective.best(self.values)

    def result(self) -> Result:
        """Return the trial's result once ``fit`` has returned; the best epoch counts, not the last.

        A training that diverged has failed, however good an earlier epoch was, unless the pruner
        stopped the trial. The loss counts too, since an accuracy stays finite.
        """
        monitor, verdict, best = self._objective.monitor, self._trial.verdict, self.best
        if verdict is None and (diverged := self.diverged()):
            return Result(State.FAIL, reason=diverged)
        if best is None:
            return Result(State.FAIL, reason=f"{monitor} was never a number")
        epoch, value = best
        if pause := self._trial.pause:
            reason = f"{monitor} {pause}"
            return Result(State.PAUSED, value, epoch, reason, measures=self.measures)
        if verdict is None:
            return Result(State.COMPLETE, value, epoch, measures=self.measures)
        reason = f"{monitor} {verdict}"
        return Result(State.PRUNED, value, epoch, reason, measures=self.measures)

    def diverged(self) -> str:
        """Return at which epoch the training diverged; empty if it did not."""
        for name, values in (("loss", self.losses), (self._objective.monitor, self.values)):
            for epoch, value in values.items():
                if not math.isfinite(value):
                    return f"{name} was {value} at epoch {epoch}"
        return ""
