"""Callbacks fed with made-up logs; no model is trained."""

import math
from pathlib import Path
from typing import Any

import keras
import optuna
import pytest

from rnnexp.execution.current_trial import Standalone, StudyTrial
from rnnexp.objective import Objective
from rnnexp.result import State
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.training.callbacks import LogEpoch, ReportToStudy

NAN = math.nan


def feed(callback: keras.callbacks.Callback, logs: list[dict[str, float]]) -> Any:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.25), loss="mse")
    callback.set_model(model)
    for epoch, values in enumerate(logs):
        callback.on_epoch_end(epoch, values)
        if model.stop_training:
            break
    return model


class StopAt(optuna.pruners.BasePruner):
    def __init__(self, step: int) -> None:
        self.step = step

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:  # noqa: ARG002
        return trial.last_step == self.step


@pytest.mark.parametrize(
    ("mode", "values", "stop_at", "state", "best", "epochs"),
    [
        ("min", [0.5, 0.3, 0.4], None, State.COMPLETE, (1, 0.3), 3),
        ("max", [0.5, 0.3, 0.4], None, State.COMPLETE, (0, 0.5), 3),
        ("min", [0.5, 0.3, 0.4, 0.2], 2, State.PRUNED, (1, 0.3), 3),
        ("min", [0.5, NAN, 0.4], None, State.FAIL, (None, None), 3),
        ("max", [0.5, math.inf], None, State.FAIL, (None, None), 2),
        ("min", [0.5, NAN, 0.4], 1, State.PRUNED, (0, 0.5), 2),
        ("min", [NAN, NAN], None, State.FAIL, (None, None), 2),
        ("min", [None, 0.3, None, 0.2], None, State.COMPLETE, (3, 0.2), 2),  # validation_freq=2
        ("min", [], None, State.FAIL, (None, None), 0),
    ],
)
def test_report_to_study(
    mode: Any, values: list[float], stop_at: int, state: State, best: tuple[Any, Any], epochs: int
) -> None:
    study = optuna.create_study(pruner=StopAt(stop_at))
    trial = study.ask()
    callback = ReportToStudy(StudyTrial(trial), Objective("val_loss", mode))
    logs = [{} if value is None else {"val_loss": value} for value in values]
    model = feed(callback, logs)
    result = callback.result()
    assert (result.state, (result.best_epoch, result.value)) == (state, best)
    assert len(study.trials[0].intermediate_values) == epochs
    assert model.stop_training == (state == State.PRUNED)
    assert bool(result.reason) == (state != State.COMPLETE)


def test_outside_of_a_sweep_nothing_is_pruned() -> None:
    callback = ReportToStudy(Standalone(), Objective("val_loss", "min"))
    feed(callback, [{"val_loss": 0.5}, {"val_loss": 0.6}])
    assert callback.result().value == 0.5


def test_an_epoch_is_logged_at_its_step_with_the_learning_rate(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    with tracker.run("a", tags={}, params={}) as run:
        feed(LogEpoch(run, "val_loss"), [{"loss": 2.0}, {"loss": NAN, "val_loss": 1.0}])
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracker.uri)

    def history(name: str) -> list[tuple[int, float]]:
        return [(m.step, m.value) for m in client.get_metric_history(run.id, name)]

    assert history("learning_rate") == [(0, 0.25), (1, 0.25)]
    assert history("val_loss") == [(1, 1.0)]
    loss = history("loss")
    assert loss[0] == (0, 2.0)
    assert loss[1][0] == 1
    assert math.isnan(loss[1][1])


def test_epochs_of_an_attempt_whose_backup_was_lost_are_logged_once(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    with tracker.run("a", tags={}, params={}) as run:
        feed(LogEpoch(run, "loss"), [{"loss": 2.0}, {"loss": 1.0}])
        callback = LogEpoch(run, "loss")
        callback.catch_up({})
        feed(callback, [{"loss": 2.5}, {"loss": 1.5}, {"loss": 0.5}])
    from mlflow.tracking import MlflowClient

    history = MlflowClient(tracker.uri).get_metric_history(run.id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 2.0), (1, 1.0), (2, 0.5)]
