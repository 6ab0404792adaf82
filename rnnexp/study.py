"""The sweep: ask Optuna for a trial, run it, tell Optuna what came out.

    Hydra's config and command line
        |  preflight: every fault at once, before anything is written
        v
    +-> ask -> overrides -> submit -> result -> tell --+--> best trial -> evaluate -> report
    |         (as many at once as there are slots)     |
    +---------------- until n_trials ------------------+

Optuna's storage holds the trials and their values, MLflow the metrics. One parent run in
MLflow sums up the study; it is brought up to date after every trial.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from datetime import datetime
from pathlib import Path

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig
from optuna.trial import Trial, TrialState

from rnnexp import report
from rnnexp.current import RUN_ID
from rnnexp.errors import ConfigError, SweepError
from rnnexp.jobs import Jobs, jobs_of
from rnnexp.preflight import preflight
from rnnexp.result import Result, State
from rnnexp.space import Space
from rnnexp.stores import absolute_uri
from rnnexp.task import to_result
from rnnexp.tracking import Run, Tracker

log = logging.getLogger(__name__)

FAILURE_WINDOW, FEWEST_FAILURES = 20, 5
DIED = "its worker process died"


def sweep(
    config: DictConfig, loader: ConfigLoader, launcher: Launcher, arguments: list[str]
) -> None:
    """Run a whole study.

    Args:
        config: Hydra's composed config of the sweep; the settings are ``hydra.sweeper``.
        loader: Composes the configs of trials.
        launcher: Runs trials.
        arguments: The command line's overrides.

    Raises:
        ConfigError: If what was asked for can't work; nothing was started then.
        SweepError: If no trial completed, or too many failed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce every trial
    settings = config.hydra.sweeper
    if settings.study_name is None:
        settings.study_name = f"{config.hydra.job.name}-{datetime.now():%Y-%m-%d_%H-%M-%S}"
    with jobs_of(launcher, settings.n_jobs) as jobs:
        space, faults = preflight(config, loader, arguments, jobs)
        if faults:
            raise ConfigError(faults)
        _run_study(config, loader, space, jobs)


def _run_study(config: DictConfig, loader: ConfigLoader, space: Space, jobs: Jobs) -> None:
    settings = config.hydra.sweeper
    tracker = Tracker(settings.tracking.uri, settings.tracking.experiment)
    with tracker.run(
        settings.study_name, tags={"study": settings.study_name}, params=_params(settings, space)
    ) as parent:
        study = _create_study(settings, parent)
        scores: dict[str, float] = {}
        stopped: KeyboardInterrupt | SweepError | None = None
        try:
            _run_trials(study, space, settings, jobs, tracker, parent)
        except (KeyboardInterrupt, SweepError) as error:
            stopped = error
        parent.log_metrics(report.progress(study), step=len(study.get_trials(deepcopy=False)))
        best = report.best_trial(study)
        if best:
            if settings.evaluate and not isinstance(stopped, KeyboardInterrupt):
                best_config = loader.load_sweep_config(config, space.overrides(best.params))
                evaluate = get_method(settings.evaluate)
                scores = jobs.call(evaluate, best_config, best.user_attrs[RUN_ID]).result()
                parent.log_metrics({f"test_{name}": value for name, value in scores.items()})
            report.write_results(study, space, Path(config.hydra.sweep.dir))
        report.print_summary(
            study, space, scores, tracker.how_to_browse(parent), absolute_uri(settings.storage)
        )
        if stopped:
            raise stopped
        if not best:
            raise SweepError("no trial completed; the traceback of each is in its MLflow run")


def _params(settings: DictConfig, space: Space) -> dict[str, object]:
    searched = {f"search.{dimension.key}": dimension.grammar for dimension in space.dimensions}
    return searched | {
        "n_trials": settings.n_trials,
        "direction": settings.direction,
        "sampler": settings.sampler["_target_"],
        "pruner": settings.pruner["_target_"],
        "fixed": " ".join(space.fixed),
    }


