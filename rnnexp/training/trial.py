"""One trial, from its config to its result.

    run -> data.load -> model.build -> callbacks -> model.fit -> Result

Every epoch: backup -> MLflow -> study -> go on or stop. `evaluate` comes last, for a single run or
for the best trial of a study.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rnnexp import data, gpus, keras_runtime
from rnnexp.config_files import absolute_path
from rnnexp.data import Dataset
from rnnexp.data.new_files import held_out
from rnnexp.data.run_datasets import datasets_of
from rnnexp.errors import DataError, NotFoundError, message_alone
from rnnexp.evaluation.files import log_files
from rnnexp.execution.current_trial import CurrentTrial, current_trial
from rnnexp.execution.trial_task import RunOptions, log_result, recorded
from rnnexp.identity import Digests, changed_files, digests_of, files_of, identity_of
from rnnexp.objective import objective_in
from rnnexp.passwords import conceal
from rnnexp.result import Result
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.provenance import git_of_application
from rnnexp.storage.schema import Artifacts, Metrics, Tags
from rnnexp.training import compiled_models, jit, unroll
from rnnexp.training.checkpoint import load, log_checkpoints, no_checkpoint
from rnnexp.training.checks import check
from rnnexp.training.evaluation import evaluate_checkpoint, writable
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.model import build
from rnnexp.training.run_data import data_problem
from rnnexp.training.streams import fit_on_streams

if TYPE_CHECKING:
    import keras

    from rnnexp.training.backup import Backup, Saved
    from rnnexp.training.callbacks import LogEpoch, ReportToStudy

log = logging.getLogger(__name__)


def run(config: DictConfig) -> Result:
    """Train one model and log it: in a sweep as a trial of the study, else as a single run.

    A single run evaluates the checkpoint on the test part at the end.

    Args:
        config: The job's composed config.

    Returns:
        The result of the trial.
    """
    trial = current_trial()
    _make_paths_absolute(config)
    if trial.run:
        return _train(config, trial, trial.run)
    with message_alone():
        return _run_alone(config, trial)


def run_problems(config: DictConfig) -> list[str]:
    """Return why a single run can't work, before anything is written.

    Args:
        config: The run's composed config.
    """
    return [*check([config]), *Tracker(**config.tracking).problems()]


def evaluate(config: DictConfig, run_id: str) -> dict[str, float]:
    """Evaluate the checkpoint of a run on the test part, and store its predictions in the run.

    Args:
        config: The config that the run was trained with.
        run_id: The MLflow run, whose artifacts have the checkpoint.

    Returns:
        The loss first, then the metrics, by Keras's names such as ``accuracy``. Empty if the run
        has no checkpoint, as without the callback ``model_checkpoint``.

    Raises:
        NotFoundError: If the data are not those that the run was trained on.
    """
    keras_runtime.choose(config.backend, deterministic=config.deterministic)
    store = MlflowStore(config.tracking.uri)
    if reason := no_checkpoint(run_id, store):
        log.warning("run %s can't be evaluated: %s", run_id, reason)
        return {}
    dataset = data.load(config.data)
    run = store.client().get_run(run_id)
    if problem := data_problem(config, dataset, run.data.tags):
        raise NotFoundError(
            f"the data of run {run_id} {problem}; without the original data it can't be evaluated"
        )
    part = held_out(instantiate(config.data), dataset)
    evaluation, files = evaluate_checkpoint(config, dataset, run, part)
    log_files(writable(store, run), files)
    return evaluation.scores


def _run_alone(config: DictConfig, trial: CurrentTrial) -> Result:
    tracker = Tracker(**config.tracking)
    git = git_of_application()
    options = RunOptions(git=git.state if git else None)
    with recorded(tracker, config, options) as mlflow_run:
        if git and git.dirty and tracker.uncommitted_diff:
            mlflow_run.log_text(conceal(git.diff), Artifacts.DIFF)
        result = _train(config, trial, mlflow_run)
        log_result(mlflow_run, result)
        if result.reason:
            log.error("the run has failed: %s", result.reason)
        scores = evaluate(config, mlflow_run.id)
        mlflow_run.log_batch(
            metrics={f"{Metrics.TEST}{name}": score for name, score in scores.items()}
        )
    print(", ".join(f"{name} {score:.4f}" for name, score in scores.items()))
    return result


def _train(config: DictConfig, trial: CurrentTrial, mlflow_run: Run) -> Result:
    """Train a model; without XLA, or with loops, if the training fails otherwise."""
    try:
        return _train_once(config, trial, mlflow_run)
    except Exception as error:
        if not (jit.turn_off(config, error) or unroll.turn_off(config, error)):
            raise
    return _train_once(config, trial, mlflow_run)


def _train_once(config: DictConfig, trial: CurrentTrial, mlflow_run: Run) -> Result:
    """Train a model: data -> model, compiled -> callbacks -> fit."""
    _begin_session(config)
    dataset = data.load(config.data)
    digests = digests_of(config)
    if changed := changed_files(trial.digests, digests):
        what_to_do = "put the file back, or start a new study"
        raise DataError([f"{text}, so its values would differ; {what_to_do}" for text in changed])
    _tag_data(mlflow_run, config, dataset, digests)
    mlflow_run.log_inputs(datasets_of(instantiate(config.data), dataset))
    model = build(config, dataset)
    callbacks = _make_callbacks(config, trial, mlflow_run)
    arguments = fit_arguments(config, dataset)
    has_loops = not unroll.settle(config, model, arguments)
    is_jit = jit.settle(config, model, arguments, has_loops=has_loops)
    model = compiled_models.take(config, model)
    mlflow_run.tag_later({Tags.JIT_COMPILE: str(is_jit).lower()})
    is_over = False
    if saved := callbacks.backup.load(model):
        first = saved.epoch + 1
        is_over = callbacks.catch_up(saved, is_over=first == arguments.get("epochs"))
        arguments["initial_epoch"] = first
    elif trial.reported:
        log.warning(
            "there is no backup of the %s epochs that were reported: they are trained again, and "
            "stay as they are stored",
            len(trial.reported),
        )
        callbacks.log_epoch.catch_up({})
    if not saved and config.checkpoint:
        load(model, config.checkpoint, MlflowStore(config.tracking.uri))
        mlflow_run.log_batch(tags={Tags.CONTINUED_FROM: config.checkpoint})
    try:
        if not is_over:
            streamed = fit_on_streams(arguments, config.seed)
            callbacks.fit(model, streamed, with_backup=trial.run is not None)
            compiled_models.keep(config, model)
    except KeyboardInterrupt:
        if not trial.run and (best := callbacks.report.best):
            overrides = f"checkpoint={mlflow_run.id} fit.initial_epoch={best[0] + 1}"
            log.warning("interrupted; to go on from the best epoch, add %s", overrides)
        raise
    finally:  # also if the training was interrupted
        mlflow_run.epochs = len(callbacks.report.losses)
        _log_files(mlflow_run, callbacks)
    return callbacks.report.result()


def _tag_data(mlflow_run: Run, config: DictConfig, dataset: Dataset, digests: Digests) -> None:
    if gpus.visible_gpus() and not keras_runtime.has_gpu():
        mlflow_run.tag_later({Tags.DEVICE: gpus.CPU})
    mlflow_run.tag_later(
        {
            Tags.DATA: dataset.folder.name,
            Tags.IDENTITY: identity_of(config),
            Tags.DIGESTS: json.dumps(digests),
        }
    )
    if dataset.lengths:
        mlflow_run.tag_later({Tags.LENGTHS: ", ".join(map(str, dataset.lengths))})


def _begin_session(config: DictConfig) -> None:
    keras_runtime.choose(config.backend, deterministic=config.deterministic)
    keras = keras_runtime.keras()
    if config.deterministic:
        keras_runtime.be_deterministic()
    keras_runtime.new_session()
    keras.utils.set_random_seed(config.seed)


@dataclass(frozen=True)
class _Callbacks:
    """The callbacks of a training.

    Attributes:
        chosen: Those of the config, by name.
        backup: Saves the state of the training.
        log_epoch: Logs to MLflow.
        report: Reports to the study.
        run: The training's run.
    """

    chosen: "dict[str, keras.callbacks.Callback]"
    backup: "Backup"
    log_epoch: "LogEpoch"
    report: "ReportToStudy"
    run: Run

    @property
    def tables(self) -> "list[keras.callbacks.CSVLogger]":
        """The callbacks that write a table of the epochs."""
        logger = keras_runtime.keras().callbacks.CSVLogger
        return [callback for callback in self.chosen.values() if isinstance(callback, logger)]

    def catch_up(self, saved: "Saved", *, is_over: bool) -> bool:
        """Log and report the saved epochs that MLflow or the study lack.

        Args:
            saved: The state of the training.
            is_over: Whether the training had its last epoch.

        Returns:
            Whether the training had ended.
        """
        log.info("resumed after epoch %s", saved.epoch)
        self.log_epoch.catch_up(saved.metrics)
        is_over = is_over or saved.stopped
        is_over = self.report.catch_up(saved.metrics, is_over=is_over) or is_over
        if is_over:  # `fit` is not called, but the state of the callbacks is read
            self.backup.on_train_begin()
        return is_over

    def fit(self, model: "keras.Model", arguments: dict[str, Any], with_backup: bool) -> None:
        """Fit the model; a single run, which nobody resumes, has no backup."""
        from rnnexp.training.callbacks import without_monitor_warnings
        from rnnexp.training.epoch_table import continue_table

        # Before the checkpoint and the backup, which another attempt may have begun to write.
        check = keras_runtime.keras().callbacks.LambdaCallback(
            on_epoch_end=lambda *_: self.run.guard.check()
        )
        first = [self.backup] if with_backup else []
        for table in self.tables if with_backup else []:
            continue_table(table, arguments.get("initial_epoch") or 0)
        shuffling = arguments.pop("callbacks", [])
        own = [*first, self.log_epoch, self.report, *shuffling]
        callbacks = [check, *self.chosen.values(), *own]
        with without_monitor_warnings():
            model.fit(**arguments, callbacks=callbacks)


def _make_callbacks(config: DictConfig, trial: CurrentTrial, mlflow_run: Run) -> _Callbacks:
    # Imported here, since both modules import Keras, which only a process that trains needs.
    from rnnexp.training.backup import Backup
    from rnnexp.training.callbacks import LogEpoch, ReportToStudy

    chosen = instantiate(config.get("callbacks") or {}, _convert_="all")
    return _Callbacks(
        chosen=chosen,
        backup=Backup(Path(HydraConfig.get().runtime.output_dir), chosen, mlflow_run.id),
        log_epoch=LogEpoch(mlflow_run, config.objective.monitor),
        report=ReportToStudy(trial, objective_in(config)),
        run=mlflow_run,
    )


def _log_files(mlflow_run: Run, callbacks: _Callbacks) -> None:
    from rnnexp.training.callbacks import ModelCheckpoint

    best, files = callbacks.report.best, dict[str, int]()
    for callback in callbacks.chosen.values():
        if isinstance(callback, ModelCheckpoint):
            files |= callback.files
    for table in callbacks.tables:
        if Path(table.filename).exists():
            mlflow_run.log_file(Path(table.filename))
    log_checkpoints(mlflow_run, files, best[0] if best else None)


def _make_paths_absolute(config: DictConfig) -> None:
    """Make the paths of files absolute, since the stored config is used in other folders."""
    for key, path in files_of(config).items():
        OmegaConf.update(config, key, absolute_path(path))
