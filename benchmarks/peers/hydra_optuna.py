"""Hydra's own Optuna sweeper, with MLflow's autologging.

The sweeper takes no params that were drawn before, and can't prune a job. Hydra's joblib launcher
runs its jobs in batches.
"""

import os
import sys
from pathlib import Path

import hydra
from mlflow import MlflowClient
from omegaconf import DictConfig


@hydra.main(version_base=None, config_path=".", config_name="hydra_optuna")
def main(config: DictConfig) -> float:
    """Train a trial."""
    import mlflow
    from common import Work, fit

    search = Work(Path(config.folder), config.trials, config.epochs, config.seed, config.prunes, 1)
    mlflow.set_tracking_uri(f"sqlite:///{search.folder}/mlflow.db")
    mlflow.tensorflow.autolog(log_models=False)
    names = ("learning_rate", "embedding_size", "units", "batch_size")
    number = hydra.core.hydra_config.HydraConfig.get().job.num
    return fit(search, {name: config[name] for name in names}, str(number), [])


if __name__ == "__main__":
    given = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    processes = int(given.pop("--processes"))
    given["--prunes"] = str(given["--prunes"] == "1").lower()
    launcher = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={processes}"]
    sys.argv[1:] = [
        "-m",
        *(f"{key.removeprefix('--')}={value}" for key, value in given.items()),
        f"hydra.sweeper.n_trials={given['--trials']}",
        f"hydra.sweeper.n_jobs={processes}",
        f"hydra.sweeper.sampler.seed={given['--seed']}",
        f"hydra.sweep.dir={given['--folder']}/multirun",
        *launcher,
    ]
    os.chdir(given["--folder"])
    MlflowClient("sqlite:///mlflow.db").search_experiments()  # makes the tables, once
    main()
