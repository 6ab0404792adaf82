"""The checks before trial 0: every problem of a sweep at once, or its plan.

    the search -> the settings -> sampler and pruner -> the functions of the application
      -> the objective -> the application's own check -> the study to resume -> SweepPlan

The checks of the application's own configs are left to the function named in
``hydra.sweeper.check``; this module knows Hydra, Optuna and the stores only.
"""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from optuna.exceptions import ExperimentalWarning

from rnnexp.errors import ConfigError, RnnexpError, one_line
from rnnexp.execution.application_hooks import load_application
from rnnexp.execution.composer import Composer
from rnnexp.execution.hydra_job import subdir_of
from rnnexp.execution.launching import Jobs
from rnnexp.execution.probe_configs import Probes, base_config
from rnnexp.identity import Identity, named_files
from rnnexp.number_ranges import COUNT
from rnnexp.objective import settle_mode
from rnnexp.objectives import Objectives, objectives_of_directions
from rnnexp.objectives_in_config import objectives_in, objectives_problems
from rnnexp.passwords import concealed
from rnnexp.search.conditions import as_overrides, with_conditions
from rnnexp.search.dimension import Params
from rnnexp.search.enqueue import enqueued_params
from rnnexp.search.sampler_check import sampler_problems
from rnnexp.search.sampler_config import (
    ability_problems,
    drawn_at_random,
    for_space,
    pruner_problems,
    unknown_constraints,
)
from rnnexp.search.seeded_sampler import SeededSampler
from rnnexp.search.space import Space, parse
from rnnexp.search.study_definition import definition
from rnnexp.search.sweeps_file import sweeps_file_problems
from rnnexp.sweep.host_checks import host_problems
from rnnexp.sweep.plan import SweepPlan
from rnnexp.sweep.resume import (
    resume_problems,
    run_problems,
    sharing_problems,
    study_to_resume,
)
from rnnexp.sweep.search_change import search_change
from rnnexp.sweep.settings import SweepSettings
from rnnexp.sweep.settings_checks import settings_problems, store_problems
from rnnexp.sweep.trial_folders import folder_problems

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Search:
    """What is searched.

    Attributes:
        space: The search space.
        fixed: The overrides that are the same for all trials and can be composed.
        base: The composed config of a trial with nothing searched; None if it can't be composed.
        enqueued: The params to try first.
        is_readable: Whether the whole search could be read.
    """

    space: Space
    fixed: Sequence[str]
    base: DictConfig | None
    enqueued: Sequence[Params]
    is_readable: bool


def preflight(
    settings: SweepSettings,
    composer: Composer,
    arguments: Sequence[str],
    jobs: Jobs,
    meanwhile: Callable[[], object],
) -> SweepPlan:
    """Check a sweep, before anything is written.

    Args:
        settings: The sweeper's settings.
        composer: Composes the configs of trials.
        arguments: The command line's overrides, which win over ``hydra.sweeper.params`` and
            ``hydra.sweeper.when``.
        jobs: Runs the application's own check.
        meanwhile: Called while the application's check runs, if there are no problems so far.

    Returns:
        The plan of the sweep.

    Raises:
        ConfigError: If the sweep can't work; lists every problem.
    """
    problems: list[str] = []
    search = _search(settings, composer, arguments, problems)
    unstored, untracked, is_silent = store_problems(settings)
    problems += [*settings_problems(settings, jobs), *unstored, *untracked]
    unreachable = jobs.problems()
    problems += unreachable
    application, missing = load_application(vars(settings))
    problems += missing
    objectives = _objectives(settings, search, problems)
    sampler, pruner = _sampler_and_pruner(settings, search, objectives, problems)
    configs = Probes(composer, search.space, search.fixed).configs(problems)
    uploads = False
    if search.base and not unreachable:
        unseen, uploads = host_problems(settings, named_files(configs or [search.base]), jobs)
        problems += unseen
    study, not_resumed = (None, []) if unstored else study_to_resume(settings)
    problems += not_resumed
    if (base := search.base) and not not_resumed:
        problems += folder_problems(settings, partial(subdir_of, base), study)
    if unreachable or is_silent:  # the check would delay news that has taken long already
        configs = []
    checked = application.checked(
        configs, settings.direction, jobs, None if problems else meanwhile
    )
    problems += checked.problems
    identity = checked.identity or Identity(str(objectives.first if objectives else None))
    now = concealed(definition(base, search.space)) if base else {}
    space, change = search.space, None
    if study and objectives and base:
        problems += sharing_problems(settings, study)
        problems += resume_problems(settings, study, now, identity, checked.digests)
        problems += [] if untracked else run_problems(settings, study)
        groups = base.hydra.runtime.choices
        change, space, unchanged = search_change(settings, study, space, now, groups)
        problems += unchanged
    if problems or not (base and sampler and pruner and objectives):
        raise ConfigError(list(dict.fromkeys(problems)))
    return SweepPlan(
        settings, space, base, objectives, identity, checked.digests, now,
        sampler, pruner, search.enqueued, application, study, uploads, checked.datasets, change,
    )  # fmt: skip


