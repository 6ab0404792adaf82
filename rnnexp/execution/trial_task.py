"""A Hydra job as a trial of a study and as a run in MLflow: config, log, files, outcome.

In a sweep, `TrialTask` wraps the application's task function, so that every launcher runs every job
as its trial:

    find the trial -> open its run -> call the application's function -> log the result -> end the
    run
"""

import contextlib
import math
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from rnnexp.constraints import LATENCY, PARAMETERS
from rnnexp.execution.attempt import begin_attempt
from rnnexp.execution.current_trial import StudyTrial, as_current, trial_of_job
from rnnexp.execution.job_result import to_result
from rnnexp.execution.store_passwords import conceal_files
from rnnexp.execution.uploads import Uploads, uploads_of
from rnnexp.library_defaults import set_library_defaults
from rnnexp.objective import objective_in, settle_mode
from rnnexp.objectives import Objectives
from rnnexp.objectives_in_config import objectives_in
from rnnexp.passwords import concealed, may_have_secret
from rnnexp.pausing import Pausing
from rnnexp.pruning import Verdict
from rnnexp.result import Result, State
from rnnexp.search.space import short_name
from rnnexp.storage.dead_connections import bound_http
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.provenance import environment, provenance_tags, threads
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import (
    Artifacts,
    Files,
    Kind,
    Metrics,
    StudyAttrs,
    Tags,
    TrialAttrs,
    measure_metric,
)
from rnnexp.storage.system_metrics import system_metrics
from rnnexp.storage.trial_folder import Owner, claim, job_in, owner_of
from rnnexp.storage.uris import absolute_uri


@dataclass(frozen=True)
class TrialTask:
    """An application's task function, run as a trial of a study.

    Attributes:
        task: The function that ``hydra.main`` decorates. The function may return a number or a
            `Result`, or raise `optuna.TrialPruned`.
    """

    task: TaskFunction

    def __call__(self, config: DictConfig) -> Result:
        """Run the job as `rnnexp.current_trial`, with a run that is nested in the study's run.

        Returns:
            The trial's result, which is stored in Optuna and in MLflow.

        Raises:
            Exception: Whatever the function raised; the run is FAILED then.
        """
        set_library_defaults()  # in whatever process a launcher runs the job
        bound_http()
        hydra = HydraConfig.get()
        conceal_files(hydra)
        # The process of an earlier attempt, whose sweep was killed, may take a moment to die.
        with job_in(Path(hydra.runtime.output_dir)):
            return self._run(config, hydra)

    def _run(self, config: DictConfig, hydra: HydraConf) -> Result:
        trial = retry_transient(trial_of_job)(hydra)
        if stored := _stored(trial):  # by a worker that has died before the sweep knew of it
            return stored
        n_earlier = _n_earlier(trial, Path(hydra.runtime.output_dir))
        attempt = begin_attempt(trial, absolute_uri(hydra.sweeper.storage))
        params = {key: as_composed(config, key, value) for key, value in trial.params.items()}
        tracker = Tracker(**hydra.sweeper.tracking)
        study_attrs = retry_transient(lambda: trial.study.user_attrs)()
        parent = study_attrs.get(StudyAttrs.RUN_ID)
        uploads = uploads_of(trial.study, study_attrs, hydra, tracker)
        is_new = _claim_folder(trial, parent, hydra)
        tags = {Tags.STUDY: trial.study.study_name, Tags.TRIAL: trial.number}
        began = _now()
        options = RunOptions(
            name=short_name(params) or None,
            tags=tags | ({Tags.ATTEMPT: n_earlier} if n_earlier else {}),
            params=params,
            kind=Kind.TRIAL,
            parent=parent,
            # An attempt that died may have had no time to store the id of its run.
            continued=trial.user_attrs.get(TrialAttrs.RUN_ID)
            or (tracker.find(tags, parent) if n_earlier else None),
            git=study_attrs.get(f"{StudyAttrs.GIT}{trial.user_attrs.get(TrialAttrs.SWEEP)}"),
        )
        uploads.fetch(options.continued, is_new=is_new)
        with uploads.kept(), recorded(tracker, config, options) as run:
            if attempt:  # the study may be on several machines
                run.guard.begin(attempt.check)
                retry_transient(trial.set_user_attr)(TrialAttrs.HOST, socket.gethostname())
            uploads.begin(run)
            retry_transient(trial.set_user_attr)(TrialAttrs.RUN_ID, run.id)
            retry_transient(trial.set_user_attr)(TrialAttrs.CORES, threads())
            if options.continued:
                clock = {"seconds": run.seconds, "since": began}
                retry_transient(trial.set_user_attr)(TrialAttrs.CLOCK, clock)
            digests, pausing = study_attrs.get(StudyAttrs.DIGESTS), hydra.sweeper.pausing
            current = retry_transient(StudyTrial)(
                trial, run, digests, Pausing.of(pausing), uploads.after_epoch
            )
            objectives = objectives_in(config, hydra.sweeper.direction)
            with as_current(current):
                result = self._result(config, current, objectives)
            result = replace(result, seconds=run.seconds, epoch_seconds=current.epoch_seconds)
            result = _measured(result, current, objectives)
            log_result(run, result, current.verdict, objectives)
        run.guard.check()
        _store(trial, result, began, uploads)
        return result

    def _result(self, config: DictConfig, trial: StudyTrial, objectives: Objectives) -> Result:
        message = ""
        try:
            others = [each.monitor for each in objectives.others]
            result = to_result(self.task(config), others)
        except optuna.TrialPruned as pruned:
            message = str(pruned)
        else:
            asked = trial.pause or trial.stopped
            if not asked or result.state in (State.FAIL, State.PAUSED):
                return result
        state, reason = State.PRUNED, message or str(trial.verdict or "by the application")
        if trial.stopped:  # whatever the function returned, or raised
            reason = trial.stopped
        elif trial.pause:
            state, reason = State.PAUSED, trial.pause
        epoch, value = objectives.first.best(trial.reported) or (None, None)
        return Result(state, value, epoch, reason)


