"""One training, from its data to its values: a trial, or a stage of a trial with folds.

model, compiled -> callbacks -> the backup, if there is one -> fit
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnexp import keras_runtime
from rnnexp.data import Dataset
from rnnexp.execution.current_trial import CurrentTrial, Standalone
from rnnexp.objectives_in_config import objectives_in
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.schema import Tags
from rnnexp.training import (
    compiled_models,
    early_variables,
    jit,
    loop_gradient,
    steps_per_execution,
    unroll,
)
from rnnexp.training.averaging import is_averaged, keeper
from rnnexp.training.checkpoint import load, log_checkpoints
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.measures import measure
from rnnexp.training.model import build
from rnnexp.training.streams import fit_on_streams

if TYPE_CHECKING:
    import keras

    from rnnexp.training.backup import Backup, Epochs, Saved
    from rnnexp.training.callbacks import LogEpoch, ReportToStudy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """One of several trainings of a trial.

    Attributes:
        name: The beginning of the names of its metrics, and its folder in that of the trial.
        seed: The seed of its initial weights and its order of batches.
        epochs: The number of its epochs; None for that of the config.
        earlier: The metrics of the epochs of the stages that came before.
        trained: The number of epochs that came before.
    """

    name: str
    seed: int
    epochs: int | None = None
    earlier: "Sequence[Epochs]" = ()
    trained: int = 0

    @property
    def is_refit(self) -> bool:
        """Whether there is nothing to validate on."""
        return self.epochs is not None


@dataclass(frozen=True)
class Training:
    """A training: its model, its callbacks, and where its epochs go.

    Attributes:
        model: The model, built and compiled.
        chosen: The callbacks of the config, by name.
        backup: Saves the state of the training.
        log_epoch: Logs to MLflow.
        report: Reports to the study.
        run: The run of the trial.
        trial: The trial.
        stage: Which one of several trainings; None if the trial has no others.
        has_backup: Whether the training is backed up; a single run, which nobody resumes, is not.
    """

    model: "keras.Model"
    chosen: "dict[str, keras.callbacks.Callback]"
    backup: "Backup"
    log_epoch: "LogEpoch"
    report: "ReportToStudy"
    run: Run
    trial: CurrentTrial
    stage: Stage | None
    has_backup: bool

    @property
    def tables(self) -> "list[keras.callbacks.CSVLogger]":
        """The callbacks that write a table of the epochs."""
        logger = keras_runtime.keras().callbacks.CSVLogger
        return [callback for callback in self.chosen.values() if isinstance(callback, logger)]

    def resume(self, arguments: dict[str, Any]) -> bool:
        """Go on from the backup, if there is one.

        Args:
            arguments: The arguments of ``model.fit``, which get their ``initial_epoch``.

        Returns:
            Whether the training had ended.
        """
        saved = self.backup.load(self.model)
        if saved:
            first = saved.epoch + 1
            arguments["initial_epoch"] = first
            return self._catch_up(saved, is_over=first == arguments.get("epochs"))
        if self.stage and self.has_backup:  # an earlier attempt may have logged some epochs
            self.log_epoch.catch_up({})
        elif self.trial.reported:
            log.warning(
                "there is no backup of the %s epochs that were reported: they are trained again, "
                "and stay as they are stored",
                len(self.trial.reported),
            )
            self.log_epoch.catch_up({})
        return False

    def _catch_up(self, saved: "Saved", *, is_over: bool) -> bool:
        """Log and report the saved epochs that MLflow or the study lack.

        Args:
            saved: The state of the training.
            is_over: Whether the training had its last epoch.

        Returns:
            Whether the training had ended.
        """
        log.info("resumed after epoch %s%s", saved.epoch, f" of {self.name}" if self.name else "")
        self.log_epoch.catch_up(saved.metrics)
        is_over = is_over or saved.stopped
        is_over = self.report.catch_up(saved.metrics, is_over=is_over) or is_over
        if is_over:  # `fit` is not called, but the state of the callbacks is read
            self.backup.on_train_begin()
        return is_over

    def fit(self, arguments: dict[str, Any]) -> None:
        """Fit the model."""
        from rnnexp.training.callbacks import without_monitor_warnings
        from rnnexp.training.epoch_table import continue_table

        at_end = keras_runtime.keras().callbacks.LambdaCallback
        # Before the checkpoint and the backup, which another attempt may have begun to write.
        check = at_end(on_epoch_end=lambda *_: self.run.guard.check())
        first = [self.backup] if self.has_backup else []
        for table in self.tables if self.has_backup else []:
            continue_table(table, arguments.get("initial_epoch") or 0)
        # The study gets no value of an epoch in a stage, which would do the same.
        last = [at_end(on_epoch_end=lambda *_: self.trial.end_of_epoch())] if self.stage else []
        own = [*first, self.log_epoch, self.report, *arguments.pop("callbacks", []), *last]
        with without_monitor_warnings():
            self.model.fit(**arguments, callbacks=[check, *self.chosen.values(), *own])

    def log_files(self) -> None:
        """Store the tables and the checkpoints of the training in its run."""
        from rnnexp.training.callbacks import ModelCheckpoint

        best, files = self.report.best, dict[str, int]()
        for callback in self.chosen.values():
            if isinstance(callback, ModelCheckpoint):
                files |= callback.files
        for table in self.tables:
            if Path(table.filename).exists():
                self.run.log_file(Path(table.filename), self.name or None)
        log_checkpoints(self.run, files, best[0] if best else None)

    @property
    def name(self) -> str:
        """The name of the stage; empty if the trial has no others."""
        return self.stage.name if self.stage else ""


def begin_session(config: DictConfig) -> None:
    """Reset Keras before a training, and seed its random numbers."""
    keras_runtime.choose(config.backend, deterministic=config.deterministic)
    if config.deterministic:
        keras_runtime.be_deterministic()
    has_compiled = compiled_models.are_kept()
    keras_runtime.new_session(has_compiled=has_compiled)
    has_seeds = has_compiled and compiled_models.have_own_seeds(config)
    keras_runtime.set_seed(config.seed, of_backend=not has_seeds)


def train(
    config: DictConfig,
    dataset: Dataset,
    trial: CurrentTrial,
    mlflow_run: Run,
    stage: Stage | None = None,
) -> Training:
    """Train a model in the session that has begun.

    Args:
        config: The whole config, with the seed of the training.
        dataset: The data.
        trial: The trial.
        mlflow_run: The run of the trial.
        stage: Which one of several trainings of the trial; None if there are no others.

    Returns:
        The training, which has ended.
    """
    model = build(config, dataset)
    arguments = fit_arguments(config, dataset)
    if stage and stage.epochs is not None:
        arguments["epochs"] = stage.epochs
    chosen = _callbacks(config, stage)
    model = settle_steps(config, model, arguments, chosen.values())
    measure(config, model, dataset, trial)
    training = _training(config, model, chosen, trial, mlflow_run, stage)
    mlflow_run.tag_later({Tags.JIT_COMPILE: str(bool(model.jit_compile)).lower()})
    is_over = training.resume(arguments)
    if config.checkpoint and not training.backup.metrics:
        load(model, config.checkpoint, MlflowStore(config.tracking.uri))
        mlflow_run.log_batch(tags={Tags.CONTINUED_FROM: config.checkpoint})
    try:
        if not is_over:
            training.fit(fit_on_streams(arguments, config.seed))
            compiled_models.keep(config, model)
    except KeyboardInterrupt:
        if not trial.run and not stage and (best := training.report.best):
            overrides = f"checkpoint={mlflow_run.id} fit.initial_epoch={best[0] + 1}"
            log.warning("interrupted; to go on from the best epoch, add %s", overrides)
        raise
    finally:  # also if the training was interrupted
        before = stage.trained if stage else 0
        mlflow_run.epochs = before + len(training.report.losses)
        training.log_files()
    return training


def settle_steps(
    config: DictConfig,
    model: "keras.Model",
    arguments: dict[str, Any],
    callbacks: "Iterable[keras.callbacks.Callback]" = (),
) -> "keras.Model":
    """Settle how the steps of a model are traced and compiled, before the model is trained.

    Args:
        config: The whole config, in which what is ``auto`` becomes what was decided.
        model: The model, built and compiled, which has not been trained.
        arguments: The arguments of ``model.fit``.
        callbacks: The callbacks of the config.

    Returns:
        The model to train: this one, or one whose steps are compiled already.
    """
    has_loops = not unroll.settle(config, model, arguments)
    jit.settle(config, model, arguments, has_loops=has_loops)
    if has_loops:
        loop_gradient.settle(model)
    steps_per_execution.settle(config, model, arguments, callbacks)
    model = compiled_models.take(config, model)
    early_variables.create(config, model, arguments)
    return model


def _callbacks(config: DictConfig, stage: Stage | None) -> "dict[str, keras.callbacks.Callback]":
    """Return the callbacks of the config, by name, as a training has them."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    chosen = instantiate(config.get("callbacks") or {}, _convert_="all")
    if stage:
        chosen = _of_stage(chosen, stage, folder)
        if is_averaged(config):
            chosen["average"] = keeper(config, folder / stage.name)
    return dict(chosen)


