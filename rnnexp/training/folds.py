"""Folds and repeats: several trainings in one trial, whose mean is the trial's value.

fold_0 -> fold_1 -> ... -> the mean; the study gets the mean so far after each
  -> of a trial that leads: refit, on the whole training part, for the mean number of epochs
"""

import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnexp import keras_runtime
from rnnexp.data import Dataset
from rnnexp.execution.current_trial import CurrentTrial
from rnnexp.full_disk import named_if_full
from rnnexp.objective import Objective
from rnnexp.objectives_in_config import objectives_in
from rnnexp.result import Result, State
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.schema import Metrics
from rnnexp.training.averaging import AVERAGE, average, is_averaged, kept_in
from rnnexp.training.checkpoint import WEIGHTS, log_checkpoints
from rnnexp.training.one_training import Stage, Training, begin_session, train

if TYPE_CHECKING:
    from rnnexp.training.backup import Epochs

log = logging.getLogger(__name__)


def stages_of(config: DictConfig) -> list[Stage]:
    """Return the trainings of a trial with folds or repeats; none of a trial with one training.

    The first one has the seed of the trial, and the seeds of the others follow from that seed.

    Args:
        config: The whole config.
    """
    folds, repeats = config.fit.get("folds"), config.fit.get("repeats")
    prefix, number = (Metrics.FOLD, folds) if folds else (Metrics.REPEAT, repeats or 0)
    seeds = [config.seed, *np.random.SeedSequence(config.seed).generate_state(max(number - 1, 0))]
    return [Stage(f"{prefix}{n}", int(seed)) for n, seed in enumerate(seeds[:number])]


@dataclass
class SeveralTrainings:
    """The trainings of a trial with folds or repeats, one after the other.

    Attributes:
        config: The whole config. Its seed is that of each training in turn.
        dataset: The data.
        trial: The trial.
        run: The run of the trial.
        bests: The best epoch of each training so far, and its value.
        earlier: The metrics of the epochs of these trainings.
        epochs: The number of epochs that have been trained.
    """

    config: DictConfig
    dataset: Dataset
    trial: CurrentTrial
    run: Run
    bests: list[tuple[int, float]] = field(default_factory=list)
    earlier: "list[Epochs]" = field(default_factory=list)
    epochs: int = 0

    def __post_init__(self) -> None:
        objectives = objectives_in(self.config)
        self._objective: Objective = objectives.first
        self._names = objectives.names
        self._folder = Path(HydraConfig.get().runtime.output_dir)
        self._seed: int = self.config.seed

    def train(self, stages: Sequence[Stage]) -> Result:
        """Train; trainings that had ended before the process died are not repeated.

        Args:
            stages: The trainings, at least two.

        Returns:
            The result of the trial.
        """
        is_logged = self._resume()
        for number, stage in enumerate(stages):
            if number == len(self.bests) and (problem := self._train(number, stage)):
                _log_mean(self, number, math.nan)
                return Result(State.FAIL, reason=f"{stage.name}: {problem}")
            mean = fmean(value for _, value in self.bests[: number + 1])
            if number not in is_logged:
                _log_mean(self, number, mean)
            self.trial.measure(**_means(self, number + 1, self._names))
            self.trial.report(mean, number, metric=None)
            self.run.epochs = self.epochs
            if number + 1 < len(stages) and self.trial.should_prune(improves=False):
                reason = _reason(self, number, stage)
                _remove_kept(self._folder, stages)
                return replace(self.result(number + 1), state=State.PRUNED, reason=reason)
        result = self.result(len(stages))
        problem = self._save_model(result, stages)
        _remove_kept(self._folder, stages)
        if problem:
            return Result(State.FAIL, reason=f"{Metrics.REFIT}: {problem}")
        return result

    def result(self, number: int) -> Result:
        """Return the result of the first trainings: the mean of their values, and the spread."""
        values = [value for _, value in self.bests[:number]]
        return Result(
            State.COMPLETE,
            fmean(values),
            round(fmean(epoch for epoch, _ in self.bests[:number])),
            std=stdev(values) if number > 1 else None,
            trainings=number,
            measures=_means(self, number, self._names),
        )

    def _resume(self) -> set[int]:
        """Read which trainings have ended, and return the steps of the mean in MLflow."""
        from rnnexp.training.backup import read

        if not self.trial.run:
            return set()
        monitor = self._objective.monitor
        saved = read(self._folder, self.run.id)
        if self.trial.reported and not saved:
            log.warning(
                "there is no backup of the %s trainings that were reported: they are done again, "
                "and their values stay as they are stored",
                len(self.trial.reported),
            )
        for epochs in saved.earlier if saved else []:
            values = {epoch: found[monitor] for epoch, found in epochs.items() if monitor in found}
            if best := self._objective.best(values):
                self._add(best, epochs, len(epochs))
        return self.run.steps(monitor)

    def _add(self, best: tuple[int, float], metrics: "Epochs", epochs: int) -> None:
        self.bests.append(best)
        self.earlier.append(metrics)
        self.epochs += epochs

    def _train(self, number: int, stage: Stage) -> str:
        """Train one fold, or with one seed, and return why it has no value; empty if it has one."""
        folds = self.config.fit.get("folds")
        dataset = self.dataset.fold(number, folds) if folds else self.dataset
        training = self._fit(dataset, stage)
        result, best = training.report.result(), training.report.best
        if result.state == State.FAIL or best is None:
            return result.reason
        self._add(best, training.backup.metrics, len(training.report.losses))
        log.info("%s: %s %.4f at epoch %s", stage.name, self._objective.monitor, best[1], best[0])
        return ""

    def _fit(self, dataset: Dataset, stage: Stage) -> Training:
        stage = replace(stage, earlier=tuple(self.earlier), trained=self.epochs)
        self.config.seed = stage.seed  # which keys of the model may refer to
        try:
            begin_session(self.config)
            return train(self.config, dataset, self.trial, self.run, stage)
        finally:
            self.config.seed = self._seed
            with suppress(OSError):  # a callback has written into the folder
                (self._folder / stage.name).rmdir()

    def _save_model(self, result: Result, stages: Sequence[Stage]) -> str:
        """Save the model of the trial, if one is wanted: trained on all rows, or the average.

        Returns:
            Why the training failed; empty if it did not.
        """
        ending = _ending(self.config)
        is_wanted = self.config.fit.get("refit", True) and ending is not None
        if (
            not is_wanted
            or result.value is None
            or not self.trial.leads(result.value, result.measures)
        ):
            return ""
        epochs = (result.best_epoch or 0) + 1
        if is_averaged(self.config):
            file = self._folder / f"{AVERAGE}.keras"
            _save_average(self, stages, file)
            log_checkpoints(self.run, {str(file): epochs - 1}, epochs - 1)
            return ""
        training = self._fit(self.dataset.whole(), Stage(Metrics.REFIT, self._seed, epochs))
        if problem := training.report.diverged():
            return problem
        file = self._folder / f"{Metrics.REFIT}{ending}"
        with named_if_full(file):
            if ending == WEIGHTS:
                training.model.save_weights(file)
            else:
                training.model.save(file)
        log_checkpoints(self.run, {str(file): epochs - 1}, epochs - 1)
        return ""


