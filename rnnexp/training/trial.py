"""One trial, from config to result: data -> model -> compile -> callbacks -> fit."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate, to_absolute_path
from omegaconf import DictConfig, OmegaConf

from rnnexp import data, keras_runtime
from rnnexp.errors import ConfigError
from rnnexp.execution.current_trial import CurrentTrial, current_trial
from rnnexp.execution.trial_task import log_result, recorded
from rnnexp.objective import Objective
from rnnexp.result import Result
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.provenance import git_of_application
from rnnexp.storage.schema import Artifacts, Metrics, Tags
from rnnexp.training.checkpoint import load, log_checkpoints, no_checkpoint
from rnnexp.training.checks.config import check
from rnnexp.training.fit import fit_arguments
from rnnexp.training.model import build
from rnnexp.training.output_layer import output_of

log = logging.getLogger(__name__)

# Keys of files; relative ones begin where the command was started.
FILES = (
    "data.train",
    "data.test",
    "data.validation",
    "fit.validation_data",
    "model.embedding_file",
    "checkpoint",
)

if TYPE_CHECKING:
    from rnnexp.training.callbacks import ReportToStudy


def run(config: DictConfig) -> Result:
    """Train one model and log it: in a sweep as the study's trial, else on its own.

    Outside of a sweep the config is checked first, and the checkpoint is evaluated on
    the test part at the end.

    Raises:
        ConfigError: If the config can't work; nothing was started then.
    """
    trial = current_trial()
    _find_from_anywhere(config)
    if trial.run:
        return _train(config, trial, trial.run)
    tracker = _tracker(config)
    if problems := [*check([config]), *tracker.problems()]:
        raise ConfigError(problems)
    git = git_of_application()
    with recorded(tracker, config, git=git.state if git else None) as mlflow_run:
        if git and git.dirty:
            mlflow_run.log_text(git.diff, Artifacts.DIFF)
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


def evaluate(config: DictConfig, run_id: str) -> dict[str, float]:
    """The loss and metrics of a run's checkpoint on the test part.

    Args:
        config: The config that the run was trained with.
        run_id: The MLflow run; its checkpoint is fetched from its artifacts.

    Returns:
        Values by Keras's names, such as ``loss`` and ``accuracy``; empty if the run has no
        checkpoint, as when the ``model_checkpoint`` callback was left out. The loss is first.
    """
    tracker = _tracker(config)
    if reason := no_checkpoint(run_id, tracker):
        log.warning("nothing to evaluate of run %s: %s", run_id, reason)
        return {}
    dataset = data.load(config.data)
    model = build(config, dataset)
    load(model, run_id, tracker)
    test = dataset.test()
    y = output_of(config, dataset).labels(test.y)
    scores = model.evaluate(test.x, y, verbose=0, return_dict=True, **config.evaluate)
    return {name: float(scores[name]) for name in sorted(scores, key=lambda name: name != "loss")}


def _train(config: DictConfig, trial: CurrentTrial, mlflow_run: Run) -> Result:
    keras = keras_runtime.keras()
    # Imported here: only a process that trains needs TensorFlow.
    from rnnexp.training.backup import Backup
    from rnnexp.training.callbacks import LogEpoch, ReportToStudy, quiet_without_value

    if config.get("deterministic"):  # a config of an earlier version has no such key
        keras_runtime.be_deterministic()
    keras_runtime.new_session()
    keras.utils.set_random_seed(config.seed)
    dataset = data.load(config.data)
    mlflow_run.tag_later({Tags.DATA: dataset.folder.name})
    model = build(config, dataset)
    callbacks = instantiate(config.get("callbacks") or {}, _convert_="all")
    backup = Backup(Path(HydraConfig.get().runtime.output_dir), callbacks)
    log_epoch = LogEpoch(mlflow_run, config.objective.monitor)
    report = ReportToStudy(trial, Objective(**config.objective))
    fit = fit_arguments(config, dataset)
    saved = backup.load(model)
    done = False
    if saved:
        log.info("taken up again after epoch %s", max(saved.metrics))
        log_epoch.catch_up(saved.metrics)
        done = report.catch_up(saved.metrics) or saved.stopped
        fit["initial_epoch"] = max(saved.metrics) + 1
        if done:
            backup.on_train_begin()  # what the callbacks have kept is still wanted
    elif config.checkpoint:
        load(model, config.checkpoint, _tracker(config))
        mlflow_run.log_batch(tags={Tags.CONTINUED_FROM: config.checkpoint})
    try:
        if not done:
            own = [backup, log_epoch, report] if trial.run else [log_epoch, report]
            with quiet_without_value():
                model.fit(**fit, callbacks=[*callbacks.values(), *own])
    except KeyboardInterrupt:
        if not trial.run and report.best:
            go_on = f"checkpoint={mlflow_run.id} fit.initial_epoch={report.best[0] + 1}"
            log.warning("interrupted; to go on from the best epoch, add %s", go_on)
        raise
    finally:  # also of a training that was interrupted
        mlflow_run.epochs = len(report.losses)
        _log_files(mlflow_run, callbacks.values(), report)
    return report.result()


def _log_files(mlflow_run: Run, callbacks: Iterable[object], report: "ReportToStudy") -> None:
    keras = keras_runtime.keras()
    from rnnexp.training.callbacks import ModelCheckpoint

    best = report.best
    for callback in callbacks:
        if isinstance(callback, ModelCheckpoint):
            log_checkpoints(mlflow_run, callback.files, best[0] if best else None)
        elif isinstance(callback, keras.callbacks.CSVLogger) and Path(callback.filename).exists():
            mlflow_run.log_file(Path(callback.filename))


def _find_from_anywhere(config: DictConfig) -> None:
    """The config is archived, and its files are to be found from other folders as well."""
    for key in FILES:
        path = OmegaConf.select(config, key)
        if isinstance(path, str) and Path(to_absolute_path(path)).is_file():
            OmegaConf.update(config, key, to_absolute_path(path))


def _tracker(config: DictConfig) -> Tracker:
    return Tracker(**config.tracking)
