"""Optuna with its callbacks for Keras and MLflow, in as many processes as there are cores.

Optuna's documentation recommends processes that share a storage ("Easy Parallelization").
``KerasPruningCallback`` prunes trials by Optuna's default, the median.
"""

import subprocess
import sys

import optuna
from common import Work, fit, work
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from optuna_integration import KerasPruningCallback, MLflowCallback
from space import CHOICES, LEARNING_RATES, drawn

STUDY = "peer"


def storage(search: Work) -> JournalStorage:
    """Open the storage that the processes share."""
    return JournalStorage(JournalFileBackend(str(search.folder / "optuna.log")))


def mlflow_uri(search: Work) -> str:
    """Return the URI of MLflow's store."""
    return f"sqlite:///{search.folder}/mlflow.db"


def objective(search: Work, trial: optuna.Trial) -> float:
    """Train a trial."""
    params = {"learning_rate": trial.suggest_float("learning_rate", *LEARNING_RATES, log=True)}
    params |= {key: trial.suggest_categorical(key, values) for key, values in CHOICES.items()}
    prune = [KerasPruningCallback(trial, "val_loss")] if search.prunes else []
    return fit(search, params, str(trial.number), prune)


def optimize(search: Work, number: int) -> None:
    """Run trials until the study has enough of them."""
    sampler = optuna.samplers.TPESampler(seed=search.seed + number)
    study = optuna.load_study(study_name=STUDY, storage=storage(search), sampler=sampler)
    log = MLflowCallback(tracking_uri=mlflow_uri(search), metric_name="val_loss")
    begun = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)  # not what is enqueued
    enough = optuna.study.MaxTrialsCallback(search.trials, states=begun)
    study.optimize(lambda trial: objective(search, trial), callbacks=[log, enough])


if __name__ == "__main__":
    search = work()
    if "--process" in sys.argv:
        optimize(search, int(sys.argv[-1]))
    else:
        study = optuna.create_study(study_name=STUDY, storage=storage(search))
        MlflowClient(mlflow_uri(search)).search_experiments()  # makes the tables, once
        if not search.prunes:
            for params in drawn(search.trials, search.seed):
                study.enqueue_trial(params)
        command = [sys.executable, *sys.argv, "--process"]
        others = [subprocess.Popen([*command, str(n)]) for n in range(search.processes)]
        sys.exit(max(other.wait() for other in others))
