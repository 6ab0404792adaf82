"""A slow version of docs/examples/app.py, which leaves time to kill its sweep."""

import time

import hydra
from omegaconf import DictConfig

import rnnexp


@hydra.main(version_base="1.3", config_path="../../docs/examples", config_name="app")
def main(config: DictConfig) -> float:
    """Approach a level that depends on x."""
    trial = rnnexp.current_trial()
    error = 1.0
    for step in range(config.steps):
        time.sleep(config.get("seconds", 0.5))
        error = (config.x - 3) ** 2 + 1 / (step + 1)
        trial.report(error, step, metric="val_loss")
    return error


if __name__ == "__main__":
    main()
