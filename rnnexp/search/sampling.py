"""Sampling of trials: draw params by conditions, and draw again what was tried before."""

import math
from collections.abc import Collection, Container, Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
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

from rnnexp.objectives import Objectives
from rnnexp.search.dimension import Params
from rnnexp.search.seeded_sampler import Limits, SeededSampler, seed_of_trial
from rnnexp.search.space import Space
from rnnexp.search.space_change import SearchedTrials
from rnnexp.storage.optuna_store import is_paused, objectives_of, replaced, values_of
from rnnexp.trial_reader import TrialReader

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
    if isinstance(trial.study.sampler, DistinctSampler):
        trial.study.sampler.study = trial.study
    for dimension in space.dimensions:
        if dimension.applies(trial.params):
            _suggest(trial, dimension.key, dimension.stored or dimension.distribution)


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

    If the sampler still draws tried params after some attempts, untried params are drawn at random,
    within the limits of the sampler. The points of a grid are all drawn in this way.

    Args:
        sampler: The sampler that draws.
        space: The search space.
        seed: Seed of the draw among untried params; None for that of a `SeededSampler`, else 0.
        has_changed: Whether the study has trials of another search space.

    Attributes:
        drawable: The search space, with no other values than the sampler draws.
        is_stopped: Whether the sampler has stopped the study.
        searched: What the sampler learns from, if not from all trials.
    """

    def __init__(
        self,
        sampler: BaseSampler,
        space: Space,
        seed: int | None = None,
        *,
        has_changed: bool = False,
    ) -> None:
        self._sampler = sampler
        self._space = space
        self.searched = SearchedTrials(space) if has_changed else None
        self._is_grid = isinstance(sampler, SeededSampler) and sampler.is_grid
        self._seed = seed or (sampler.seed if isinstance(sampler, SeededSampler) else 0) or 0
        self.drawable = within(space, sampler.limits if isinstance(sampler, SeededSampler) else {})
        self.is_stopped = False
        self._tried: _TriedParams | None = None
        self.study: optuna.Study | None = None  # whole; a pruner may hand over a part of its trials

    def reason_to_stop(self, study: optuna.Study) -> str:
        """Return why the sampler draws no more; empty if it does."""
        name = self._sampler.name if isinstance(self._sampler, SeededSampler) else "the sampler"
        if self.is_stopped:
            return f"{name} has no more params to try"
        if is_exhausted(study, self.drawable):
            where = "of the search space" if self.drawable is self._space else f"of {name}"
            return f"all {self.drawable.size} params {where} have been tried"
        return ""

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Return the whole search space, so that params can be compared as a whole."""
        stored = {d.key: d.stored or d.distribution for d in self._space.dimensions}
        return {key: d for key, d in stored.items() if not d.single()}

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
        tried = self._tried_in(self.study or study).before(trial.number)
        enqueued: Params = trial.system_attrs.get("fixed_params", {}) | trial.params
        if not self._is_grid:
            for _ in range(ATTEMPTS):
                drawn = self._draw(self._sampler, self._space, self._that_stops(study), trial)
                if frozenset(drawn.items()) not in tried:
                    return drawn
        seed = seed_of_trial(self._seed, trial.number)
        if self.drawable.size is not None and self.drawable.size <= LISTABLE:
            points = self.drawable.points(enqueued)
            untried = [params for params in points if frozenset(params.items()) not in tried]
            return Random(seed).choice(untried or points)  # noqa: S311
        uniform = RandomSampler(seed)
        for _ in range(ATTEMPTS):
            drawn = self._draw(uniform, self.drawable, study, trial)
            if frozenset(drawn.items()) not in tried:
                break
        return drawn

    def _tried_in(self, study: optuna.Study) -> "_TriedParams":
        if self._tried is None or self._tried.study is not study:
            self._tried = _TriedParams(study)
        return self._tried

    def _draw(self, sampler: BaseSampler, space: Space, study: Any, trial: FrozenTrial) -> Params:
        """Draw params of all dimensions that apply, including those with a single value."""
        enqueued: Params = trial.system_attrs.get("fixed_params", {}) | trial.params
        together = sampler.infer_relative_search_space(study, trial)
        given = sampler.sample_relative(study, trial, together) | enqueued
        drawn = copy(trial)  # what is drawn independently may depend on what was drawn before
        drawn.params, drawn.distributions = {}, {}
        for d in space.dimensions:
            if not d.applies(drawn.params):
                continue
            if d.key in given:
                value = given[d.key]
            elif d.distribution.single():
                value = d.probes()[0]
            else:
                value = sampler.sample_independent(study, drawn, d.key, d.distribution)
            drawn.distributions |= {d.key: d.distribution}
            drawn.params |= {d.key: value}
        return drawn.params

    def _that_stops(self, study: optuna.Study) -> "_Stoppable":
        return _Stoppable(study, self)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Call the wrapped sampler."""
        stoppable: Any = self._that_stops(study)
        return self._sampler.sample_independent(stoppable, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Call the wrapped sampler."""
        self._sampler.reseed_rng()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Call the wrapped sampler."""
        stoppable: Any = self._that_stops(study)
        self._sampler.before_trial(stoppable, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Any,
    ) -> None:
        """Call the wrapped sampler."""
        stoppable: Any = self._that_stops(study)
        self._sampler.after_trial(stoppable, trial, state, values)


class _TriedParams:
    """The params that a study has tried; those of an ended trial are read once.

    Args:
        study: The study, which may be a part of one that a pruner hands over.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self._reader = TrialReader(study)
        self._first: dict[frozenset[Any], int] = {}  # the first ended trial with these params

    def before(self, number: int) -> Container[frozenset[Any]]:
        """Return the items of the params that the trials before a trial have."""
        for trial in self._reader.newly_ended():
            key = frozenset(trial.params.items())
            self._first[key] = min(trial.number, self._first.get(key, trial.number))
        running = {
            frozenset(trial.params.items())
            for trial in self._reader.unfinished
            if trial.number < number
        }
        return _Tried(self._first, running, number)


