from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from rnnexp.execution.current_trial import (
    Standalone,
    StudyTrial,
    as_current,
    current_trial,
)
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.schema import TrialAttrs


@pytest.mark.parametrize("metric", ["value", "error"])
def test_a_retried_trial_writes_each_step_once(tmp_path: Path, metric: str) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    study = optuna.create_study()
    trial = study.ask()
    with Tracker(uri, "test").run("a", tags={}, params={}) as run:
        first = StudyTrial(trial, run)
        first.report(0.5, 0, metric)
        first.report(0.4, 1, metric)
        trial.set_user_attr(TrialAttrs.ATTEMPT, 1)
        retried = StudyTrial(trial, run)
        for step, value in enumerate([0.5, 0.4, 0.3]):
            retried.report(value, step, metric)
        assert run.epochs == 3
    history = MlflowClient(uri).get_metric_history(run.id, metric)
    assert [(entry.step, entry.value) for entry in history] == [(0, 0.5), (1, 0.4), (2, 0.3)]
    assert study.trials[0].intermediate_values == {0: 0.5, 1: 0.4, 2: 0.3}


def test_a_thread_of_a_job_has_the_trial_of_the_job() -> None:
    trial = StudyTrial(optuna.create_study().ask())
    with as_current(trial), ThreadPoolExecutor() as another:
        assert another.submit(current_trial).result() is trial
        with as_current(Standalone()) as _:
            assert current_trial() is not trial
        assert current_trial() is trial
    assert current_trial().number is None
