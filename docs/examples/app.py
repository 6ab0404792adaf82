"""Any Hydra application can be searched: `python app.py -m` minimizes a function of x."""

import hydra
import optuna
from omegaconf import DictConfig

import rnnexp


@hydra.main(version_base="1.3", config_path=".", config_name="app")
def main(config: DictConfig) -> float:
    """Approach a value that depends on x, step by step."""
    trial = rnnexp.current_trial()
    first = len(trial.reported)  # more than 0 if the trial goes on after a pause
    error = trial.reported[first - 1] if first else 1.0
    for step in range(first, config.steps):
        error += config.rate * (config.floor + (config.x - 3) ** 2 - error)
        trial.report(error, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return error


if __name__ == "__main__":
    main()
