"""Callbacks fed with made-up logs; no model is trained."""

import math
from pathlib import Path
from typing import Any

import keras
import optuna
import pytest

from rnnexp.execution.current_trial import Standalone, StudyTrial
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.result import State
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.training.callbacks import LogEpoch, ModelCheckpoint, ReportToStudy
from rnnexp.training.checkpoint import log_checkpoints

NAN = math.nan


def feed(callback: keras.callbacks.Callback, logs: list[dict[str, float]]) -> Any:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
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
    callback = ReportToStudy(StudyTrial(trial), Objectives(Objective("val_loss", mode)))
    logs = [{} if value is None else {"val_loss": value} for value in values]
    model = feed(callback, logs)
    result = callback.result()
    assert (result.state, (result.best_epoch, result.value)) == (state, best)
    assert len(study.trials[0].intermediate_values) == epochs
    assert model.stop_training == (state == State.PRUNED)
    assert bool(result.reason) == (state != State.COMPLETE)


def test_outside_of_a_sweep_nothing_is_pruned() -> None:
    callback = ReportToStudy(Standalone(), Objectives(Objective("val_loss", "min")))
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


@pytest.mark.parametrize(
    ("arguments", "values", "files"),
    [
        ({"save_best_only": True}, [0.5, 0.3, 0.4], {"a.keras": 1}),
        ({"save_best_only": True}, [0.5, 0.5], {"a.keras": 0}),
        ({"save_best_only": True, "mode": "max"}, [0.5, 0.3, 0.4], {"a.keras": 0}),
        ({"save_best_only": True}, [NAN, 0.5, NAN, 0.4], {"a.keras": 3}),
        ({"save_best_only": True}, [math.inf, 0.5], {"a.keras": 1}),
        ({"save_best_only": True, "mode": "max"}, [math.inf, 0.5], {"a.keras": 1}),
        ({"save_best_only": True}, [None, 0.3, None], {"a.keras": 1}),  # validation_freq=2
        ({"save_best_only": True}, [NAN], {}),
        ({"save_best_only": True, "initial_value_threshold": 0.4}, [0.5, 0.45], {}),
        ({"save_best_only": True, "filepath": "{epoch}.keras"}, [0.5, 0.6, 0.4],
         {"1.keras": 0, "3.keras": 2}),
        ({}, [0.5, 0.3, 0.4], {"a.keras": 2}),
        ({"filepath": "{epoch}.keras"}, [0.5, 0.3], {"1.keras": 0, "2.keras": 1}),
        ({"filepath": "{val_loss:.1f}.keras"}, [0.31, 0.5, 0.34], {"0.3.keras": 2, "0.5.keras": 1}),
        ({"save_freq": 1}, [0.5, 0.3], {}),  # of no epoch's end
    ],
)  # fmt: skip
def test_which_epochs_model_a_file_holds(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: dict[str, Any],
    values: list[float | None],
    files: dict[str, int],
) -> None:
    monkeypatch.chdir(tmp_path)
    callback = ModelCheckpoint(**{"filepath": "a.keras", "mode": "min"} | arguments)
    feed(callback, [{} if value is None else {"val_loss": value} for value in values])
    assert callback.files == files
    assert {file.name for file in tmp_path.iterdir()} == set(files)


@pytest.mark.parametrize(
    ("files", "best", "tagged"),
    [
        ({"a.keras": 1}, 1, "checkpoint/a.keras"),
        ({"a.keras": 2}, 1, None),  # a later epoch was saved over the best
        ({"b.keras": 2, "a.keras": 1, "c.keras": 0}, 1, "checkpoint/a.keras"),
        ({"gone.keras": 1}, 1, None),
        ({}, 1, None),
        ({"a.keras": 1}, None, None),
    ],
)
def test_only_the_best_epochs_model_is_tagged(
    tmp_path: Path, files: dict[str, int], best: int | None, tagged: str | None
) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    for name in set(files) - {"gone.keras"}:
        (tmp_path / name).touch()
    with tracker.run("a", tags={}, params={}) as run:
        log_checkpoints(run, {str(tmp_path / name): n for name, n in files.items()}, best)
        run.log_batch(metrics={"x": 1.0})  # tags go with it
    assert tracker.tag(run.id, "checkpoint") == tagged
