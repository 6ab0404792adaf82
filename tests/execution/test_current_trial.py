from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from rnnexp.execution.current_trial import ATTEMPT, StudyTrial
from rnnexp.storage.mlflow_store import Tracker


@pytest.mark.parametrize("metric", ["value", "error"])
def test_a_trial_that_is_tried_again_writes_each_step_once(tmp_path: Path, metric: str) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    study = optuna.create_study()
    trial = study.ask()
    with Tracker(uri, "test").run("a", tags={}, params={}) as run:
        first = StudyTrial(trial, run)
        first.report(0.5, 0, metric)
        first.report(0.4, 1, metric)
        trial.set_user_attr(ATTEMPT, 1)
        again = StudyTrial(trial, run)
        for step, value in enumerate([0.5, 0.4, 0.3]):
            again.report(value, step, metric)
        assert run.epochs == 3
    history = MlflowClient(uri).get_metric_history(run.id, metric)
    assert [(entry.step, entry.value) for entry in history] == [(0, 0.5), (1, 0.4), (2, 0.3)]
    assert study.trials[0].intermediate_values == {0: 0.5, 1: 0.4, 2: 0.3}
