"""A job that takes a searched time and notes when; for benchmarks/workers.py."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore


@dataclass
class Config:
    """What is searched: ``seconds``; ``notes`` is where the times are written."""

    seconds: float = 1.0
    notes: str = "???"


ConfigStore.instance().store(name="uneven", node=Config)


@hydra.main(version_base=None, config_path=None, config_name="uneven")
def main(config: Config) -> float:
    """Work for so long."""
    began = time.time()
    time.sleep(config.seconds)
    Path(config.notes, f"{time.time_ns()}-{os.getpid()}").write_text(f"{began} {time.time()}")
    return abs(config.seconds - 2.5)


if __name__ == "__main__":
    main()
