"""A version of docs/examples/app.py that can't go on: after a pause it starts anew, by chance."""

import random

import hydra
import optuna
from omegaconf import DictConfig

import rnnexp


@hydra.main(version_base="1.3", config_path="../../docs/examples", config_name="app")
def main(config: DictConfig) -> float:
    """Approach a level that depends on x, with noise that is different at each start."""
    trial = rnnexp.current_trial()
    error = 1.0
    for step in range(config.steps):
        error += config.rate * (config.floor + (config.x - 3) ** 2 - error)
        trial.report(error + random.uniform(0, 1e-6), step)  # noqa: S311
        if trial.should_prune():
            raise optuna.TrialPruned
    return error


if __name__ == "__main__":
    main()
