"""Optuna's samplers, seeded anew for each trial, so that a resumed study continues its stream."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hydra.utils import instantiate
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

_OPTUNA = "optuna.samplers."
Limits = Mapping[str, Sequence[Any]]


class SeededSampler(BaseSampler):
    """A sampler whose draws follow from its seed, the trial's number and the study's trials.

    Optuna's samplers keep in the study what they need, apart from the state of their random
    numbers, which a new process begins anew. Here each trial gets a sampler with a seed of its own.
    A sampler class from elsewhere may have more state, so it is made once in a process, with the
    seed of the first trial that it draws for.

    Args:
        config: ``_target_`` and the arguments of the sampler, resolved.

    Attributes:
        name: The name of the sampler's class.
        seed: The seed in the config; None if it has none.
        limits: Values by searched key, if the sampler draws no others: a grid, or fixed params.
        is_grid: Whether the sampler draws each point of a grid once.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        target = str(config.get("_target_"))
        self.name = target.rpartition(".")[2]
        self.seed = config.get("seed")
        self.is_grid = target.startswith(_OPTUNA) and self.name == "GridSampler"
        fixed = config.get("fixed_params") or {}
        self.limits: Limits = (
            config.get("search_space") or {}
            if self.is_grid
            else {key: [value] for key, value in fixed.items()}
        )
        self._config = config
        self._is_made_for_each_trial = target.startswith(_OPTUNA) and seeded(config, 0) != config
        self._number: int | None = None  # of the trial that the sampler was made for
        self._sampler = self._make(config)

    @staticmethod
    def _make(config: Mapping[str, Any]) -> BaseSampler:
        with warnings.catch_warnings():  # half of Optuna's samplers are experimental
            warnings.simplefilter("ignore", ExperimentalWarning)
            made: BaseSampler = instantiate(config)
            return made

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if self._number is None or (self._is_made_for_each_trial and self._number != trial.number):
            self._number = trial.number
            self._sampler = self._make(seeded(self._config, trial.number))
        return self._sampler

    def infer_relative_search_space(
        self, study: Any, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Call the trial's sampler."""
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Call the trial's sampler."""
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Call the trial's sampler."""
        sampler = self._of(trial)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Any, trial: FrozenTrial) -> None:
        """Call the trial's sampler."""
        if not self.is_grid:  # a grid needs no number of a point, see `DistinctSampler`
            self._of(trial).before_trial(study, trial)

    def after_trial(self, study: Any, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """Call any trial's sampler, since the study has all that is needed."""
        if not self.is_grid:
            self._sampler.after_trial(study, trial, state, values)

    def reseed_rng(self) -> None:
        """Do nothing, since the seed follows from the trial's number."""


def seed_of_trial(seed: int, number: int) -> int:
    """Return the seed of a trial, below 2**32, from the study's seed and the trial's number."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1)[0])


def seeded(config: Any, number: int) -> Any:
    """Return a sampler's config with the seeds of a trial, also of samplers inside it.

    Args:
        config: ``_target_`` and the arguments of the sampler.
        number: The trial's number.
    """
    if isinstance(config, list):
        return [seeded(item, number) for item in config]
    if not isinstance(config, Mapping):
        return config
    changed = {key: seeded(value, number) for key, value in config.items()}
    seed = config.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or "_target_" not in config:
        return changed
    own = seed_of_trial(seed, number)
    if not str(config["_target_"]).endswith("QMCSampler"):
        return changed | {"seed": own}
    # The sequence is that of the seed, and its position is in the study.
    random = {"_target_": f"{_OPTUNA}RandomSampler", "seed": own}
    return changed | {"independent_sampler": changed.get("independent_sampler") or random}
