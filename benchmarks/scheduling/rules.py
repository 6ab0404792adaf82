"""The rules that are compared: a pruner, and the settings of pausing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf
from optuna.pruners import BasePruner

from hydra_plugins.rnnexp.sweeper import SweeperConf
from rnnexp.pausing import Pausing

CONF = Path(__file__).parents[2] / "conf"
TODAY = "pruning, the default rule"


@dataclass(frozen=True)
class Rule:
    """How trials end early.

    Attributes:
        pruner: The name of a file in conf/pruner.
        changes: Arguments of the pruner that are not those of the file.
        pausing: Settings of pausing that are not those of conf/config.yaml; None if trials are
            pruned for good.
        keep: The number of trials that are paused at most.
    """

    pruner: str = "early_stopping"
    changes: Mapping[str, Any] = field(default_factory=dict)
    pausing: Mapping[str, Any] | None = None
    keep: int = SweeperConf.keep_paused

    def make_pruner(self, epochs: int) -> BasePruner:
        """Make the pruner.

        Args:
            epochs: The most epochs of a trial.
        """
        file = OmegaConf.load(CONF / "pruner" / f"{self.pruner}.yaml")
        own = file.get("pruner", file)  # none.yaml sets more than the pruner
        config = OmegaConf.merge({"fit": {"epochs": epochs}, "pruner": own}, {})
        pruner: BasePruner = instantiate(config.pruner, **self.changes)
        return pruner

    def make_pausing(self, epochs: int) -> Pausing | None:
        """Make the settings of pausing; None if trials are pruned for good.

        Args:
            epochs: The most epochs of a trial.
        """
        if self.pausing is None:
            return None
        file: Any = OmegaConf.load(CONF / "config.yaml")
        settings = OmegaConf.create({"fit": {"epochs": epochs}, "own": file.hydra.sweeper.pausing})
        own: Any = OmegaConf.to_container(settings.own, resolve=True)
        return Pausing.of(own | self.pausing)


HALVING = {"min_resource": 1, "reduction_factor": 3}
RULES = {
    "no pruning": Rule("none"),
    TODAY: Rule(),
    "pausing, the default": Rule(pausing={}),
    "pausing, 20 paused trials kept": Rule(pausing={}, keep=20),
    "pausing, patience 2, epochs null": Rule(pausing={"patience": 2, "epochs": None}),
    "pausing, patience null": Rule(pausing={"patience": None}),
    "pausing, idle_epochs 2": Rule(pausing={"idle_epochs": 2}),
    "pausing, seconds 2": Rule(pausing={"seconds": 2}),
    "pausing, epochs 1": Rule(pausing={"epochs": 1}),
    "pausing, by successive halving": Rule("halving", HALVING, {"patience": None, "epochs": None}),
    "successive halving, factor 3": Rule("halving", HALVING),
    "hyperband": Rule("hyperband"),
    "median": Rule("median", {"n_warmup_steps": 0}),
}
