"""The study: everything around its trials.

    Hydra's config and command line
        |  preflight: every fault at once, before anything is written
        v
    open the study's run in MLflow, create the study in Optuna
        |
        |  rnnexp/loop.py: trials until the budget is spent
        v
    best trial -> evaluate -> report

Optuna's storage holds the trials and their values, MLflow the metrics. One parent run in
MLflow sums up the study; it is brought up to date after every trial.
"""

import logging
import shlex
from datetime import datetime
from pathlib import Path

import optuna
from hydra.core.config_loader import ConfigLoader
from hydra.plugins.launcher import Launcher
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf
from optuna.samplers import BaseSampler

from rnnexp import report
from rnnexp.audit import audit
from rnnexp.budget import Budget
from rnnexp.current import RUN_ID
from rnnexp.display import display_of
from rnnexp.errors import ConfigError, SweepError
from rnnexp.jobs import Jobs, jobs_of
from rnnexp.known import known_settings
from rnnexp.loop import Loop
from rnnexp.outbox import FILE as OUTBOX
from rnnexp.outbox import deliver_all
from rnnexp.owner import Owner
from rnnexp.patience import patiently
from rnnexp.preflight import preflight
from rnnexp.resume import DEFINITION, FOLDER, definition, study_to_resume, taken_name
from rnnexp.sampling import DistinctSampler, OtherSeeds
from rnnexp.space import Space
from rnnexp.stores import absolute_uri, open_storage
from rnnexp.tracking import Tracker

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
        space, faults = preflight(config, loader, arguments, jobs)
        if faults:
            raise ConfigError(faults)
        if any(dimension.condition for dimension in space.dimensions):
            # At every trial TPE would warn that it draws what is conditional by itself.
            optuna.logging.set_verbosity(optuna.logging.ERROR)
        _run_study(config, loader, space, jobs)


def _run_study(config: DictConfig, loader: ConfigLoader, space: Space, jobs: Jobs) -> None:
    settings = config.hydra.sweeper
    tracker = Tracker(settings.tracking.uri, settings.tracking.experiment)
    base = loader.load_sweep_config(config, list(space.fixed))
    study = _open_study(config, base, space)
    folder = Path(study.user_attrs[FOLDER])
    tags = {"study": settings.study_name, "folder": folder}
    resumed = settings.resume is not None
    owner = Owner(study)
    if resumed:
        deliver_all(folder)  # what a sweep has left behind comes before what this one writes
    with (
        tracker.run(
            settings.study_name,
            tags=tags | _budget_tags(settings),
            params=_params(settings, space),
            # A sweep that died may have had no time to note its run.
            continued=study.user_attrs.get(RUN_ID) or (tracker.find(tags) if resumed else None),
            outbox=folder / f"{owner.id}.{OUTBOX}",
        ) as parent,
        owner,
    ):
        patiently(study.set_user_attr)(RUN_ID, parent.id)
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
            seeds=_seeds(settings, base),
        )
        stopped: KeyboardInterrupt | SweepError | None = None
        try:
            with display_of(study, loop.budget) as display:
                loop.run(display)
        except (KeyboardInterrupt, SweepError) as error:
            stopped = error
        scores: dict[str, float] = {}
        best = report.best_trial(study)
        if best:
            if settings.evaluate and not isinstance(stopped, KeyboardInterrupt):
                best_config = loader.load_sweep_config(config, loop.overrides_of(best))
                evaluate = get_method(settings.evaluate)
                scores = jobs.call(evaluate, best_config, best.user_attrs[RUN_ID]).result()
                parent.log_batch(metrics={f"test_{name}": value for name, value in scores.items()})
            report.write_results(study, space, folder)
        report.print_summary(
            study,
            space,
            scores,
            command=loop.overrides_of(best) if best else [],
            stopped=loop.stopped,
            is_unfinished=isinstance(stopped, KeyboardInterrupt),
            browse=tracker.how_to_browse(parent),
            storage=absolute_uri(settings.storage),
        )
        _deliver(folder)
        if stopped:
            raise stopped
        if not best:
            raise SweepError("no trial completed; the traceback of each is in its MLflow run")


@patiently
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
        "direction": settings.direction,
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
    if DEFINITION not in study.user_attrs:
        study.set_user_attr(FOLDER, str(Path(config.hydra.sweep.dir).absolute()))
        study.set_user_attr(DEFINITION, definition(base, space))
    for setting in known_settings(settings, space)[0]:
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
