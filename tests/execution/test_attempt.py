"""The attempt that runs a trial: an earlier one writes nothing after the next has begun."""

from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from rnnexp.execution.attempt import Attempt, begin_attempt
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.optuna_store import open_trial
from rnnexp.storage.schema import Tags
from rnnexp.storage.write_guard import SupersededError


@pytest.fixture
def trial() -> optuna.trial.Trial:
    return optuna.create_study().ask()


def test_the_last_attempt_goes_on(trial: optuna.trial.Trial) -> None:
    earlier = Attempt(trial)
    earlier.check()
    later = Attempt(trial)
    with pytest.raises(SupersededError, match="another attempt of trial 0 has begun"):
        earlier.check()
    later.check()


def test_an_attempt_of_another_process_is_noticed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    trial = optuna.create_study(study_name="s", storage=url).ask()
    earlier = Attempt(trial)
    elsewhere = optuna.load_study(study_name="s", storage=url)
    Attempt(open_trial(elsewhere, optuna.storages.get_storage(url), trial.number))
    with pytest.raises(SupersededError):
        earlier.check()


@pytest.mark.parametrize(
    ("storage", "is_asked"),
    [("sqlite:////somewhere/optuna.db", False), ("postgresql+psycopg://user@host/optuna", True)],
)
def test_attempts_of_several_machines_are_told_apart(
    trial: optuna.trial.Trial, storage: str, is_asked: bool
) -> None:
    assert (begin_attempt(trial, storage) is not None) is is_asked


def test_no_application_catches_the_end_of_its_attempt() -> None:
    assert not issubclass(SupersededError, Exception)


def test_a_run_is_left_to_the_next_attempt(trial: optuna.trial.Trial, tmp_path: Path) -> None:
    """A machine was cut off after epoch 0; meanwhile epochs 1 and 2 were trained elsewhere."""
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    cut_off = Attempt(trial)
    with (
        pytest.raises(SupersededError),
        tracker.run("a", tags={}, params={}, outbox=tmp_path / "a.outbox") as run,
    ):
        run.guard.begin(cut_off.check)
        run.log_batch(metrics={"loss": 1.0}, step=0)
        with tracker.run("a", tags={}, params={}, continued=run.id) as again:
            again.guard.begin(Attempt(trial).check)
            again.log_batch(metrics={"loss": 0.5}, step=1)
            again.log_batch(metrics={"loss": 0.4}, step=2, tags={Tags.STATE: "COMPLETE"})
        try:
            run.log_batch(metrics={"loss": 0.5}, step=1)
        finally:  # as a job does, whatever has happened
            run.log_outcome(tags={Tags.STATE: "INTERRUPTED"})
            run.log_text("...", "config.yaml")
    client = MlflowClient(tracker.uri)
    stored = client.get_run(run.id)
    assert [entry.step for entry in client.get_metric_history(run.id, "loss")] == [0, 1, 2]
    assert (stored.info.status, stored.data.tags[Tags.STATE]) == ("FINISHED", "COMPLETE")
    assert client.list_artifacts(run.id) == []
    assert not (tmp_path / "a.outbox").exists()
