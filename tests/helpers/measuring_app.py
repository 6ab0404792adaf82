"""An application without Keras whose loss and size are its config, so that a test can give both."""

import hydra
from omegaconf import DictConfig

import rnnexp


@hydra.main(version_base="1.3", config_path="../../docs/examples", config_name="app")
def main(config: DictConfig) -> float:
    rnnexp.current_trial().measure(size=config.steps)
    return float(config.x)


if __name__ == "__main__":
    main()
