"""Training of archived runs, each in a Hydra job of its own, with the config that the run had.

    an archived run -> its config, without its output folder
      -> training/checks/, in a worker
      -> execution/launching.py: a job with a new folder -> training/trial.py -> a new run

Hydra composes the job's config from the archived config, which is a choice of the config group
``hydra/archived``, so that overrides, folders and logs are as in any other job.
"""

import logging
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks  # a HydraContext can't be had without
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn
from hydra.types import HydraContext, TaskFunction
from mlflow.entities import Run
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp import data
from rnnexp.errors import ConfigError, SweepError, one_line
from rnnexp.execution.current_trial import Standalone, as_current
from rnnexp.execution.hydra_job import Common
from rnnexp.execution.job_result import Died, result_of, to_result
from rnnexp.execution.launching import ExecutorJobs, Jobs, stop
from rnnexp.execution.trial_task import RunOptions, log_result, recorded
from rnnexp.identity import Identity, changed_files, digests_of, identity_of
from rnnexp.reproduce.job_config import job_config, threads_of, worker_with
from rnnexp.result import Result, State
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.provenance import git_of_application
from rnnexp.storage.run_reader import RunReader
from rnnexp.storage.schema import Files, Kind, Metrics, Tags
from rnnexp.training import trial
from rnnexp.training.checks import check
from rnnexp.training.run_data import data_problem, digests_in
from rnnexp.version import __version__

log = logging.getLogger(__name__)

GROUP = "hydra/archived"


@dataclass(frozen=True)
class Training:
    """A training of an archived run, in a new run.

    Attributes:
        original: The archived run.
        name: The new run's name.
        folder: The new job's output folder, absolute.
        kind: What the new run is.
        params: The new run's params.
        tags: The new run's tags.
        parent: Id of the run that the new run is nested under.
        overrides: Overrides of the archived config.
    """

    original: Run
    name: str
    folder: Path
    kind: Kind
    params: Mapping[str, object]
    tags: Mapping[str, object] = field(default_factory=dict)
    parent: str | None = None
    overrides: tuple[str, ...] = ()

    def for_job(self) -> list[str]:
        """Return the overrides that make the job's config of the archived configs."""
        folder = QuotedString(str(self.folder.parent), Quote.single).with_quotes()
        return [
            f"+{GROUP}={self.original.info.run_id}",
            f"hydra.sweep.dir={folder}",
            f"hydra.sweep.subdir={self.folder.name}",
            *self.overrides,
        ]


@dataclass(frozen=True)
class Trained(Result):
    """The result of a training.

    Attributes:
        run_id: Id of the new run; empty if the job broke before it could return the id.
    """

    run_id: str = ""


@dataclass(frozen=True)
class RetrainTask:
    """The task of the jobs: each job does the training of its number.

    Attributes:
        task: The function that trains, which is called while the new run is open.
        trainings: The trainings, by job number.
        git: The application's commit, as from `rnnexp.storage.provenance.Git.state`.
    """

    task: TaskFunction
    trainings: tuple[Training, ...]
    git: Mapping[str, Any] | None

    def __call__(self, config: DictConfig) -> Trained:
        """Train without a study, and log to a new run.

        Returns:
            The result, with the id of the new run.
        """
        hydra = HydraConfig.get()
        training = self.trainings[hydra.job.num]
        tracker = Tracker(**config.tracking)
        options = RunOptions(
            name=training.name,
            tags=training.tags,
            params=training.params,
            kind=training.kind,
            parent=training.parent,
            # Of an attempt whose worker died; no other training has this folder.
            continued=tracker.find({Tags.FOLDER: training.folder}, training.parent),
            git=self.git,
        )
        with recorded(tracker, config, options) as run:
            digests = digests_in(training.original.data.tags)
            with as_current(Standalone(run, digests)):
                result = to_result(self.task(config))
            log_result(run, result)
        Path(hydra.runtime.output_dir, Files.BACKUP).unlink(missing_ok=True)
        return Trained(result.state, result.value, result.best_epoch, result.reason, run_id=run.id)


def retrain(
    reader: RunReader, trainings: Sequence[Training], executor: DictConfig, n_jobs: int | None
) -> Iterator[tuple[int, Trained]]:
    """Train archived runs again.

    Args:
        reader: Reads the store of the runs; a new run goes to the experiment of the archived run.
        trainings: The trainings.
        executor: ``_target_`` of an executor, as of a launcher.
        n_jobs: The number of trainings that run at once; None for one a core.

    Yields:
        The index of each training in ``trainings`` and its result, as soon as it has ended.

    Raises:
        ConfigError: If a config can't work, or the data have changed; nothing was started then.
        NotFoundError: If a run can't be trained again.
        KeyboardInterrupt: On Ctrl-C, after the running trainings have been stopped.
    """
    originals = {training.original.info.run_id: training for training in trainings}
    configs = {key: job_config(reader, one.original) for key, one in originals.items()}
    with _composing(configs) as (context, config):
        git = git_of_application()
        task = RetrainTask(trial.run, tuple(trainings), git.state if git else None)
        common = Common(context, config, task)
        composed = [
            context.config_loader.load_sweep_config(config, training.for_job())
            for training in originals.values()
        ]
        tags = [training.original.data.tags for training in originals.values()]
        with ExecutorJobs(executor, n_jobs, common) as jobs:
            if problems := jobs.call(problems_of, composed, list(originals), tags).result():
                raise ConfigError(problems)
            for number, result in _train(jobs, trainings):
                if isinstance(result, Died):
                    _end_run(reader, trainings[number], result)
                yield number, _as_trained(result)


