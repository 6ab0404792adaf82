"""An application whose first job dies with its Dask worker before its run's id is stored."""

import os
import signal
import sqlite3
from pathlib import Path

import hydra
from omegaconf import DictConfig

from rnnexp.storage.schema import TrialAttrs


@hydra.main(version_base="1.3", config_path="../../docs/examples", config_name="app")
def main(config: DictConfig) -> float:
    """Return x; the first job takes the time back to when its run had just been created."""
    mark = Path(config.mark)
    if not mark.exists():
        mark.touch()
        with sqlite3.connect(mark.parent / "optuna.db") as database:
            database.execute(
                "DELETE FROM trial_user_attributes WHERE key = ?", (TrialAttrs.RUN_ID,)
            )
        for process in (os.getppid(), os.getpid()):
            os.kill(process, signal.SIGKILL)
    return float(config.x)


if __name__ == "__main__":
    main()
