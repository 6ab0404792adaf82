"""What a sampler needs to know of the search space, and what of the space it can't draw."""

from collections.abc import Mapping
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.pruners import BasePruner, NopPruner

from rnnexp.objectives import Objectives
from rnnexp.pruning import EarlyStoppingPruner
from rnnexp.search.space import Space

_OPTUNA = "optuna.samplers."
# By their methods, these draw params that all trials have. Others are drawn at random.
WITHOUT_CONDITIONS = ("CmaEsSampler", "GPSampler", "NSGAIISampler", "NSGAIIISampler")
NUMBERS_ALONE = ("CmaEsSampler", "QMCSampler")
KNOW_CONSTRAINTS = ("TPESampler", "GPSampler", "NSGAIISampler", "NSGAIIISampler")
ALL_VALUES = ("BruteForceSampler", "GridSampler")
FOR_CONDITIONS = "sampler=tpe, random or bruteforce"


def for_space(config: Mapping[str, Any], space: Space, *, is_single: bool = True) -> dict[str, Any]:
    """Return a sampler's config with what it leaves to the search space.

    A grid without values has those of the space. TPE draws the params of each group that appears
    under the same conditions together, where there are conditions.

    Args:
        config: ``_target_`` and the arguments of the sampler, resolved.
        space: The search space.
        is_single: Whether there is one objective.
    """
    name = _name(config)
    if name == "GridSampler" and config.get("search_space") is None:
        values = {d.key: d.values() for d in space.dimensions}
        countable = {key: list(of_key) for key, of_key in values.items() if of_key is not None}
        return {**config, "search_space": countable}
    is_grouping = "group" not in config and config.get("multivariate") is not False
    if name == "TPESampler" and is_grouping and _has_conditions(space):
        # With several objectives, TPE draws each param by itself unless it is told otherwise.
        return {**config, "group": True} | ({} if is_single else {"multivariate": True})
    return dict(config)


def pruner_problems(pruner: BasePruner, objectives: Objectives) -> list[str]:
    """Return why a pruner can't judge trials of several objectives; empty if it can.

    Args:
        pruner: The pruner.
        objectives: What is searched.
    """
    if not objectives.others or isinstance(pruner, EarlyStoppingPruner | NopPruner):
        return []
    return [
        f"hydra.sweeper.pruner: {type(pruner).__name__} compares trials by one objective, here are "
        f"{len(objectives.all)} ({objectives}); choose pruner=early_stopping or none"
    ]


def unknown_constraints(config: Mapping[str, Any], objectives: Objectives) -> str:
    """Return that a sampler does not learn from constraints; empty if it does, or there are none.

    Args:
        config: ``_target_`` and the arguments of the sampler, resolved.
        objectives: What is searched.
    """
    name = _name(config)
    if not objectives.constraints or not name or name in KNOW_CONSTRAINTS:
        return ""
    return (
        f"{name} draws params without regard to constraints, of which the best trial breaks none; "
        "sampler=tpe, gp and nsgaii learn from them"
    )


def ability_problems(
    config: Mapping[str, Any], space: Space, objectives: Objectives | None = None
) -> list[str]:
    """Return what of a search a sampler can't do by its method; empty if there is nothing.

    Args:
        config: ``_target_`` and the arguments of the sampler, resolved.
        space: The search space.
        objectives: What is searched; None for one objective.
    """
    name, problems = _name(config), []
    if objectives and objectives.others and name == "CmaEsSampler":
        problems.append(
            f"hydra.sweeper.sampler: {name} searches by one objective, here are "
            f"{len(objectives.all)} ({objectives}); choose sampler=tpe, nsgaii or gp"
        )
    given = config.get("search_space") or {}  # of a grid
    endless = [d for d in space.dimensions if d.values() is None and d.key not in given]
    if name in ALL_VALUES and endless:
        texts = ", ".join(f"{d.key}={d.grammar}" for d in endless)
        problems.append(
            f"hydra.sweeper.sampler: {name} tries all values, of which there is no end ({texts}); "
            "give choices, such as choice(0.001,0.01), or a range with a step"
        )
    conditional = [f"{d.key}: {d}" for d in space.dimensions if d.condition]
    if name in WITHOUT_CONDITIONS and conditional:
        problems.append(
            f"hydra.sweeper.sampler: {name} would draw params with a condition at random "
            f"({'; '.join(conditional)}); leave the conditions out, or choose {FOR_CONDITIONS}"
        )
    if name in NUMBERS_ALONE and space.dimensions and not _numbers(space):
        choices = ", ".join(f"{d.key}={d.grammar}" for d in space.dimensions)
        problems.append(
            f"hydra.sweeper.sampler: {name} draws numbers of a range, and would draw all choices "
            f"at random ({choices}); give a range, such as range(16,128,16), or choose another"
        )
    return problems


def drawn_at_random(config: Mapping[str, Any], space: Space) -> list[str]:
    """Return the keys that a sampler draws at random, since its method is for numbers."""
    if _name(config) not in NUMBERS_ALONE:
        return []
    numbers = _numbers(space)
    return [d.key for d in space.dimensions if d.key not in numbers]


def _name(config: Mapping[str, Any]) -> str:
    """Return the name of a sampler of Optuna's; empty for one from elsewhere."""
    target = str(config.get("_target_"))
    return target.removeprefix(_OPTUNA) if target.startswith(_OPTUNA) else ""


def _has_conditions(space: Space) -> bool:
    return any(d.condition for d in space.dimensions)


def _numbers(space: Space) -> set[str]:
    """Return the keys of the ranges of numbers."""
    return {
        d.key for d in space.dimensions if not isinstance(d.distribution, CategoricalDistribution)
    }
