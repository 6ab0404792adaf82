"""A study from its plan to its outcome.

    SweepSettings, command line
        |  preflight.py: every problem at once, before anything is written
        v
    SweepPlan -> the study in Optuna, the study's run in MLflow
        |
        |  loop.py: trials until the budget is spent; trial_ledger.py: what is stored of each
        v
    finalize.py: evaluate, publish, report -> SweepOutcome -> summary.py

Optuna's storage has the trials and their values, MLflow the metrics. The study's run in MLflow sums
up the study, and is brought up to date after every trial.
"""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import optuna
from hydra.plugins.launcher import Launcher

from rnnexp.errors import ConfigError, SweepError
from rnnexp.execution.application_hooks import modules_of_jobs
from rnnexp.execution.composer import Composer
from rnnexp.execution.launching import Jobs, jobs_of
from rnnexp.execution.slots import too_few_slots
from rnnexp.passwords import conceal, concealed_override
from rnnexp.pausing import Pausing
from rnnexp.report.reporter import Reporter
from rnnexp.search.sampling import DistinctSampler
from rnnexp.search.study_definition import defaults_of
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import modules_of_store
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.new_stores import NewStores
from rnnexp.storage.optuna_store import open_storage
from rnnexp.storage.outbox import deliver_all
from rnnexp.storage.provenance import Git, environment, git_of_application, provenance_tags
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.run_reader import runs_with_checkpoint
from rnnexp.storage.schema import VERSION, Artifacts, Files, Kind, Params, StudyAttrs, Tags
from rnnexp.storage.stored_orders import forget_orders
from rnnexp.storage.study_copy import load_study
from rnnexp.storage.study_creation import create_study
from rnnexp.storage.study_lock import study_lock
from rnnexp.storage.ui_view import save_view
from rnnexp.sweep.audit import audit
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.display import display_of
from rnnexp.sweep.dry_run import show_dry_run
from rnnexp.sweep.finalize import Finalizer
from rnnexp.sweep.front_tags import FrontTags
from rnnexp.sweep.heartbeat import Heartbeat
from rnnexp.sweep.loop import Loop, signals
from rnnexp.sweep.loop_callbacks import Callback, ReadTrials
from rnnexp.sweep.on_end import run_on_end
from rnnexp.sweep.order_tags import OrderTags
from rnnexp.sweep.outcome import SweepOutcome
from rnnexp.sweep.paused_trials import PausedTrials
from rnnexp.sweep.plan import SweepPlan
from rnnexp.sweep.preflight import preflight
from rnnexp.sweep.progress_metrics import Progress
from rnnexp.sweep.reopening import reopen
from rnnexp.sweep.resume import has_other_budget, taken_name
from rnnexp.sweep.retention import Retention
from rnnexp.sweep.scheduler import Scheduler
from rnnexp.sweep.search_change import change_text, changed_meanwhile, changes_of
from rnnexp.sweep.settings import SweepSettings
from rnnexp.sweep.summary import print_summary
from rnnexp.sweep.trial_ledger import TrialLedger

log = logging.getLogger(__name__)