def _measured(result: Result, trial: StudyTrial, objectives: Objectives) -> Result:
    """Return a result with what was measured of the trial; one that lacks an objective failed."""
    measures = {**trial.measures, **result.measures}
    wanted = [*objectives.names, PARAMETERS, LATENCY]
    result = replace(result, measures={k: measures[k] for k in wanted if k in measures})
    lacking = [
        each.monitor
        for each in objectives.others
        if not math.isfinite(result.measures.get(each.monitor, math.nan))
    ]
    if lacking and result.state == State.COMPLETE:
        reason = f"the objective {lacking[0]} was not measured, or is no finite number"
        return replace(result, state=State.FAIL, reason=reason)
    return result


def _stored(trial: optuna.trial.Trial) -> Result | None:
    """Return the result that an earlier job of a trial has stored; None while it has none."""
    attrs = trial.user_attrs
    stored: dict[str, Any] | None = attrs.get(TrialAttrs.RESULT) or attrs.get(TrialAttrs.PAUSED)
    return Result.from_json(stored) if stored else None


def _store(trial: optuna.trial.Trial, result: Result, began: str, uploads: Uploads) -> None:
    """Store the result of a job; a trial that has ended needs no backup any more."""
    if result.state == State.PAUSED:
        uploads.upload()
        slices = [*trial.user_attrs.get(TrialAttrs.SLICES, []), [began, _now()]]
        retry_transient(trial.set_user_attr)(TrialAttrs.SLICES, slices)
        retry_transient(trial.set_user_attr)(TrialAttrs.PAUSED, result.to_json())
    else:
        retry_transient(trial.set_user_attr)(TrialAttrs.RESULT, result.to_json())
        (uploads.folder / Files.BACKUP).unlink(missing_ok=True)
        uploads.delete()


def _n_earlier(trial: optuna.trial.Trial, folder: Path) -> int:
    """Return the number of earlier attempts, which is stored if only this job knows of it.

    Dask runs a job once more whose worker has died, without asking the sweep. That job has claimed
    the folder before it made its run; one on another machine has stored its id.
    """
    attrs = trial.user_attrs
    earlier: int = attrs.get(TrialAttrs.ATTEMPT, 0)
    has_begun = TrialAttrs.RUN_ID in attrs or TrialAttrs.JOB in attrs or owner_of(folder)
    if has_begun and not earlier and TrialAttrs.SLICE not in attrs:
        earlier = 1
        retry_transient(trial.set_user_attr)(TrialAttrs.ATTEMPT, earlier)
    return earlier


def _now() -> str:
    return datetime.now().isoformat()


def _claim_folder(trial: optuna.trial.Trial, study_run: str | None, hydra: HydraConf) -> bool:
    """Let the folder be the trial's, and the trial know its folder.

    Returns:
        Whether no attempt of the trial has run in the folder.
    """
    folder = Path(hydra.runtime.output_dir)
    is_new = owner_of(folder) is None
    reopened: list[int] = trial.user_attrs.get(TrialAttrs.REOPENS, [])
    first = reopened[0] if reopened else trial.number
    claim(folder, Owner(trial.study.study_name, study_run, first))
    name = os.path.relpath(folder, hydra.sweep.dir)
    if name not in (str(trial.number), trial.user_attrs.get(TrialAttrs.FOLDER)):
        retry_transient(trial.set_user_attr)(TrialAttrs.FOLDER, name)
    return is_new


@dataclass(frozen=True)
class RunOptions:
    """What a job's run is opened with.

    Attributes:
        name: The run's name; None for a name that MLflow makes up.
        tags: The run's tags, next to those that every run has.
        params: The run's params.
        kind: What the run is.
        parent: Id of the run that the run is nested under.
        continued: Id of a run that goes on, in place of a new run.
        git: The application's commit, as from `rnnexp.storage.provenance.Git.state`.
    """

    name: str | None = None
    tags: Mapping[str, object] = field(default_factory=dict)
    params: Mapping[str, object] = field(default_factory=dict)
    kind: Kind = Kind.RUN
    parent: str | None = None
    continued: str | None = None
    git: Mapping[str, Any] | None = None


