"""The checks before trial 0: every problem of a sweep at once, or its plan.

The checks of the application's own configs are left to the function named in
``hydra.sweeper.check``; this module knows Hydra, Optuna and the stores only.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import optuna
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf.errors import OmegaConfBaseException
from optuna.pruners import BasePruner

from rnnexp.errors import ConfigError, one_line
from rnnexp.execution.application_hooks import load_application
from rnnexp.execution.composer import Composer
from rnnexp.execution.hydra_job import subdir_of
from rnnexp.execution.launching import Jobs
from rnnexp.execution.probe_configs import Probes, base_config
from rnnexp.identity import Digests, Identity, measured
from rnnexp.number_ranges import COUNT, NOT_NEGATIVE, POSITIVE, UNIT, WHOLE
from rnnexp.objective import objective_in, objective_problems, settle_mode
from rnnexp.passwords import concealed
from rnnexp.search.conditions import as_overrides, with_conditions
from rnnexp.search.dimension import Params
from rnnexp.search.enqueue import enqueued_params
from rnnexp.search.sampler_check import sampler_problems
from rnnexp.search.seeded_sampler import SeededSampler
from rnnexp.search.space import Space, parse
from rnnexp.search.study_definition import definition
from rnnexp.search.sweeps_file import sweeps_file_problems
from rnnexp.storage.optuna_store import study_names
from rnnexp.storage.registry import name_problem
from rnnexp.storage.uris import is_in_memory, sqlite_file, write_problem
from rnnexp.sweep.plan import SweepPlan
from rnnexp.sweep.resume import resume_problems, run_problems, study_to_resume, taken_name
from rnnexp.sweep.retention import keep_problems
from rnnexp.sweep.settings import SweepSettings
from rnnexp.sweep.trial_folders import folder_problems, subdir_problems

_RANGES = {
    "n_trials": COUNT,
    "n_jobs": COUNT,
    "patience": COUNT,
    "retries": WHOLE,
    "timeout": POSITIVE,  # seconds
    "trial_timeout": POSITIVE,  # seconds
    "min_delta": NOT_NEGATIVE,
    "max_failure_rate": UNIT,
}


def preflight(
    settings: SweepSettings, composer: Composer, arguments: Sequence[str], jobs: Jobs
) -> SweepPlan:
    """Check a sweep, before anything is written.

    Args:
        settings: The sweeper's settings.
        composer: Composes the configs of trials.
        arguments: The command line's overrides, which win over ``hydra.sweeper.params`` and
            ``hydra.sweeper.when``.
        jobs: Runs the application's own check.

    Returns:
        The plan of the sweep.

    Raises:
        ConfigError: If the sweep can't work; lists every problem.
    """
    params, problems = as_overrides("hydra.sweeper.params", settings.params)
    space, unread = parse([*params, *arguments], composer)
    uncomposed: list[str] = []
    fixed, base = base_config(composer, space.fixed, uncomposed)
    space, conditional = with_conditions(
        space,
        settings.when,
        params=params,
        arguments=arguments,
        base=base,
        groups=composer,
    )
    sampler, pruner, unmade = _sampler_and_pruner(settings)
    application, missing = load_application(settings.check, settings.evaluate, settings.publish)
    problems += [*unread, *conditional, *_numbers(settings), *keep_problems(settings.keep)]
    problems += [*unmade, *_storage(settings), *_jobs(settings, jobs)]
    untracked = settings.tracker().problems()
    problems += [*untracked, *_registered_model(settings), *missing]
    problems += sweeps_file_problems(base)
    if not (space.dimensions or problems):
        problems.append(
            "nothing to search: give ranges in hydra.sweeper.params or on the command line, "
            "such as 'model.units=choice(32,64)', or leave out -m to train once"
        )
    configs = Probes(composer, space, fixed).configs(uncomposed)
    enqueued, not_enqueued = enqueued_params(settings.enqueue, settings.storage, space)
    if sampler and pruner and not (unread or conditional or not_enqueued):
        problems += _draw_problems(settings, pruner, space, enqueued)
    problems += [*uncomposed, *not_enqueued]
    study, not_resumed = study_to_resume(settings)
    problems += not_resumed
    if base:
        settle_mode(base)
    if base and not not_resumed:
        problems += folder_problems(settings, partial(subdir_of, base), study)
    unclear = objective_problems(base, settings.direction) if base else []
    objective = objective_in(base, settings.direction) if base and not unclear else None
    now = concealed(definition(base, space)) if base else {}
    problems += unclear
    identity, digests = Identity(str(objective)), Digests()
    unchecked = application.check_problems(configs, jobs)
    problems += unchecked
    if application.check and configs and not unchecked:
        # What the values are measured on and by, and the files that are read.
        identity, digests, incomparable = jobs.call(measured, configs, settings.direction).result()
        problems += incomparable
    if study and objective:
        problems += resume_problems(settings, study, now, identity, digests)
        problems += [] if untracked else run_problems(settings, study)
    if problems or not (base and sampler and pruner and objective):
        raise ConfigError(list(dict.fromkeys(problems)))
    return SweepPlan(
        settings, space, base, objective, identity, digests, now, sampler, pruner, enqueued,
        application, study,
    )  # fmt: skip


def _numbers(settings: SweepSettings) -> list[str]:
    problems = [
        problem
        for name, allowed in _RANGES.items()
        if (value := getattr(settings, name)) is not None
        for problem in allowed.problems(f"hydra.sweeper.{name}", value)
    ]
    if settings.n_trials is None and settings.timeout is None and settings.patience is None:
        problems.append("hydra.sweeper.n_trials=null: needs a timeout or a patience, to end at all")
    return problems


def _sampler_and_pruner(settings: SweepSettings) -> tuple[Any, Any, list[str]]:
    problems: list[str] = []
    sampler = _made("sampler", settings.sampler, optuna.samplers.BaseSampler, problems)
    pruner = _made("pruner", settings.pruner, optuna.pruners.BasePruner, problems)
    return sampler and SeededSampler(settings.sampler), pruner, problems


def _draw_problems(
    settings: SweepSettings, pruner: BasePruner, space: Space, enqueued: Sequence[Params]
) -> list[str]:
    if not space.dimensions:
        return []
    n_trials = settings.n_trials if settings.n_trials in COUNT else None
    sampler = SeededSampler(settings.sampler)  # not the plan's, which has drawn nothing yet
    return sampler_problems(sampler, pruner, space, enqueued, n_trials)


def _made(name: str, config: Mapping[str, Any], base: type, problems: list[str]) -> Any:
    try:
        made = instantiate(config)
    except (HydraException, OmegaConfBaseException) as error:
        problems.append(f"hydra.sweeper.{name}: {one_line(error)}")
        return None
    if not isinstance(made, base):
        problems.append(f"hydra.sweeper.{name}: {made!r} is not an Optuna {name}")
        return None
    return made


def _storage(settings: SweepSettings) -> list[str]:
    url = settings.storage
    if (file := sqlite_file(url)) and file == sqlite_file(settings.tracker().uri):
        return [f"hydra.sweeper.storage and tracking.uri are one file, {file}: give each its own"]
    if is_in_memory(url):
        return [
            f"hydra.sweeper.storage={settings.given_storage}: each process would have a study of "
            "its own; give a file, such as sqlite:///optuna.db"
        ]
    if problem := write_problem(url):
        return [f"hydra.sweeper.storage: {problem}"]
    try:
        is_taken = settings.study_name in study_names(url)
    except Exception as error:  # whatever the database's driver raises
        return [f"hydra.sweeper.storage: {url} can't be opened: {one_line(error)}"]
    return [taken_name(settings)] if is_taken and settings.resume is None else []


def _jobs(settings: SweepSettings, jobs: Jobs) -> list[str]:
    problems = subdir_problems(settings.subdir)
    if settings.trial_timeout is None or jobs.can_kill:
        return problems
    return [
        *problems,
        f"hydra.sweeper.trial_timeout={settings.trial_timeout}: this launcher can't end a trial "
        "that hangs, which takes a process for each; give hydra/launcher=workers, or null",
    ]


def _registered_model(settings: SweepSettings) -> list[str]:
    name = settings.registered_model_name
    if not settings.publish or name is None or not (problem := name_problem(name)):
        return []
    return [
        f"hydra.sweeper.registered_model_name={name}: {problem}; give another name, or null to "
        "register nothing. By default the name is the study's"
    ]