def retrain_alone(reader: RunReader, training: Training, executor: DictConfig | None) -> Trained:
    """Train one archived run again, by default in a worker with the threads that the run had.

    Returns:
        The result, with the id of the new run.

    Raises:
        ConfigError: If the config can't work, or the data have changed; nothing was started then.
        NotFoundError: If the run can't be trained again.
        SweepError: If the training failed.
    """
    run = training.original
    executor = executor or worker_with(threads_of(reader, run))
    ((_, trained),) = retrain(reader, [training], executor, 1)
    if not trained.run_id or trained.state == State.FAIL:
        raise SweepError(f"the {training.kind} of run {run.info.run_id} failed: {trained.reason}")
    return trained


def folder_alone(kind: Kind, run_id: str) -> Path:
    """Return the output folder of a training that begins now and is no part of a study."""
    return Path("outputs", f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{kind}-{run_id[:8]}").absolute()


def _train(jobs: Jobs, trainings: Sequence[Training]) -> Iterator[tuple[int, Result]]:
    """Run the trainings, and once more each whose worker has died."""
    waiting = deque(range(len(trainings)))
    running: dict[Future[JobReturn], int] = {}
    retried: set[int] = set()
    try:
        while waiting or running:
            while waiting and len(running) < jobs.n_jobs:
                number = waiting.popleft()
                running[jobs.submit(trainings[number].for_job(), number)] = number
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number, result = running.pop(future), _result(future)
                if isinstance(result, Died) and number not in retried:
                    log.warning("%s: %s; retrying", trainings[number].name, result.reason)
                    retried.add(number)
                    waiting.appendleft(number)
                else:
                    yield number, result
    except BaseException:
        stop(jobs, running)
        raise


def _result(future: Future[JobReturn]) -> Result:
    result = result_of(future)
    if result is None:
        raise KeyboardInterrupt
    return result


def _end_run(reader: RunReader, training: Training, result: Died) -> None:
    """End the run of a training whose worker has died, if the worker has opened a run."""
    experiment = reader.client.get_experiment(training.original.info.experiment_id)
    tracker = Tracker(reader.uri, experiment.name)
    if run_id := tracker.find({Tags.FOLDER: training.folder}, training.parent):
        epochs = len(reader.client.get_metric_history(run_id, Metrics.LEARNING_RATE))
        outcome = {Tags.STATE: result.state, Tags.REASON: result.reason}
        tracker.end_failed(run_id, outcome, training.folder / Files.OUTBOX, epochs)


def _as_trained(result: Result) -> Trained:
    return result if isinstance(result, Trained) else Trained(result.state, reason=result.reason)


def problems_of(
    configs: Sequence[DictConfig], ids: Sequence[str], tags: Sequence[Mapping[str, str]]
) -> list[str]:
    """Return why runs can't be trained again; to be called where TensorFlow is.

    Args:
        configs: The new jobs' configs.
        ids: Ids of the archived runs.
        tags: The archived runs' tags, with the fingerprint of the data that a run was trained on.
    """
    problems: list[str] = []
    for config, run_id, known in zip(configs, ids, tags, strict=True):
        try:
            found = check([config]) or _changes(config, known)
        except OmegaConfBaseException as error:  # a key that this version reads is missing
            found = [f"its config can't be used by rnnexp {__version__}: {one_line(error)}"]
        problems += [f"run {run_id[:8]}: {problem}" for problem in found]
    return problems


def _changes(config: DictConfig, tags: Mapping[str, str]) -> list[str]:
    """Return what has changed of the data and the files since a run was trained."""
    if problem := data_problem(config, data.load(config.data), tags):
        return [f"its data {problem}"]
    changed = changed_files(digests_in(tags), digests_of(config))
    if changed or Tags.IDENTITY not in tags:
        return changed
    then = Identity.parse(tags[Tags.IDENTITY])
    return then.differences(identity_of(config), "the run's", "now it")


@contextmanager
def _composing(configs: Mapping[str, DictConfig]) -> Iterator[tuple[HydraContext, DictConfig]]:
    """Set up Hydra to compose configs from archived configs and overrides.

    Args:
        configs: The archived configs by their names in the config group.

    Yields:
        Hydra's context, and the config that all jobs have in common.
    """
    with tempfile.TemporaryDirectory() as folder:
        group = Path(folder, GROUP)
        group.mkdir(parents=True)
        for name, config in configs.items():
            text = f"# @package _global_\n{OmegaConf.to_yaml(config)}"
            (group / f"{name}.yaml").write_text(text, encoding="utf-8")
        with initialize_config_dir(folder, job_name="sweep", version_base="1.3"):
            config = compose(overrides=["hydra.mode=MULTIRUN"], return_hydra_config=True)
            loader = GlobalHydra.instance().config_loader()
            yield HydraContext(config_loader=loader, callbacks=Callbacks()), config