@contextlib.contextmanager
def recorded(tracker: Tracker, config: DictConfig, options: RunOptions) -> Iterator[Run]:
    """Open the job's run with overrides, log, config and environment, and end it with the block.

    In a sweep, the output that the job prints goes to its log.

    Args:
        tracker: The store of the run.
        config: The job's config, stored as it is at the end of the block.
        options: What the run is opened with.

    Yields:
        The run.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir).absolute()
    log_file = folder / f"{hydra.job.name}.log"
    objective = objective_in(config, hydra.sweeper.get("direction"))
    settle_mode(config)
    provenance = provenance_tags(config, objective, options.git)
    with tracker.run(
        options.name,
        tags={Tags.STATE: "RUNNING", Tags.FOLDER: folder, **provenance, **options.tags},
        params=options.params,
        kind=options.kind,
        parent=options.parent,
        continued=options.continued,
        outbox=folder / Files.OUTBOX if hydra.mode == RunMode.MULTIRUN else None,
    ) as run:
        if options.continued:
            run.continue_clock()
        overrides = concealed(OmegaConf.to_container(hydra.overrides.task, resolve=False))
        run.log_text(OmegaConf.to_yaml(OmegaConf.create(overrides)), Artifacts.OVERRIDES)
        run.log_text(environment(options.git), Artifacts.ENVIRONMENT)
        try:
            with (
                _printing_to(log_file if hydra.mode == RunMode.MULTIRUN else None),
                system_metrics(tracker, run.id),
            ):
                yield run
        except BaseException as error:
            run.log_outcome(tags=_outcome_of(error))
            raise
        finally:
            run.log_text(_yaml(config), Artifacts.CONFIG)
            if log_file.exists():
                run.log_file(log_file)


def _outcome_of(error: BaseException) -> dict[str, object]:
    if isinstance(error, KeyboardInterrupt):
        return {Tags.STATE: "INTERRUPTED"}
    return {Tags.STATE: State.FAIL, Tags.REASON: f"{type(error).__name__}: {error}"}


@contextlib.contextmanager
def _printing_to(file: Path | None) -> Iterator[None]:
    if file is None:
        yield
        return
    with file.open("a", buffering=1) as out, contextlib.redirect_stdout(out):
        yield


def _yaml(config: DictConfig) -> str:
    """Return a config as it is stored: resolved, but for the environment, and without secrets."""
    plain = OmegaConf.to_container(config, resolve=False)
    escaped = _without_environment(plain)
    if escaped == plain:
        with contextlib.suppress(OmegaConfBaseException):
            text = OmegaConf.to_yaml(config, resolve=True)
            if not may_have_secret(text):  # as almost always: what follows takes its time
                return text
    safe = OmegaConf.create(concealed(escaped))
    OmegaConf.copy_cache(config, safe)  # the time that ${now:...} was
    with contextlib.suppress(OmegaConfBaseException):  # a missing value, which the job never read
        plain = OmegaConf.to_container(safe, resolve=True)
    return OmegaConf.to_yaml(OmegaConf.create(concealed(plain)))


def _without_environment(node: Any) -> Any:
    """Escape interpolations of the environment, so that a secret in a variable is not stored."""
    if isinstance(node, dict):
        return {key: _without_environment(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_environment(value) for value in node]
    is_read = isinstance(node, str) and "${" in node and "oc.env" in node
    return node.replace("${", "\\${") if is_read else node


def log_result(
    run: Run,
    result: Result,
    verdict: Verdict | None = None,
    objectives: Objectives | None = None,
) -> None:
    """Write the result of a job, and let its run end with the status that belongs to the result.

    Args:
        run: The job's run.
        result: The job's result.
        verdict: Why the pruner stopped the trial.
        objectives: The objectives and constraints of the study; None of a single run.
    """
    tags: dict[str, object] = {Tags.STATE: result.state}
    if result.reason:
        tags[Tags.REASON] = result.reason
    if verdict and result.state == State.PRUNED:
        tags |= {f"{Tags.PRUNED}{name}": value for name, value in verdict.known_fields().items()}
    values = {
        Metrics.BEST_VALUE: result.value,
        Metrics.BEST_EPOCH: result.best_epoch,
        Metrics.BEST_STD: result.std,
        Metrics.TRAININGS: result.trainings,
    }
    values |= {measure_metric(name): value for name, value in result.measures.items()}
    metrics = {name: value for name, value in values.items() if value is not None}
    if objectives and objectives.constraints and result.state != State.FAIL:
        named = objectives.named(result.value, result.measures)
        tags[Tags.FEASIBLE] = str(objectives.is_feasible(named)).lower()
    run.log_outcome(metrics=metrics, tags=tags)
    if result.state == State.PAUSED:
        run.end_paused()
    elif result.state == State.PRUNED:
        run.end_killed()
    elif result.state == State.FAIL:
        run.end_failed(result.reason)


def as_composed(config: DictConfig, key: str, value: object) -> object:
    """Return the config's value under a searched key; for a group, the name of the choice."""
    found = OmegaConf.select(config, key)
    return value if found is None or OmegaConf.is_config(found) else found
