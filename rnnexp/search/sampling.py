"""Sampling of trials: draw params by conditions, and draw again what was tried before."""

from collections.abc import Iterator
from random import Random
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from rnnexp.search.dimension import Params
from rnnexp.search.space import Space

ATTEMPTS = 20  # draws of the sampler, at least 1
LISTABLE = 100_000  # points that are listed in well under a second


def ask(study: optuna.Study, space: Space) -> Trial:
    """Begin a new trial, with a value of every dimension that applies, and of no other.

    Returns:
        The trial.
    """
    trial = study.ask()
    complete(trial, space)
    return trial


def complete(trial: Trial, space: Space) -> None:
    """Draw the params that a trial lacks; a trial whose sweep died early may lack some."""
    for dimension in space.dimensions:
        if dimension.applies(trial.params):
            _suggest(trial, dimension.key, dimension.distribution)


def _suggest(trial: Trial, key: str, distribution: BaseDistribution) -> None:
    # `Study.ask` takes all distributions at once, before any condition can be evaluated.
    match distribution:
        case CategoricalDistribution(choices=choices):
            trial.suggest_categorical(key, choices)
        case IntDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_int(key, low, high, step=step, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_float(key, low, high, step=step, log=log)


class DistinctSampler(BaseSampler):
    """Lets a sampler draw again while it draws params that the study has already tried.

    If the sampler still draws tried params after some attempts, untried params are drawn at random.

    Args:
        sampler: The sampler that draws.
        space: The search space.
        seed: Seed of the draw among untried params.
    """

    def __init__(self, sampler: BaseSampler, space: Space, seed: int = 0) -> None:
        self._sampler = sampler
        self._space = space
        self._random = Random(seed)  # noqa: S311
        self._uniform = RandomSampler(seed)

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Return the whole search space, so that params can be compared as a whole."""
        return {k: d for k, d in self._space.distributions.items() if not d.single()}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Draw params that were not tried, if there are any left."""
        params = self._untried(study, trial)
        return {key: value for key, value in params.items() if key in search_space}

    def _untried(self, study: optuna.Study, trial: FrozenTrial) -> Params:
        tried = {frozenset(params.items()) for params in tried_params(study, trial.number)}
        enqueued: Params = trial.system_attrs.get("fixed_params", {}) | trial.params
        for _ in range(ATTEMPTS):
            drawn = self._draw(self._sampler, study, trial, enqueued)
            if frozenset(drawn.items()) not in tried:
                return drawn
        if self._space.size is None or self._space.size > LISTABLE:
            return self._draw(self._uniform, study, trial, enqueued)
        points = self._space.points(enqueued)
        untried = [params for params in points if frozenset(params.items()) not in tried]
        return self._random.choice(untried) if untried else drawn

    def _draw(
        self, sampler: BaseSampler, study: optuna.Study, trial: FrozenTrial, enqueued: Params
    ) -> Params:
        """Draw params of all dimensions that apply, including those with a single value."""
        together = sampler.infer_relative_search_space(study, trial)
        given = sampler.sample_relative(study, trial, together) | enqueued
        params: Params = {}
        for d in self._space.dimensions:
            if not d.applies(params):
                continue
            if d.key in given:
                params[d.key] = given[d.key]
            elif d.distribution.single():
                params[d.key] = d.probes()[0]
            else:
                params[d.key] = sampler.sample_independent(study, trial, d.key, d.distribution)
        return params

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Call the wrapped sampler."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Call the wrapped sampler."""
        self._sampler.reseed_rng()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Call the wrapped sampler."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Any,
    ) -> None:
        """Call the wrapped sampler."""
        self._sampler.after_trial(study, trial, state, values)


def tried_params(study: optuna.Study, before: int | None = None) -> Iterator[Params]:
    """Yield the params of a study's trials, whatever their state is.

    Args:
        study: The study.
        before: The number of the first trial to leave out; None for all trials.
    """
    for trial in study.get_trials(deepcopy=False):
        if before is None or trial.number < before:
            yield trial.params