def _training(
    config: DictConfig,
    model: "keras.Model",
    chosen: "dict[str, keras.callbacks.Callback]",
    trial: CurrentTrial,
    mlflow_run: Run,
    stage: Stage | None,
) -> Training:
    # Imported here, since both modules import Keras, which only a process that trains needs.
    from rnnexp.training.backup import Backup
    from rnnexp.training.callbacks import LogEpoch, ReportToStudy

    folder, monitor = Path(HydraConfig.get().runtime.output_dir), config.objective.monitor
    return Training(
        model=model,
        chosen=chosen,
        backup=Backup(folder, chosen, mlflow_run.id, stage.earlier if stage else ()),
        log_epoch=LogEpoch(mlflow_run, monitor, f"{stage.name}/" if stage else ""),
        report=ReportToStudy(Standalone() if stage else trial, objectives_in(config)),
        run=mlflow_run,
        trial=trial,
        stage=stage,
        has_backup=trial.run is not None,
    )


def _of_stage(
    chosen: "Mapping[str, keras.callbacks.Callback]", stage: Stage, folder: Path
) -> "dict[str, keras.callbacks.Callback]":
    """Return the callbacks of a stage: no checkpoint; without validation, none that monitors."""
    from rnnexp.training.backup import move_files

    checkpoint = keras_runtime.keras().callbacks.ModelCheckpoint
    own = folder / stage.name
    own.mkdir(exist_ok=True)
    found = {}
    for name, callback in chosen.items():
        is_monitoring = stage.is_refit and hasattr(callback, "monitor")
        if not (is_monitoring or isinstance(callback, checkpoint)):
            move_files(callback, folder, own)
            found[name] = callback
    return found