def _search(
    settings: SweepSettings, composer: Composer, arguments: Sequence[str], problems: list[str]
) -> _Search:
    params, unread = as_overrides("hydra.sweeper.params", settings.params)
    space, unparsed = parse([*params, *arguments], composer)
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
    enqueued, not_enqueued = enqueued_params(settings.enqueue, settings.storage, space)
    problems += [*unread, *unparsed, *conditional, *sweeps_file_problems(base)]
    if not (space.dimensions or problems):
        problems.append(
            "nothing to search: give ranges in hydra.sweeper.params or on the command line, "
            "such as 'model.units=choice(32,64)', or leave out -m to train once"
        )
    problems += [*uncomposed, *not_enqueued]
    is_readable = not (unparsed or conditional or not_enqueued)
    return _Search(space, fixed, base, enqueued, is_readable)


def _sampler_and_pruner(
    settings: SweepSettings, search: _Search, objectives: Objectives | None, problems: list[str]
) -> tuple[Any, Any]:
    """Make the sampler and the pruner, and let the sampler draw; None if one can't be made."""
    objectives = objectives or objectives_of_directions(["minimize"])
    config = for_space(settings.sampler, search.space, is_single=not objectives.others)
    made = _made("sampler", config, optuna.samplers.BaseSampler, problems)
    pruner = _made("pruner", settings.pruner, optuna.pruners.BasePruner, problems)
    if made and pruner and search.is_readable and search.space.dimensions:
        n_trials = settings.n_trials if settings.n_trials in COUNT else None
        unable = ability_problems(config, search.space, objectives)
        unable += pruner_problems(pruner, objectives)
        problems += unable or sampler_problems(
            SeededSampler(config), pruner, search.space, search.enqueued, n_trials, objectives
        )
        if warning := unknown_constraints(config, objectives):
            log.warning(warning)
        if random := drawn_at_random(config, search.space):
            log.warning("the sampler draws these choices at random: %s", ", ".join(random))
    return made and SeededSampler(config), pruner  # another, which has drawn nothing yet


def _objectives(settings: SweepSettings, search: _Search, problems: list[str]) -> Objectives | None:
    base = search.base
    if base is None:
        return None
    settle_mode(base)
    unclear = objectives_problems(base, settings.direction)
    problems += unclear
    return None if unclear else objectives_in(base, settings.direction)


def _made(name: str, config: Mapping[str, Any], base: type, problems: list[str]) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # of half of Optuna's samplers
            made = instantiate(config)
    except MissingMandatoryValue:  # reported with the other missing values
        return None
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__  # Hydra's message has the traceback's last line
        own = str(cause) if isinstance(cause, RnnexpError) else one_line(error)
        problems.append(f"hydra.sweeper.{name}: {own}")
        return None
    if not isinstance(made, base):
        problems.append(f"hydra.sweeper.{name}: {made!r} is not an Optuna {name}")
        return None
    return made
