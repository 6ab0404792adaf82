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

from rnnexp.errors import ConfigError, one_line
from rnnexp.execution.application_hooks import load_application
from rnnexp.execution.composer import Composer
from rnnexp.execution.hydra_job import subdir_of
from rnnexp.execution.launching import Jobs
from rnnexp.execution.probe_configs import Probes, base_config
from rnnexp.number_ranges import COUNT, NOT_NEGATIVE, POSITIVE, UNIT, WHOLE
from rnnexp.objective import Objective
from rnnexp.search.conditions import as_overrides, with_conditions
from rnnexp.search.enqueue import enqueued_params
from rnnexp.search.space import parse
from rnnexp.search.study_definition import definition
from rnnexp.storage.optuna_store import study_names
from rnnexp.storage.provenance import objective_in
from rnnexp.storage.registry import name_problem
from rnnexp.storage.uris import sqlite_file, write_problem
from rnnexp.sweep.plan import SweepPlan
from rnnexp.sweep.resume import resume_problems, study_to_resume, taken_name
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
    space, unread = parse([*params, *arguments], composer.loader)
    uncomposed: list[str] = []
    fixed, base = base_config(composer, space.fixed, uncomposed)
    space, conditional = with_conditions(
        space,
        settings.when,
        params=params,
        arguments=arguments,
        base=base,
        loader=composer.loader,
    )
    sampler, pruner, unmade = _sampler_and_pruner(settings)
    application, missing = load_application(settings.check, settings.evaluate, settings.publish)
    problems += [*unread, *conditional, *_numbers(settings), *keep_problems(settings.keep)]
    problems += [*_direction(settings), *unmade, *_storage(settings)]
    problems += [*subdir_problems(settings.subdir), *_trial_timeout(settings, jobs)]
    problems += [*settings.tracker().problems(), *_registered_model(settings), *missing]
    if not (space.dimensions or problems):
        problems.append(
            "nothing to search: give ranges in hydra.sweeper.params or on the command line, "
            "such as 'model.units=choice(32,64)', or leave out -m to train once"
        )
    configs = Probes(composer, space, fixed).configs(uncomposed)
    enqueued, not_enqueued = enqueued_params(settings.enqueue, settings.storage, space)
    problems += [*uncomposed, *not_enqueued]
    study, not_resumed = study_to_resume(settings)
    problems += not_resumed
    now = definition(base, space) if base else {}
    if study and base:
        problems += resume_problems(settings, study, now)
    if base and not problems:
        problems += folder_problems(settings, partial(subdir_of, base), study)
    if application.check and configs:
        problems += jobs.call(application.check, configs).result()
    if problems or not (base and sampler and pruner):
        raise ConfigError(list(dict.fromkeys(problems)))
    objective = objective_in(base, settings.direction)
    if objective.direction != settings.direction:  # the study's direction decides
        objective = Objective.of_direction(settings.direction, objective.monitor)
    return SweepPlan(
        settings, space, base, objective, now, sampler, pruner, enqueued, application, study
    )


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


def _direction(settings: SweepSettings) -> list[str]:
    try:
        Objective.of_direction(settings.direction)
    except (KeyError, TypeError):  # a list is not even hashable
        given = settings.direction
        return [f"hydra.sweeper.direction={given}: must be minimize or maximize"]
    return []


def _sampler_and_pruner(settings: SweepSettings) -> tuple[Any, Any, list[str]]:
    problems: list[str] = []
    sampler = _made("sampler", settings.sampler, optuna.samplers.BaseSampler, problems)
    pruner = _made("pruner", settings.pruner, optuna.pruners.BasePruner, problems)
    return sampler, pruner, problems


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
    if url.startswith("sqlite:///") and not sqlite_file(url):
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


def _trial_timeout(settings: SweepSettings, jobs: Jobs) -> list[str]:
    if settings.trial_timeout is None or jobs.can_kill:
        return []
    return [
        f"hydra.sweeper.trial_timeout={settings.trial_timeout}: this launcher can't end a trial "
        "that hangs, which takes a process for each; give hydra/launcher=workers, or null"
    ]


def _registered_model(settings: SweepSettings) -> list[str]:
    name = settings.registered_model_name
    if not settings.publish or name is None or not (problem := name_problem(name)):
        return []
    return [
        f"hydra.sweeper.registered_model_name={name}: {problem}; give another name, or null to "
        "register nothing. By default the name is the study's"
    ]