def _create_study(settings: DictConfig, parent: Run) -> optuna.Study:
    study = optuna.create_study(
        study_name=settings.study_name,
        storage=absolute_uri(settings.storage),
        sampler=instantiate(settings.sampler),
        pruner=instantiate(settings.pruner),
        direction=settings.direction,
    )
    study.set_user_attr(RUN_ID, parent.id)
    return study


def _run_trials(
    study: optuna.Study,
    space: Space,
    settings: DictConfig,
    jobs: Jobs,
    tracker: Tracker,
    parent: Run,
) -> None:
    """Ask, submit and tell until ``n_trials`` have ended; a free slot gets its next trial at once.

    Raises:
        SweepError: If too many failed.
    """
    # A job composes its own config, and the default name has the time in it.
    name = QuotedString(study.study_name, Quote.single).with_quotes()
    asked: dict[int, Trial] = {}  # not told yet
    running: dict[Future[JobReturn], int] = {}
    ended: list[State] = []
    try:
        while len(ended) < settings.n_trials:
            while len(asked) < min(jobs.n_jobs, settings.n_trials - len(ended)):
                trial = study.ask(space.distributions)
                asked[trial.number] = trial
                overrides = [*space.overrides(trial.params), f"hydra.sweeper.study_name={name}"]
                running[jobs.submit(overrides, trial.number)] = trial.number
            jobs.flush()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number = running.pop(future)
                result = ending(future)
                _tell(study, asked.pop(number), result, tracker)
                ended.append(result.state)
                log.info(report.trial_line(study, number, result))
                parent.log_metrics(report.progress(study), step=len(ended))
            _stop_if_too_many_failed(ended, settings.max_failure_rate)
    except BaseException:
        jobs.interrupt()
        wait(running)
        for trial in asked.values():
            _tell(study, trial, Result(State.FAIL, reason="interrupted"), tracker)
        raise


def ending(future: Future[JobReturn]) -> Result:
    """How a job ended, when its process may have died or its function raised."""
    try:
        return to_result(future.result().return_value)
    except BrokenExecutor:
        return Result(State.FAIL, reason=DIED)
    except Exception as error:
        return Result(State.FAIL, reason=f"{type(error).__name__}: {error}")


def _stop_if_too_many_failed(ended: Sequence[State], max_failure_rate: float) -> None:
    if too_many_failed(ended, max_failure_rate):
        recent = ended[-FAILURE_WINDOW:]
        raise SweepError(
            f"stopped after {len(ended)} trials: {recent.count(State.FAIL)} of the last "
            f"{len(recent)} failed, more than max_failure_rate={max_failure_rate}; the "
            "traceback of each is in its MLflow run"
        )


def too_many_failed(ended: Sequence[State], max_failure_rate: float) -> bool:
    """Whether a sweep should stop: of its last 20 trials, too large a share and at least 5 failed.

    Args:
        ended: How its trials ended, in that order.
        max_failure_rate: The largest share that is still borne.
    """
    recent = ended[-FAILURE_WINDOW:]
    failures = recent.count(State.FAIL)
    return failures >= FEWEST_FAILURES and failures / len(recent) > max_failure_rate


def _tell(study: optuna.Study, trial: Trial, result: Result, tracker: Tracker) -> None:
    if result.best_epoch is not None:
        trial.set_user_attr(report.BEST_EPOCH, result.best_epoch)
    if result.reason:
        trial.set_user_attr(report.REASON, result.reason)
    # Optuna itself gives a pruned trial its last reported value, and wants none.
    value = result.value if result.state == State.COMPLETE else None
    told = study.tell(trial, value, state=TrialState[result.state])
    if result.reason == DIED and (run_id := told.user_attrs.get(RUN_ID)):
        # Nobody else is left to end its run.
        tracker.end(run_id, "FAILED", {"state": State.FAIL, "reason": DIED})
