"""The files of conf/ that no other test chooses: the pruners."""

from collections.abc import Callable

import optuna
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig
from optuna.trial import TrialState

from rnnexp.pruning import EarlyStoppingPruner
from tests.helpers.commands import ROOT

WEAK = [0.9, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 1.0]
GOOD = [0.5, 0.4, 0.3, 0.2, 0.15, 0.12, 0.11, 0.1]


def run(study: optuna.Study, values: list[float]) -> TrialState:
    """Run a trial with these values, and return its state."""
    trial = study.ask()
    for epoch, value in enumerate(values):
        trial.report(value, epoch)
        if trial.should_prune():
            return study.tell(trial, state=TrialState.PRUNED).state
    return study.tell(trial, values[-1]).state


def is_pruned(pruner: optuna.pruners.BasePruner, values: list[float]) -> bool:
    """Return whether any of six trials with these values is pruned, after twelve good trials."""
    study = optuna.create_study(study_name="s", pruner=pruner)
    for _ in range(12):
        run(study, GOOD)
    return TrialState.PRUNED in {run(study, values) for _ in range(6)}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("name", "weak", "diverged"),
    [
        ("early_stopping", True, True),
        ("median", True, True),
        ("percentile", True, True),
        ("halving", True, True),
        ("hyperband", True, True),
        ("wilcoxon", True, True),
        ("threshold", False, True),
        ("none", False, False),
    ],
)
def test_every_pruner(
    composed: Callable[..., DictConfig], name: str, weak: bool, diverged: bool
) -> None:
    def pruner() -> optuna.pruners.BasePruner:
        made: optuna.pruners.BasePruner = instantiate(
            composed(f"pruner={name}", "fit.epochs=8").pruner
        )
        return made

    assert is_pruned(pruner(), WEAK) is weak
    assert is_pruned(pruner(), [1e4 * value for value in WEAK]) is diverged
    assert not is_pruned(pruner(), [value - 0.1 for value in GOOD])


def test_the_default_prunes_in_the_manner_of_early_stopping(
    composed: Callable[..., DictConfig],
) -> None:
    assert isinstance(instantiate(composed().pruner), EarlyStoppingPruner)


@pytest.mark.parametrize(
    ("overrides", "patience"),
    [([], 1), (["pruner=none"], None), (["pruner=none", "hydra.sweeper.pausing={patience:2}"], 2)],
)
def test_without_a_pruner_no_trial_pauses(overrides: list[str], patience: int | None) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=overrides, return_hydra_config=True)
    pausing = config.hydra.sweeper.pausing
    assert (pausing and pausing.patience) == patience
