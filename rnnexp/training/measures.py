"""What is measured of a model before it is trained: its size, and how long a prediction takes."""

import time
from statistics import median
from typing import TYPE_CHECKING

import optuna
from omegaconf import DictConfig

from rnnexp.constraints import LATENCY, PARAMETERS
from rnnexp.data import Dataset
from rnnexp.execution.current_trial import CurrentTrial
from rnnexp.objectives_in_config import objectives_in

if TYPE_CHECKING:
    import keras

PREDICTIONS = 20


def measure(
    config: DictConfig, model: "keras.Model", dataset: Dataset, trial: CurrentTrial
) -> None:
    """Measure a model, and end the trial if a constraint is broken, since no epoch can change that.

    The latency is measured only where an objective or a constraint is on it, as it takes a while.

    Args:
        config: The whole config.
        model: The model, built and compiled.
        dataset: The data.
        trial: The trial, which keeps what is measured.

    Raises:
        optuna.TrialPruned: If a constraint is broken.
    """
    trial.measure(**{PARAMETERS: float(model.count_params())})
    if LATENCY in objectives_in(config).names and LATENCY not in trial.measures:
        trial.measure(**{LATENCY: latency(model, dataset)})
    if not trial.reported and (reason := trial.broken()):
        raise optuna.TrialPruned(f"not trained: {reason}")


def latency(model: "keras.Model", dataset: Dataset) -> float:
    """Return the seconds that the prediction of one row takes, the median of some."""
    row = dataset.train().x[:1]
    model.predict_on_batch(row)  # which compiles
    taken = []
    for _ in range(PREDICTIONS):
        began = time.perf_counter()
        model.predict_on_batch(row)
        taken.append(time.perf_counter() - began)
    return median(taken)
