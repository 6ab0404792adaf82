"""An application without Keras that hangs on demand, where no signal is handled."""

import ctypes

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="../../docs/examples", config_name="app")
def main(config: DictConfig) -> float:
    if config.x == config.get("hang"):
        ctypes.PyDLL(None).sleep(600)  # in C, with Python's lock
    return float(config.x)


if __name__ == "__main__":
    main()
