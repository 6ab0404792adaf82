"""Ray Tune with OptunaSearch, its MLflow callback, and ASHA where trials may end early.

A trial has one core, so that there are as many at once as there are cores.
"""

from typing import Any

import keras
import ray
from common import Work, fit, work
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import ConcurrencyLimiter
from ray.tune.search.optuna import OptunaSearch
from space import CHOICES, LEARNING_RATES, drawn


class Report(keras.callbacks.Callback):
    """Reports every epoch to Ray, which may end the trial then."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report."""
        tune.report({"val_loss": float((logs or {})["val_loss"]), "epoch": epoch})


def trainable(params: dict[str, Any], search: Work) -> None:
    """Train a trial."""
    fit(search, params, tune.get_context().get_trial_id(), [Report()])


def main(search: Work) -> None:
    """Search."""
    ray.init(num_cpus=search.processes, include_dashboard=False)
    space: dict[str, Any] = {"learning_rate": tune.loguniform(*LEARNING_RATES)}
    space |= {key: tune.choice(list(values)) for key, values in CHOICES.items()}
    enqueued = None if search.prunes else drawn(search.trials, search.seed)
    sampler = OptunaSearch(
        metric="val_loss", mode="min", seed=search.seed, points_to_evaluate=enqueued
    )
    asha = ASHAScheduler(max_t=search.epochs, grace_period=1) if search.prunes else None
    log = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{search.folder}/mlflow.db", experiment_name="peer"
    )
    tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, search=search), {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val_loss", mode="min", num_samples=search.trials, scheduler=asha,
            search_alg=ConcurrencyLimiter(sampler, max_concurrent=search.processes),
        ),
        run_config=tune.RunConfig(storage_path=str(search.folder / "ray"), callbacks=[log]),
    ).fit()  # fmt: skip


if __name__ == "__main__":
    main(work())
