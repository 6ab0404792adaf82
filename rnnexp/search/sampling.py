"""Settings that come up again: drawn anew, or repeated with another seed."""

from collections.abc import Iterator
from dataclasses import dataclass
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

from rnnexp.search.dimension import Value
from rnnexp.search.space import Space

Setting = dict[str, Value]

ATTEMPTS = 20  # at least 1
FEW = 100_000  # so many settings are looked through in well under a second


def ask(study: optuna.Study, space: Space) -> Trial:
    """A new trial, with a value of every dimension that applies to it, and of no other."""
    trial = study.ask()
    complete(trial, space)
    return trial


def complete(trial: Trial, space: Space) -> None:
    """Draw what a trial lacks: all of a new one, the rest of one whose sweep died as it began."""
    for dimension in space.dimensions:
        if dimension.applies(trial.params):
            _suggest(trial, dimension.key, dimension.distribution)


def _suggest(trial: Trial, key: str, distribution: BaseDistribution) -> None:
    # `Study.ask` takes distributions, but all at once: a condition could not be looked at.
    match distribution:
        case CategoricalDistribution(choices=choices):
            trial.suggest_categorical(key, choices)
        case IntDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_int(key, low, high, step=step, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            trial.suggest_float(key, low, high, step=step, log=log)


class DistinctSampler(BaseSampler):
    """Lets a sampler draw again while it comes up with a setting that the study has already.

    If it insists, any setting that is left will do.

    Args:
        sampler: The sampler that draws.
        space: What is searched.
        seed: Of the choice among what is left.
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
        """All that is searched, so that a setting can be judged as a whole."""
        return {k: d for k, d in self._space.distributions.items() if not d.single()}

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """A setting that is new, if there is one."""
        setting = self._new_setting(study, trial)
        return {key: value for key, value in setting.items() if key in search_space}

    def _new_setting(self, study: optuna.Study, trial: FrozenTrial) -> Setting:
        tried = {frozenset(params.items()) for params in settings_of(study, trial.number)}
        enqueued: Setting = trial.system_attrs.get("fixed_params", {}) | trial.params
        for _ in range(ATTEMPTS):
            drawn = self._draw(self._sampler, study, trial, enqueued)
            if frozenset(drawn.items()) not in tried:
                return drawn
        if self._space.size is None or self._space.size > FEW:
            return self._draw(self._uniform, study, trial, enqueued)
        settings = self._space.settings(enqueued)
        left = [setting for setting in settings if frozenset(setting.items()) not in tried]
        return self._random.choice(left) if left else drawn

    def _draw(
        self, sampler: BaseSampler, study: optuna.Study, trial: FrozenTrial, enqueued: Setting
    ) -> Setting:
        """A whole setting, with what can have one value only."""
        together = sampler.infer_relative_search_space(study, trial)
        given = sampler.sample_relative(study, trial, together) | enqueued
        setting: Setting = {}
        for d in self._space.dimensions:
            if not d.applies(setting):
                continue
            if d.key in given:
                setting[d.key] = given[d.key]
            elif d.distribution.single():
                setting[d.key] = d.probes()[0]
            else:
                setting[d.key] = sampler.sample_independent(study, trial, d.key, d.distribution)
        return setting

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Leave it to the sampler."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Leave it to the sampler."""
        self._sampler.reseed_rng()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Leave it to the sampler."""
        self._sampler.before_trial(study, trial)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Any,
    ) -> None:
        """Leave it to the sampler."""
        self._sampler.after_trial(study, trial, state, values)


@dataclass(frozen=True)
class OtherSeeds:
    """How a setting that comes up again is told from the first.

    Attributes:
        key: Config key of the seed.
        first: The seed of every setting's first trial.
    """

    key: str
    first: int

    def override(self, repeat: int) -> str:
        """For the first repeat (1), and so on, one more than for the one before."""
        return f"{self.key}={self.first + repeat}"


def settings_of(study: optuna.Study, before: int | None = None) -> Iterator[dict[str, Value]]:
    """The settings of a study's trials, whatever became of them; of those before a number."""
    for trial in study.get_trials(deepcopy=False):
        if before is None or trial.number < before:
            yield trial.params
