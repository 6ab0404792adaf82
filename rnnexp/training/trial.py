"""One trial, from its config to its result.

    run -> data.load -> model.build -> callbacks -> model.fit -> Result

Every epoch: backup -> MLflow -> study -> go on or stop. With folds or repeats, a trial is several
trainings (rnnexp/training/folds.py). `evaluate` comes last, for a single run or for the best trial
of a study.
"""

import json
import logging
from dataclasses import replace

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
from rnnexp.passwords import conceal
from rnnexp.result import Result
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.provenance import git_of_application
from rnnexp.storage.schema import Artifacts, Metrics, Tags
from rnnexp.training import jit, unroll
from rnnexp.training.checkpoint import no_checkpoint
from rnnexp.training.checks import check
from rnnexp.training.evaluation import evaluate_checkpoint, writable
from rnnexp.training.folds import SeveralTrainings, stages_of
from rnnexp.training.one_training import begin_session, train
from rnnexp.training.run_data import data_problem

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
        log_result(mlflow_run, replace(result, measures={**trial.measures, **result.measures}))
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
    """Load the data, and train a model, or several ones with folds or repeats."""
    begin_session(config)
    dataset = data.load(config.data)
    digests = digests_of(config)
    if changed := changed_files(trial.digests, digests):
        what_to_do = "put the file back, or start a new study"
        raise DataError([f"{text}, so its values would differ; {what_to_do}" for text in changed])
    _tag_data(mlflow_run, config, dataset, digests)
    mlflow_run.log_inputs(datasets_of(instantiate(config.data), dataset))
    if stages := stages_of(config):
        return SeveralTrainings(config, dataset, trial, mlflow_run).train(stages)
    return train(config, dataset, trial, mlflow_run).report.result()


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


def _make_paths_absolute(config: DictConfig) -> None:
    """Make the paths of files absolute, since the stored config is used in other folders."""
    for key, path in files_of(config).items():
        OmegaConf.update(config, key, absolute_path(path))
