"""The check of a sampler and a pruner before trial 0: both are asked, on a study in memory."""

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.pruners import BasePruner

from rnnexp.errors import one_line
from rnnexp.objectives import Objectives, objectives_of_directions
from rnnexp.search.dimension import Params
from rnnexp.search.sampling import DistinctSampler, ask, reason_to_stop
from rnnexp.search.seeded_sampler import SeededSampler
from rnnexp.search.space import Space

TRIALS = 60  # Optuna's samplers draw at random first: TPE 10 times, NSGA-II 50 times
SECONDS = 0.5
# By the package that a sampler needs, this project's extra that installs it.
EXTRAS = {"cmaes": "cmaes", "optunahub": "optunahub", "torch": "gp"}


def sampler_problems(
    sampler: SeededSampler,
    pruner: BasePruner,
    space: Space,
    enqueued: Sequence[Params],
    n_trials: int | None,
    objectives: Objectives | None = None,
) -> list[str]:
    """Return why a sampler or a pruner would break, after asking it for trials.

    Args:
        sampler: The sampler; must not have drawn for another study if it keeps anything.
        pruner: The pruner.
        space: The search space.
        enqueued: The params to try first.
        n_trials: The number of trials that are wanted; None for no limit.
        objectives: What is searched; None for one objective.
    """
    searched = objectives or objectives_of_directions(["minimize"])
    directions = [each.direction for each in searched.all]
    if problems := _limit_problems(sampler, space):
        return problems
    with _quiet():
        study = optuna.create_study(
            sampler=DistinctSampler(sampler, space), pruner=pruner, directions=directions
        )
        for params in enqueued:
            study.enqueue_trial(params, skip_if_exists=True)
        end = time.monotonic() + SECONDS
        for number in range(min(n_trials or TRIALS, TRIALS)):
            if time.monotonic() > end or reason_to_stop(study, space):
                break
            if problem := _trial_problem(study, space, sampler.name, number):
                return [problem]
    return []


def _trial_problem(study: optuna.Study, space: Space, name: str, number: int) -> str | None:
    part, step = "sampler", f"{name} can't draw trial {number}"
    try:
        trial = ask(study, space)
        pruner = study.pruner
        part, step = "pruner", f"{type(pruner).__name__} can't judge trial {number}"
        for epoch in range(2):
            # As jobs do it: Optuna's own methods refuse several objectives.
            value = 1 / (1 + number + epoch)
            trial.storage.set_trial_intermediate_value(trial._trial_id, epoch, value)
            pruner.prune(study, trial.storage.get_trial(trial._trial_id))
        part, step = "sampler", f"{name} can't end trial {number}"
        study.tell(trial, [1 / (1 + number)] * len(study.directions))
    except ImportError as error:
        return f"hydra.sweeper.{part}: {step}: {_import_problem(error)}"
    except Exception as error:  # whatever a sampler or a pruner raises
        return f"hydra.sweeper.{part}: {step}: {one_line(error)}"
    return None


def _import_problem(error: ImportError) -> str:
    cause: BaseException | None = error
    while cause and not getattr(cause, "name", None):
        cause = cause.__cause__ or cause.__context__
    package = getattr(cause, "name", None)
    if not package:
        return f"{one_line(error)}; install the package, or choose another"
    extra = EXTRAS.get(package)
    wanted = f"'rnnexp[{extra}]'" if extra else package
    return f"the package {package} is missing; install it (pip install {wanted})"


def _limit_problems(sampler: SeededSampler, space: Space) -> list[str]:
    """Find what a grid, or fixed params, have that the search space lacks, and the reverse."""
    key_of = "hydra.sweeper.sampler." + ("search_space" if sampler.is_grid else "fixed_params")
    searched = ", ".join(space.by_key)
    problems = [
        f"{key_of}: {key} is not searched; searched are {searched}"
        for key in sampler.limits
        if key not in space.by_key
    ]
    problems += [
        f"{key_of}: {d.key}={value} is outside of {d.grammar}"
        for d in space.dimensions
        for value in sampler.limits.get(d.key, ())
        if not d.holds(value)
    ]
    if sampler.is_grid:
        problems += [
            f"{key_of}: the grid has no values of {d.key}, which is searched; add them, or give "
            f"{d.key} one value on the command line"
            for d in space.dimensions
            if not sampler.limits.get(d.key)
        ]
    return problems


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna, which logs and warns again in the study itself."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(level)