def _save_average(trainings: SeveralTrainings, stages: Sequence[Stage], file: Path) -> None:
    """Save the average of the models whose weights the stages have kept."""
    begin_session(trainings.config)
    files = [kept_in(file.parent / stage.name) for stage in stages]
    model = average(trainings.config, trainings.dataset, files)
    with named_if_full(file):
        model.save(file)


def _remove_kept(folder: Path, stages: Sequence[Stage]) -> None:
    """Remove the weights that the stages of a trial have kept, which nobody needs any more."""
    for stage in stages:
        kept_in(folder / stage.name).unlink(missing_ok=True)
        with suppress(OSError):
            (folder / stage.name).rmdir()


def _log_mean(trainings: SeveralTrainings, number: int, mean: float) -> None:
    trainings.run.log_batch(metrics={trainings._objective.monitor: mean}, step=number)


def _reason(trainings: SeveralTrainings, number: int, stage: Stage) -> str:
    """Return why a trial is pruned after a stage."""
    verdict = str(trainings.trial.verdict).replace(f"at epoch {number}", f"after {stage.name}", 1)
    return f"{trainings._objective.monitor} {verdict}"


def _ending(config: DictConfig) -> str | None:
    """Return the ending of the config's checkpoints; None if the config asks for none."""
    checkpoint = keras_runtime.keras().callbacks.ModelCheckpoint
    for callback in instantiate(config.get("callbacks") or {}, _convert_="all").values():
        if isinstance(callback, checkpoint):
            return WEIGHTS if callback.save_weights_only else ".keras"
    return None


def _means(trainings: SeveralTrainings, number: int, names: Sequence[str]) -> dict[str, float]:
    """Return the means of other objectives at the best epochs of the first trainings, by name."""
    # Of a single run, no metrics are kept.
    logs = [trainings.earlier[n].get(trainings.bests[n][0], {}) for n in range(number)]
    return {
        name: fmean(each[name] for each in logs)
        for name in names
        if all(name in each for each in logs)
    }
