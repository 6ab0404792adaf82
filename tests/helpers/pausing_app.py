"""A slow version of docs/examples/app.py, which goes on after a pause; with ``anew`` it can't."""

import random
import time

import hydra
import optuna
from omegaconf import DictConfig

import rnnexp


@hydra.main(version_base="1.3", config_path="../../docs/examples", config_name="app")
def main(config: DictConfig) -> float:
    """Approach a level that depends on x; a job that starts anew has noise of its own."""
    trial = rnnexp.current_trial()
    first = 0 if config.get("anew") else len(trial.reported)
    noise = random.uniform(0, 1e-6) if config.get("anew") else 0.0  # noqa: S311
    error = trial.reported[first - 1] if first else 1.0
    for step in range(first, config.steps):
        time.sleep(config.get("seconds", 0.0))
        error += config.rate * (config.floor + (config.x - 3) ** 2 - error)
        trial.report(error + noise, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return error


if __name__ == "__main__":
    main()
