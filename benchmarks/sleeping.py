"""Job that sleeps and reports epochs, for benchmarks/cluster.py."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore

import rnnexp


@dataclass
class Config:
    """Config of the job.

    Attributes:
        seconds: How long the job takes; searched.
        epochs: The number of epochs that it reports meanwhile.
        times: The folder in which each job writes its start and end.
    """

    seconds: float = 1.0
    epochs: int = 5
    times: str = "???"


ConfigStore.instance().store(name="sleeping", node=Config)


@hydra.main(version_base=None, config_path=None, config_name="sleeping")
def main(config: Config) -> float:
    """Sleep, report an epoch, and so on; write the start and the end to a file."""
    trial, began = rnnexp.current_trial(), time.time()
    for epoch in range(config.epochs):
        time.sleep(config.seconds / config.epochs)
        trial.report(abs(config.seconds - 2.5) + 1 / (epoch + 1), epoch)
        trial.should_prune()  # as a training does; the job goes on whatever the answer is
    Path(config.times, f"{time.time_ns()}-{os.getpid()}").write_text(f"{began} {time.time()}")
    return abs(config.seconds - 2.5)


if __name__ == "__main__":
    main()