def run_sweep(
    settings: SweepSettings, composer: Composer, launcher: Launcher, arguments: Sequence[str]
) -> SweepOutcome | None:
    """Run a sweep: check it, run its trials, finalize it, print its summary.

    Args:
        settings: The sweeper's settings.
        composer: Composes the configs of trials.
        launcher: Runs trials.
        arguments: The command line's overrides.

    Returns:
        The outcome of the sweep; None of a dry run.

    Raises:
        ConfigError: If the sweep can't work; nothing was started then.
        SweepError: If no trial is complete, too many failed, or the end of the sweep failed.
        KeyboardInterrupt: If the sweep was interrupted; it can be resumed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # or Optuna logs every trial
    stores = NewStores(settings.storage, settings.tracker().uri)
    with jobs_of(launcher, settings.n_jobs) as jobs:
        if warning := too_few_slots(launcher, jobs, settings.n_jobs):
            log.warning(warning)

        def meanwhile() -> None:
            if not settings.dry_run:
                stores.make()
            jobs.warm_up(modules_of_jobs(vars(settings)))

        with stores:
            plan = preflight(settings, composer, arguments, jobs, meanwhile)
            if not settings.dry_run:
                stores.install()
        if any(dimension.condition for dimension in plan.space.dimensions):
            # At every trial TPE would warn that it draws conditional params independently.
            optuna.logging.set_verbosity(optuna.logging.ERROR)
        if settings.dry_run:
            show_dry_run(plan, composer, jobs)
            return None
        return _run_study(plan, composer, jobs)


def _run_study(plan: SweepPlan, composer: Composer, jobs: Jobs) -> SweepOutcome:
    settings, tracker = plan.settings, plan.settings.tracker()
    study = _open_study(plan)
    folder = Path(study.user_attrs[StudyAttrs.FOLDER])
    log.info("study %s searches: %s", study.study_name, plan.objectives)
    jobs.share(folder)
    jobs.warm_up(modules_of_store(tracker.uri))  # while the study's run is made
    heartbeat = Heartbeat(study)
    if plan.resumed:
        deliver_all(folder)  # the writes of an earlier sweep come before those of this one
    has_more = plan.resumed is not None and has_other_budget(settings, study)
    with _study_run(plan, study, tracker, git_of_application(), heartbeat) as run:
        if plan.resumed:
            _repair(study, tracker)
        storage = open_storage(settings.storage)
        scheduler = Scheduler(plan.objectives.first, Pausing.of(settings.pausing))
        lock = study_lock(settings.storage, study.study_name, folder)
        paused = PausedTrials(
            study, storage, tracker, folder, scheduler, lock,
            settings.keep_paused, settings.limits, plan.space,
        )  # fmt: skip
        ledger = TrialLedger(
            study=study, storage=storage, space=plan.space, runs=tracker,
            study_run=run.id, sweep_id=heartbeat.sweep_id,
            folder=folder, paused=paused, retries=settings.retries,
        )  # fmt: skip
        if has_more:
            reopen(paused)
        budget = _budget(plan)
        stored = runs_with_checkpoint(tracker.client(), run.id) if plan.resumed else ()
        trials = paused.trials
        retention = Retention(trials, settings.keep, settings.checkpoints, run, folder, stored)
        reporter = Reporter(study, folder, tracker, run, plan.space.overrides)
        tags = OrderTags(study, run, tracker.client(), heartbeat.sweep_id)
        front = FrontTags(trials, tracker.client())
        progress, display = Progress(trials, run), display_of(trials, budget)
        read = ReadTrials(trials)
        callbacks: list[Callback] = [read, display, progress, reporter, retention, tags, front]
        loop = Loop(
            jobs, ledger, budget, settings.max_failure_rate, callbacks, settings.trial_timeout
        )
        error = _run_loop(loop)
        finalizer = Finalizer(
            plan, study, run, tracker, ledger, jobs, composer, retention, reporter, heartbeat, front
        )
        with signals(_interrupt):
            outcome = finalizer.finalize(loop.stopped, error)
        return _told(outcome, settings)


def _told(outcome: SweepOutcome, settings: SweepSettings) -> SweepOutcome:
    """Tell the user the outcome, which is returned unless it is an error."""
    print_summary(outcome)
    run_on_end(settings.on_end, outcome)
    outcome.raise_error()
    return outcome


def _run_loop(loop: Loop) -> KeyboardInterrupt | SweepError | None:
    try:
        loop.run()
    except (KeyboardInterrupt, SweepError) as error:
        return error
    return None


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001
    """Let SIGTERM interrupt the end of a sweep as Ctrl-C does."""
    raise KeyboardInterrupt


def _new_study(plan: SweepPlan) -> optuna.Study:
    settings = plan.settings
    try:
        return create_study(
            settings.study_name,
            open_storage(settings.storage),
            sampler=DistinctSampler(plan.sampler, plan.space),
            pruner=plan.pruner,
            directions=[each.direction for each in plan.objectives.all],
        )
    except optuna.exceptions.DuplicatedStudyError:  # another sweep has made it a moment ago
        raise ConfigError([taken_name(settings)]) from None


def _resumed_study(plan: SweepPlan) -> optuna.Study:
    settings = plan.settings
    if plan.change:
        plan.change.make(settings.study_name, settings.storage, settings.tracker())
    study = retry_transient(load_study)(settings.study_name, settings.storage)
    if study.user_attrs.get(StudyAttrs.DEFINITION, plan.definition) != plan.definition:
        raise ConfigError([changed_meanwhile(settings.study_name)])
    if plan.change:
        defaults = defaults_of(plan.base, plan.space)
        retry_transient(study.set_user_attr)(StudyAttrs.DEFAULTS, defaults)
    study.sampler = DistinctSampler(plan.sampler, plan.space, has_changed=bool(changes_of(study)))
    study.pruner = plan.pruner
    return study


def _open_study(plan: SweepPlan) -> optuna.Study:
    """Return the study to resume, else a new study, with this sweep's enqueued params."""
    settings = plan.settings
    study = _resumed_study(plan) if plan.resumed else _new_study(plan)
    if StudyAttrs.DEFINITION not in study.user_attrs:
        attrs = {
            StudyAttrs.SCHEMA: VERSION,
            StudyAttrs.OBJECTIVE: str(plan.objectives.first),
            StudyAttrs.IDENTITY: str(plan.identity),
            StudyAttrs.DIGESTS: plan.digests,
            StudyAttrs.MODEL_NAME: settings.registered_model_name,
            StudyAttrs.SCRIPT: sys.argv[0],
            StudyAttrs.FOLDER: str(settings.sweep_dir),
            StudyAttrs.DEFAULTS: defaults_of(plan.base, plan.space),
        }
        if not plan.objectives.is_plain:
            attrs[StudyAttrs.OBJECTIVES] = plan.objectives.to_json()
        attrs[StudyAttrs.DEFINITION] = dict(plan.definition)  # the last, see above
        for name, value in attrs.items():
            retry_transient(study.set_user_attr)(name, value)
    if plan.uploads:
        retry_transient(study.set_user_attr)(StudyAttrs.UPLOADS, True)
    for params in plan.enqueued:  # a resume's command has the same ones, and may have more
        retry_transient(study.enqueue_trial)(params, skip_if_exists=True)
    return study


