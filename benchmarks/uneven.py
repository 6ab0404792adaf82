"""Job that takes a searched number of seconds, for benchmarks/workers.py."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore


@dataclass
class Config:
    """Config of the job.

    Attributes:
        seconds: How long the job takes; searched.
        times: The folder in which each job writes its start and end.
    """

    seconds: float = 1.0
    times: str = "???"


ConfigStore.instance().store(name="uneven", node=Config)


@hydra.main(version_base=None, config_path=None, config_name="uneven")
def main(config: Config) -> float:
    """Sleep, and write the start and the end to a file."""
    began = time.time()
    time.sleep(config.seconds)
    Path(config.times, f"{time.time_ns()}-{os.getpid()}").write_text(f"{began} {time.time()}")
    return abs(config.seconds - 2.5)


if __name__ == "__main__":
    main()
