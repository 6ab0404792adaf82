"""What is wrong with a sampler or a pruner, found by asking it on a study in memory."""

from typing import Any

import pytest
from hydra.utils import instantiate
from optuna.pruners import NopPruner
from optuna.samplers import RandomSampler

from rnnexp.search.sampler_check import sampler_problems
from rnnexp.search.seeded_sampler import SeededSampler
from rnnexp.search.space import parse

SPACE = ["a=interval(0,1)", "b=choice(x,y)"]


class Broken(RandomSampler):
    """Breaks at its third trial."""

    def before_trial(self, study: Any, trial: Any) -> None:  # noqa: ARG002
        if trial.number == 2:
            raise KeyError("no third trial")


class NeedsAPackage(RandomSampler):
    """Needs a package after its first trials, as CMA-ES needs cmaes."""

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:  # noqa: ARG002
        if trial.number == 11:
            import no_such_package  # noqa: F401  # type: ignore[import-not-found]


class NeedsAnExtra(RandomSampler):
    """Draws with a package that an extra of this project installs, as a Gaussian process does."""

    def before_trial(self, study: Any, trial: Any) -> None:  # noqa: ARG002
        if trial.number == 1:
            raise ImportError("No module named 'torch'", name="torch")


class BrokenPruner(NopPruner):
    """Can't judge any trial."""

    def prune(self, study: Any, trial: Any) -> bool:  # noqa: ARG002
        raise ZeroDivisionError("division by zero")


def grid(**values: list[object]) -> dict[str, Any]:
    return {"_target_": "optuna.samplers.GridSampler", "search_space": values}


HERE = "tests.search.test_sampler_check"
RANDOM = {"_target_": "optuna.samplers.RandomSampler", "seed": 0}
NONE = {"_target_": "optuna.pruners.NopPruner"}


@pytest.mark.parametrize(
    ("sampler", "pruner", "problem"),
    [
        (RANDOM, NONE, None),
        ({"_target_": "optuna.samplers.TPESampler", "seed": 0, "multivariate": True}, NONE, None),
        ({"_target_": "optuna.samplers.QMCSampler", "seed": 0}, NONE, None),
        ({"_target_": "optuna.samplers.NSGAIIISampler", "population_size": 4}, NONE, None),
        (grid(a=[0.1, 0.2], b=["x"]), NONE, None),
        (grid(a=[0.1]), NONE, "the grid has no values of b, which is searched; add them"),
        (grid(a=[0.1], b=["z"]), NONE, "search_space: b=z is outside of choice(x,y)"),
        (grid(a=[0.1], b=["x"], c=[1]), NONE, "c is not searched; searched are a, b"),
        (
            {"_target_": "optuna.samplers.PartialFixedSampler", "fixed_params": {"b": "z"},
             "base_sampler": RANDOM},
            NONE,
            "hydra.sweeper.sampler.fixed_params: b=z is outside of choice(x,y)",
        ),
        (
            {"_target_": "optuna.samplers.BruteForceSampler"},
            NONE,
            "hydra.sweeper.sampler: BruteForceSampler can't draw trial 0: "
            "FloatDistribution.step must be given",
        ),
        ({"_target_": "optuna.samplers.CmaEsSampler", "seed": 0}, NONE, None),
        (
            {"_target_": f"{HERE}.NeedsAnExtra"},
            NONE,
            "NeedsAnExtra can't draw trial 1: the package torch is missing; install it "
            "(pip install 'rnnexp[gp]')",
        ),
        (
            {"_target_": f"{HERE}.NeedsAPackage"},
            NONE,
            "NeedsAPackage can't end trial 11: the package no_such_package is missing",
        ),
        ({"_target_": f"{HERE}.Broken"}, NONE, "Broken can't draw trial 2: 'no third trial'"),
        (
            RANDOM,
            {"_target_": f"{HERE}.BrokenPruner"},
            "hydra.sweeper.pruner: BrokenPruner can't judge trial 0: division by zero",
        ),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_sampler_and_a_pruner_are_asked(
    sampler: dict[str, Any], pruner: dict[str, Any], problem: str | None
) -> None:
    space, _ = parse(SPACE)
    found = sampler_problems(SeededSampler(sampler), instantiate(pruner), space, [], 20)
    assert len(found) == (problem is not None)
    assert problem is None or problem in found[0]


def test_enqueued_params_are_asked_too() -> None:
    space, _ = parse(SPACE)
    sampler = SeededSampler(grid(a=[0.1, 0.2], b=["x"]))
    enqueued: list[dict[str, Any]] = [{"a": 0.3}, {"a": 0.2, "b": "x"}]
    assert sampler_problems(sampler, NopPruner(), space, enqueued, None) == []