@contextmanager
def _study_run(
    plan: SweepPlan, study: optuna.Study, tracker: Tracker, git: Git | None, heartbeat: Heartbeat
) -> Iterator[Run]:
    """Open the study's run; the sweep's heartbeat begins with it, and ends before it."""
    settings, folder = plan.settings, Path(study.user_attrs[StudyAttrs.FOLDER])
    commit = git.state if git else None
    tags = {Tags.STUDY: study.study_name, Tags.FOLDER: folder}
    own = provenance_tags(plan.base, plan.objectives.first, commit) | _budget_tags(settings)
    if not plan.objectives.is_plain:
        own[Tags.OBJECTIVES] = json.dumps(plan.objectives.to_json())
    if heartbeat.is_alone():  # from the first heartbeat on, orders are for this sweep
        retry_transient(forget_orders)(study)
    # A sweep that died may have had no time to store the id of the study's run.
    known = study.user_attrs.get(StudyAttrs.RUN_ID)
    with (
        tracker.run(
            study.study_name,
            tags=own | tags,
            params=_params(plan),
            kind=Kind.STUDY,
            continued=known or (tracker.find(tags) if plan.resumed else None),
            outbox=folder / f"{heartbeat.sweep_id}.{Files.OUTBOX}",
        ) as run,
        heartbeat,
    ):
        retry_transient(study.set_user_attr)(StudyAttrs.RUN_ID, run.id)
        # Each sweep of a study has a commit of its own, which its jobs read.
        retry_transient(study.set_user_attr)(f"{StudyAttrs.GIT}{heartbeat.sweep_id}", commit)
        run.log_inputs(plan.datasets)
        if plan.change:
            new = {f"{Params.SEARCH}{key}": plan.space.by_key[key] for key in plan.change.added}
            run.log_batch(params=new, tags={Tags.CHANGES: change_text(study)})
        save_view(tracker.client(), run, study.study_name, plan.space.by_key, plan.objectives)
        run.log_text(environment(commit), Artifacts.ENVIRONMENT)
        if git and git.dirty and tracker.uncommitted_diff:
            run.log_text(conceal(git.diff), Artifacts.DIFF)
        yield run


@retry_transient
def _repair(study: optuna.Study, tracker: Tracker) -> None:
    """Repair what a sweep that died has left half done."""
    for difference in audit(study, tracker.client()):
        if difference.repair:
            difference.repair()
            log.warning("%s: repaired", difference.text)


def _params(plan: SweepPlan) -> dict[str, object]:
    searched = {f"{Params.SEARCH}{d.key}": str(d) for d in plan.space.dimensions}
    return searched | {
        Params.SAMPLER: plan.settings.sampler["_target_"],
        Params.PRUNER: plan.settings.pruner["_target_"],
        Params.FIXED: " ".join(map(concealed_override, plan.space.fixed)),
    }


def _budget_tags(settings: SweepSettings) -> dict[str, object]:
    # Tags, since a resume may change the budget, and params can't be changed.
    limits = settings.limits
    return {f"{Tags.BUDGET}{name}": value for name, value in limits.items() if value is not None}


def _budget(plan: SweepPlan) -> Budget:
    settings = plan.settings
    return Budget(
        objectives=plan.objectives,
        n_trials=settings.n_trials,
        timeout=settings.timeout,
        patience=settings.patience,
        min_delta=settings.min_delta,
        epochs=settings.epochs,
        core_hours=settings.core_hours,
    )