@dataclass(frozen=True)
class _Tried:
    """The params of all trials before one; see `_TriedParams`."""

    first: Mapping[frozenset[Any], int]
    running: Collection[frozenset[Any]]
    number: int

    def __contains__(self, params: object) -> bool:
        return params in self.running or self.first.get(params, self.number) < self.number  # type: ignore[call-overload]


class _Stoppable:
    """A study as a sampler sees it: it can be stopped, and its paused trials are pruned.

    Optuna's own study raises when it is stopped outside of `Study.optimize`. A paused trial is
    RUNNING in Optuna, and TPE takes running trials for bad ones (``constant_liar``), however good
    the values are that they have reported. Trials that a changed search space can't draw are left
    out.

    Args:
        study: The study.
        sampler: Keeps that the study was stopped.
    """

    def __init__(self, study: optuna.Study, sampler: DistinctSampler) -> None:
        self._stoppable = study
        self._keeper = sampler

    @cached_property
    def _objectives(self) -> Objectives:
        return objectives_of(self._stoppable)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stoppable, name)

    def stop(self) -> None:
        """Let no further trial begin."""
        self._keeper.is_stopped = True

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the study's trials, the paused ones as pruned at their last epoch."""
        return self._get_trials(deepcopy, states)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        """Return the same: the samplers call the method by this name."""
        stored = self._stoppable._get_trials(deepcopy, use_cache=use_cache)
        gone = replaced(stored)
        own = [trial for trial in stored if trial.number not in gone]
        if self._keeper.searched:
            own = self._keeper.searched.of(own)
        view = _paused_as_pruned if len(self._stoppable.directions) == 1 else self._with_values
        return [trial for trial in map(view, own) if states is None or trial.state in states]

    def _with_values(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a pruned or paused trial of several objectives as complete, with its values.

        Optuna's samplers can't compare such a trial by its last epoch, as they do with one
        objective.
        """
        if trial.state == TrialState.COMPLETE or not (
            is_paused(trial) or trial.state == TrialState.PRUNED
        ):
            return trial
        objectives = self._objectives
        named = values_of(trial, objectives)
        values = [named.get(each.monitor, math.nan) for each in objectives.all]
        seen = copy(trial)
        seen.state = TrialState.PRUNED
        seen.intermediate_values = {}
        if all(map(math.isfinite, values)):
            seen.state, seen.values = TrialState.COMPLETE, values
        return seen


def _paused_as_pruned(trial: FrozenTrial) -> FrozenTrial:
    if not is_paused(trial):
        return trial
    pruned = copy(trial)
    pruned.state = TrialState.PRUNED
    return pruned


def within(space: Space, limits: Limits) -> Space:
    """Return a search space with no other values than the given ones.

    Args:
        space: The search space.
        limits: Values by searched key; other keys keep all their values.
    """
    if not limits:
        return space
    return replace(
        space,
        dimensions=tuple(
            replace(d, distribution=CategoricalDistribution(tuple(limits[d.key])))
            if d.key in limits
            else d
            for d in space.dimensions
        ),
    )


def is_exhausted(study: optuna.Study, space: Space) -> bool:
    """Return whether a study has tried all points of a space that can be counted."""
    if space.size is None or len(study.get_trials(deepcopy=False)) < space.size:
        return False
    # A trial whose sweep died while params were drawn has some of them only.
    whole = (params for params in tried_params(study) if space.holds(params))
    return len({frozenset(params.items()) for params in whole}) >= space.size


def reason_to_stop(study: optuna.Study, space: Space) -> str:
    """Return why no further trial can be drawn; empty if one can.

    Args:
        study: The study.
        space: The search space.
    """
    if isinstance(study.sampler, DistinctSampler):
        return study.sampler.reason_to_stop(study)
    tried = f"all {space.size} params of the search space have been tried"
    return tried if is_exhausted(study, space) else ""


def tried_params(study: optuna.Study) -> Iterator[Params]:
    """Yield the params of a study's trials, whatever their state is."""
    for trial in study.get_trials(deepcopy=False):
        yield trial.params
