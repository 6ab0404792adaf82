"""Settings that come up again: drawn anew, or repeated with another seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from rnnexp.space import Space, Value

ATTEMPTS = 20  # at least 1
FEW = 100_000  # so many settings are looked through in well under a second


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
        tried = {frozenset(params.items()) for params in settings_of(study, trial.number)}
        enqueued = trial.system_attrs.get("fixed_params", {})
        single = {k: d.probes()[0] for k, d in self._space.by_key.items() if k not in search_space}

        def is_new(setting: Mapping[str, Value]) -> bool:
            return frozenset({**single, **setting, **enqueued}.items()) not in tried

        for _ in range(ATTEMPTS):
            drawn = self._draw(self._sampler, study, trial, search_space)
            if is_new(drawn):
                return drawn
        if self._space.size is None or self._space.size > FEW:
            return self._draw(self._uniform, study, trial, search_space)
        left = [setting for setting in self._space.settings() if is_new(setting)]
        chosen = self._random.choice(left) if left else drawn
        return {key: chosen[key] for key in search_space}

    @staticmethod
    def _draw(
        sampler: BaseSampler,
        study: optuna.Study,
        trial: FrozenTrial,
        space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        together = sampler.infer_relative_search_space(study, trial)
        drawn = sampler.sample_relative(study, trial, together)
        return {
            key: drawn[key]
            if key in drawn
            else sampler.sample_independent(study, trial, key, distribution)
            for key, distribution in space.items()
        }

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
