"""The study: everything around its trials.

    Hydra's config and command line
        |  preflight: every problem at once, before anything is written
        v
    open the study's run in MLflow, create the study in Optuna
        |
        |  rnnexp/sweep/loop.py: trials until the budget is spent
        v
    best trial -> evaluate -> publish -> report

Optuna's storage holds the trials and their values, MLflow the metrics. One parent run in
MLflow sums up the study; it is brought up to date after every trial.
"""

import logging
import shlex
import sys
from datetime import datetime
from pathlib import Path

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.samplers import BaseSampler

from rnnexp.errors import ConfigError, SweepError
from rnnexp.execution.launching import Jobs, jobs_of
from rnnexp.report.reporter import Reporter
from rnnexp.search.enqueue import enqueued_params
from rnnexp.search.sampling import DistinctSampler, OtherSeeds
from rnnexp.search.space import Space
from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.optuna_store import best_trial, open_storage
from rnnexp.storage.outbox import deliver_all
from rnnexp.storage.provenance import environment, git_of_application, objective_in, provenance_tags
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import VERSION, Artifacts, Files, Kind, StudyAttrs, Tags
from rnnexp.storage.uris import absolute_uri
from rnnexp.sweep import summary
from rnnexp.sweep.audit import audit
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.display import display_of
from rnnexp.sweep.heartbeat import Owner
from rnnexp.sweep.loop import Loop
from rnnexp.sweep.preflight import preflight
from rnnexp.sweep.resume import definition, study_to_resume, taken_name
from rnnexp.sweep.retention import Retention
from rnnexp.sweep.winner import Winner

log = logging.getLogger(__name__)


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
    if settings.resume is not None:
        settings.study_name = study_to_resume(settings)[0] or settings.resume
    elif settings.study_name is None:
        settings.study_name = f"{config.hydra.job.name}-{datetime.now():%Y-%m-%d_%H-%M-%S}"
    with jobs_of(launcher, settings.n_jobs) as jobs:
        space, problems = preflight(config, loader, arguments, jobs)
        if problems:
            raise ConfigError(problems)
        if any(dimension.condition for dimension in space.dimensions):
            # At every trial TPE would warn that it draws what is conditional by itself.
            optuna.logging.set_verbosity(optuna.logging.ERROR)
        _run_study(config, loader, space, jobs)


def _run_study(config: DictConfig, loader: ConfigLoader, space: Space, jobs: Jobs) -> None:
    settings = config.hydra.sweeper
    tracker = Tracker(**settings.tracking)
    base = loader.load_sweep_config(config, list(space.fixed))
    study = _open_study(config, base, space)
    folder = Path(study.user_attrs[StudyAttrs.FOLDER])
    tags = {Tags.STUDY: settings.study_name, Tags.FOLDER: folder}
    git = git_of_application()
    commit = git.state if git else None
    study.set_user_attr(StudyAttrs.GIT, commit)
    facts = provenance_tags(base, objective_in(base, settings.direction), commit)
    resumed = settings.resume is not None
    owner = Owner(study)
    if resumed:
        deliver_all(folder)  # what a sweep has left behind comes before what this one writes
    with (
        tracker.run(
            settings.study_name,
            tags=facts | tags | _budget_tags(settings),
            kind=Kind.STUDY,
            params=_params(settings, space),
            # A sweep that died may have had no time to note its run.
            continued=study.user_attrs.get(StudyAttrs.RUN_ID)
            or (tracker.find(tags) if resumed else None),
            outbox=folder / f"{owner.id}.{Files.OUTBOX}",
        ) as parent,
        owner,
    ):
        retry_transient(study.set_user_attr)(StudyAttrs.RUN_ID, parent.id)
        tracker.save_view(
            parent, settings.study_name, space.by_key, objective_in(base, settings.direction)
        )
        parent.log_text(environment(commit), Artifacts.ENVIRONMENT)
        if git and git.dirty:
            parent.log_text(git.diff, Artifacts.DIFF)
        if resumed:
            _reconcile(study, tracker)
        loop = Loop(
            study=study,
            space=space,
            budget=_budget(settings),
            settings=settings,
            jobs=jobs,
            tracker=tracker,
            parent=parent,
            owner=owner,
            folder=folder,
            retention=Retention(study, settings, parent, folder),
            seeds=_seeds(settings, base),
        )
        reporter = Reporter(study, folder, tracker, parent, loop.overrides_of)
        stopped: KeyboardInterrupt | SweepError | None = None
        try:
            with display_of(study, loop.budget) as display, reporter:
                loop.run(display)
        except (KeyboardInterrupt, SweepError) as error:
            stopped = error
        is_unfinished = isinstance(stopped, KeyboardInterrupt)
        scores: dict[str, float] = {}
        published: list[tuple[str, str]] = []
        with locked(folder):  # or another sweep, with a better trial, deletes the checkpoint now
            best = best_trial(study)
            command = loop.overrides_of(best) if best else []
            if best and not is_unfinished:
                best_config = loader.load_sweep_config(config, command)
                winner = Winner(best, best_config, parent, tracker, jobs)
                scores, published = winner.evaluate(), winner.publish()
        loop.retention.apply(is_over=not is_unfinished and owner.is_alone())
        if best:
            summary.write_results(best, space, folder)
        has_page = reporter.write(scores=scores, ended=loop.stopped or "too many trials failed")
        summary.print_summary(
            study,
            space,
            scores,
            command=command,
            published=published,
            stopped=loop.stopped,
            is_unfinished=is_unfinished,
            page=reporter.page if has_page else None,
            browse=tracker.how_to_browse(parent),
            storage=absolute_uri(settings.storage),
        )
        _deliver(folder)
        if stopped:
            raise stopped
        if not best:
            raise SweepError("no trial completed; the traceback of each is in its MLflow run")


