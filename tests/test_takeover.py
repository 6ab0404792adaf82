"""A sweep that resumes a study whose last sweep was killed at one exact moment.

Each test leaves a study in the state of that moment; processes that are really killed, at random
moments, are in test_faults.py.
"""

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import Trial, TrialState

from rnnexp.result import Result, State
from rnnexp.storage.schema import TrialAttrs
from rnnexp.sweep.audit import audit
from tests.helpers.commands import Command, Ended, metrics

RATE = optuna.distributions.CategoricalDistribution([0.2, 0.4])


@pytest.fixture(scope="module")
def taken_over(app: Command) -> Callable[..., Ended]:
    """Resumes a study of one trial, for a second trial that a function has left unfinished."""

    def run(killed: Callable[[Ended, Trial], object], *arguments: str) -> Ended:
        began = app("-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=1", *arguments)
        killed(began, began.study("s").ask())
        return app(
            "-m", "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=2", *arguments, path=began.path
        )

    return run


def assert_in_order(ended: Ended, *states: TrialState) -> None:
    assert ended.code == 0, ended.err
    study = ended.study("s")
    assert tuple(trial.state for trial in study.trials) == states
    assert [difference.text for difference in audit(study, ended.client)] == []
    parent, *runs = ended.runs("app")
    assert [run.data.tags["trial"] for run in runs] == ["0", "1"]
    assert parent.data.metrics["trials_complete"] == states.count(TrialState.COMPLETE)
    for trial, run in zip(study.trials, runs, strict=True):
        steps = [step for step, _ in metrics(ended, run, "value")]
        assert steps == sorted(trial.intermediate_values)


@pytest.mark.slow
def test_before_any_param_was_drawn(taken_over: Callable[..., Ended]) -> None:
    ended = taken_over(lambda _began, _trial: None)
    assert_in_order(ended, TrialState.COMPLETE, TrialState.COMPLETE)


def test_when_half_of_the_params_were_drawn(taken_over: Callable[..., Ended]) -> None:
    ended = taken_over(lambda _began, trial: trial.suggest_float("x", 0, 6))
    assert_in_order(ended, TrialState.COMPLETE, TrialState.COMPLETE)
    assert set(ended.study("s").trials[1].params) == {"x", "rate"}


@pytest.mark.slow
def test_before_the_run_was_stored_in_the_study(taken_over: Callable[..., Ended]) -> None:
    def killed(began: Ended, _trial: Trial) -> None:
        parent = began.runs("app")[0].info
        tags = {
            "study": "s", "trial": "1", "mlflow.parentRunId": parent.run_id, "rnnexp.kind": "trial",
        }  # fmt: skip
        run = began.client.create_run(parent.experiment_id, tags=tags)
        began.client.log_metric(run.info.run_id, "value", 1.0, step=0)
        # A run of another study, in another storage, that has the same name.
        others = began.client.create_run(parent.experiment_id, tags={"study": "s", "trial": "1"})
        began.client.delete_run(others.info.run_id)

    ended = taken_over(killed)
    assert_in_order(ended, TrialState.COMPLETE, TrialState.COMPLETE)


@pytest.mark.parametrize("state", [State.COMPLETE, State.FAIL])
def test_before_the_result_was_reported_to_the_study(
    taken_over: Callable[..., Ended], state: State
) -> None:
    def killed(began: Ended, trial: Trial) -> None:
        trial.suggest_float("x", 0, 6)
        trial.suggest_categorical("rate", [0.2, 0.4])
        trial.report(0.5, 0)
        parent = began.runs("app")[0].info
        tags = {
            "study": "s", "trial": "1", "mlflow.parentRunId": parent.run_id, "state": state,
            "rnnexp.kind": "trial",
        }  # fmt: skip
        run_id = began.client.create_run(parent.experiment_id, tags=tags).info.run_id
        began.client.log_metric(run_id, "value", 0.5, step=0)
        began.client.log_metric(run_id, "best_value", 0.5)
        status = "FINISHED" if state == State.COMPLETE else "FAILED"
        began.client.set_terminated(run_id, status)
        trial.set_user_attr(TrialAttrs.RUN_ID, run_id)
        value = 0.5 if state == State.COMPLETE else None
        trial.set_user_attr(TrialAttrs.RESULT, Result(state, value).to_json())
        folder = Path(began.study("s").user_attrs["folder"]) / "1"
        folder.mkdir()
        (folder / "backup.npz").touch()

    ended = taken_over(killed)
    assert_in_order(ended, TrialState.COMPLETE, TrialState[state])
    assert [*ended.study("s").trials[1].intermediate_values] == [0]  # the trial did not run again


def test_before_the_run_was_ended(app: Command) -> None:
    """All trials have ended; only their runs need a repair."""
    began = app("-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=2")
    parent, *runs = began.runs("app")
    began.client.set_terminated(runs[1].info.run_id, "RUNNING")
    began.client.set_terminated(parent.info.run_id, "RUNNING")
    ended = app("-m", "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=2", path=began.path)
    assert_in_order(ended, TrialState.COMPLETE, TrialState.COMPLETE)
    assert "trial 1 is COMPLETE in Optuna, its run is RUNNING in MLflow: repaired" in ended.out


def test_a_study_that_changed_is_refused(app: Command) -> None:
    began = app("-m", "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=1")
    before = began.study("s").trials
    changed = app("-m", "hydra.sweeper.resume=s", "floor=0.2", path=began.path)
    assert changed.code == 1
    assert "floor was 0.1, now it is 0.2" in changed.err
    assert began.study("s").trials == before
    unknown = app("-m", "hydra.sweeper.resume=ss", path=began.path)
    assert unknown.code == 1
    assert "there is no study ss" in unknown.err
    assert "did you mean s?" in unknown.err
    objective = app(
        "-m", "hydra.sweeper.resume=s", "hydra.sweeper.direction=maximize", path=began.path
    )
    assert "direction was minimize, now it is maximize" in objective.err
    more = app("-m", "hydra.sweeper.resume=s", "hydra.sweeper.n_trials=2", path=began.path)
    assert "Study s: 2 complete" in more.out
