"""A Hydra job as a run in MLflow: what it was given, what it wrote, how it ended.

In a sweep, `TrialTask` wraps the application's task function, so that every launcher runs
every job as its trial:

    find the trial -> open its run -> the application's function -> how it ended -> end the run
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.execution.current_trial import ATTEMPT, RUN_ID, StudyTrial, as_current, trial_of_job
from rnnexp.objective import Objective
from rnnexp.pruning import Verdict
from rnnexp.result import RESULT, Result, State
from rnnexp.search.space import short_name
from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.outbox import FILE as OUTBOX
from rnnexp.storage.provenance import ENVIRONMENT, GIT, environment, fact_tags
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.system_metrics import system_metrics

BACKUP = "backup.pkl"  # in a job's folder: what it goes on from; removed when its result is stored


@dataclass(frozen=True)
class TrialTask:
    """An application's task function, run as a trial of a study.

    Attributes:
        task: The function that ``hydra.main`` decorates. It may return a number, or a
            `Result`, or raise `optuna.TrialPruned`.
    """

    task: TaskFunction

    def __call__(self, config: DictConfig) -> Result:
        """Run the job: its trial is `rnnexp.current_trial`, its run is nested in the study's.

        Raises:
            Exception: Whatever the function raised; the run is FAILED then.
        """
        # Of a sweep that was killed, the last attempt's process may take a moment to die.
        with locked(Path(HydraConfig.get().runtime.output_dir)):
            return self._run(config, HydraConfig.get())

    def _run(self, config: DictConfig, hydra: HydraConf) -> Result:
        trial = retry_transient(trial_of_job)(hydra)
        params = {key: as_composed(config, key, value) for key, value in trial.params.items()}
        tracker = Tracker(**hydra.sweeper.tracking)
        of_study = retry_transient(lambda: trial.study.user_attrs)()
        parent = of_study.get(RUN_ID)
        tags = {"study": trial.study.study_name, "trial": trial.number}
        attempt = trial.user_attrs.get(ATTEMPT, 0)
        with recorded(
            tracker,
            config,
            name=short_name(params) or None,
            tags=tags | ({ATTEMPT: attempt} if attempt else {}),
            params=params,
            parent=parent,
            # One that died may have had no time to note its run.
            continued=trial.user_attrs.get(RUN_ID)
            or (tracker.find(tags, parent) if attempt else None),
            git=of_study.get(GIT),
        ) as run:
            retry_transient(trial.set_user_attr)(RUN_ID, run.id)
            current = retry_transient(StudyTrial)(trial, run)
            with as_current(current):
                result = self._result(config, current, hydra.sweeper.direction)
            log_result(run, result, current.verdict)
        retry_transient(trial.set_user_attr)(RESULT, result.to_attribute())
        Path(hydra.runtime.output_dir, BACKUP).unlink(missing_ok=True)
        return result

    def _result(self, config: DictConfig, trial: StudyTrial, direction: str) -> Result:
        try:
            return to_result(self.task(config))
        except optuna.TrialPruned as pruned:
            said = str(trial.verdict) if trial.verdict else "by the application"
            best = Objective.of_study(direction).best(trial.reported)
            epoch, value = best or (None, None)
            return Result(State.PRUNED, value, epoch, reason=str(pruned) or said)


def to_result(returned: Any) -> Result:
    """What a job returned, as a result: a finite number is its value."""
    if isinstance(returned, Result):
        return returned
    try:
        number = float(returned)
    except (TypeError, ValueError):
        return Result(State.FAIL, reason=f"the job returned {returned!r}, which is not a number")
    if not math.isfinite(number):
        return Result(State.FAIL, reason=f"the job returned {number}")
    return Result(State.COMPLETE, number)


@contextlib.contextmanager
def recorded(
    tracker: Tracker,
    config: DictConfig,
    *,
    name: str | None = None,
    tags: Mapping[str, object] | None = None,
    params: Mapping[str, object] | None = None,
    parent: str | None = None,
    continued: str | None = None,
    git: Mapping[str, Any] | None = None,
) -> Iterator[Run]:
    """A run with the job's overrides, log, config and environment, ended however the block ends.

    In a sweep, what the job prints goes to its log.

    Args:
        tracker: Where the run is written.
        config: The job's config, stored as it is at the end of the block.
        name: The run's name.
        tags: Its tags, beside its state.
        params: Its params.
        parent: Id of the run that it is nested under.
        continued: Id of a run that goes on, in place of a new one.
        git: The application's commit, as from `rnnexp.storage.provenance.Git.state`.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir).absolute()
    log_file = folder / f"{hydra.job.name}.log"
    facts = fact_tags(config, hydra.sweeper.get("direction", "minimize"), git)
    with tracker.run(
        name,
        tags={"state": "RUNNING", "folder": folder, **facts, **(tags or {})},
        params=params or {},
        parent=parent,
        continued=continued,
        outbox=folder / OUTBOX if hydra.mode == RunMode.MULTIRUN else None,
    ) as run:
        if continued:
            run.take_up()
        run.log_text(OmegaConf.to_yaml(hydra.overrides.task), "overrides.yaml")
        run.log_text(environment(git), ENVIRONMENT)
        try:
            with (
                _printing_to(log_file if hydra.mode == RunMode.MULTIRUN else None),
                system_metrics(tracker, run.id),
            ):
                yield run
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                ended = {"state": "INTERRUPTED"}
            else:
                ended = {"state": State.FAIL, "reason": f"{type(error).__name__}: {error}"}
            run.log_outcome(tags=ended)
            raise
        finally:
            run.log_text(_yaml(config), "config.yaml")
            if log_file.exists():
                run.log_file(log_file)


@contextlib.contextmanager
def _printing_to(file: Path | None) -> Iterator[None]:
    if file is None:
        yield
        return
    with file.open("a", buffering=1) as out, contextlib.redirect_stdout(out):
        yield


def _yaml(config: DictConfig) -> str:
    try:
        return OmegaConf.to_yaml(config, resolve=True)
    except OmegaConfBaseException:  # a value that is missing, which the job never read
        return OmegaConf.to_yaml(config)


def log_result(run: Run, result: Result, verdict: Verdict | None = None) -> None:
    """Write how a job ended, and let its run end that way.

    Args:
        run: The job's run.
        result: What came out.
        verdict: Why the pruner gave up on it.
    """
    tags: dict[str, object] = {"state": result.state}
    if result.reason:
        tags["reason"] = result.reason
    if verdict and result.state == State.PRUNED:
        tags |= verdict.tags()
    found = {"best_value": result.value, "best_epoch": result.best_epoch}
    metrics = {name: value for name, value in found.items() if value is not None}
    run.log_outcome(metrics=metrics, tags=tags)
    if result.state == State.PRUNED:
        run.end_killed()
    elif result.state == State.FAIL:
        run.end_failed(result.reason)


def as_composed(config: DictConfig, key: str, value: object) -> object:
    """What the config has under a searched key; for the choice of a group, its name."""
    found = OmegaConf.select(config, key)
    return value if found is None or OmegaConf.is_config(found) else found