@retry_transient
def _reconcile(study: optuna.Study, tracker: Tracker) -> None:
    """Mend what a sweep that died has left half done."""
    for difference in audit(study, tracker.client()):
        if difference.repair:
            difference.repair()
            log.warning("%s: mended", difference.text)


def _deliver(folder: Path) -> None:
    """Trials that ended while MLflow was away have left their writes behind."""
    if deliver_all(folder)[1]:
        log.warning("MLflow is away; once it is back: rnnexp deliver %s", shlex.quote(str(folder)))


def _params(settings: DictConfig, space: Space) -> dict[str, object]:
    searched = {f"search.{dimension.key}": str(dimension) for dimension in space.dimensions}
    return searched | {
        "sampler": settings.sampler["_target_"],
        "pruner": settings.pruner["_target_"],
        "fixed": " ".join(space.fixed),
    }


def _budget_tags(settings: DictConfig) -> dict[str, object]:
    # Tags, since a resume may change the budget, which params don't allow.
    return {
        name: settings[name]
        for name in ("n_trials", "timeout", "patience")
        if settings[name] is not None
    }


def _open_study(config: DictConfig, base: DictConfig, space: Space) -> optuna.Study:
    """The study to go on with, else a new one."""
    settings = config.hydra.sweeper
    sampler: BaseSampler = instantiate(settings.sampler)
    try:
        study = optuna.create_study(
            study_name=settings.study_name,
            storage=open_storage(absolute_uri(settings.storage)),
            sampler=sampler if settings.repeat_seed else DistinctSampler(sampler, space),
            pruner=instantiate(settings.pruner),
            direction=settings.direction,
            load_if_exists=settings.resume is not None,
        )
    except optuna.exceptions.DuplicatedStudyError:  # made by another sweep a moment ago
        raise ConfigError([taken_name(settings)]) from None
    if StudyAttrs.DEFINITION not in study.user_attrs:
        study.set_user_attr(StudyAttrs.SCHEMA, VERSION)
        study.set_user_attr(StudyAttrs.OBJECTIVE, str(objective_in(base, settings.direction)))
        study.set_user_attr(StudyAttrs.SCRIPT, sys.argv[0])
        study.set_user_attr(StudyAttrs.FOLDER, str(Path(config.hydra.sweep.dir).absolute()))
        study.set_user_attr(StudyAttrs.DEFINITION, definition(base, space))
    for setting in enqueued_params(settings, space)[0]:
        # A resume's command has them as well, and may have more.
        once = settings.resume is not None or not settings.repeat_seed
        study.enqueue_trial(setting, skip_if_exists=once)
    return study


def _budget(settings: DictConfig) -> Budget:
    return Budget(
        n_trials=settings.n_trials,
        timeout=settings.timeout,
        patience=settings.patience,
        min_delta=settings.min_delta,
        direction=settings.direction,
    )


def _seeds(settings: DictConfig, base: DictConfig) -> OtherSeeds | None:
    key = settings.repeat_seed
    return OtherSeeds(key, OmegaConf.select(base, key)) if key else None
