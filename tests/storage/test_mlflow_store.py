import sqlite3
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

import optuna
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rnnexp.errors import StoreError
from rnnexp.storage.mlflow_run import seconds_so_far, stored_name
from rnnexp.storage.mlflow_store import DEFAULT_URI
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.run_reader import RunReader


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    return Tracker(f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db", "test")


@pytest.mark.parametrize(
    ("error", "status", "traceback"),
    [
        (None, "FINISHED", False),
        (ValueError("no"), "FAILED", True),
        (KeyboardInterrupt(), "KILLED", False),
    ],
)
def test_a_run_ends_however_its_block_ends(
    tracker: Tracker, tmp_path: Path, error: BaseException | None, status: str, traceback: bool
) -> None:
    client = MlflowClient(tracker.uri)
    with (
        pytest.raises(type(error)) if error else nullcontext(),
        tracker.run("a", tags={"state": "RUNNING"}, params={"x": 1}) as run,
    ):
        assert client.get_run(run.id).info.status == "RUNNING"
        if error:
            raise error
    ended = client.get_run(run.id)
    assert ended.info.status == status
    assert ended.data.params == {"x": "1"}
    files = [item.path for item in client.list_artifacts(run.id)]
    assert ("traceback.txt" in files) is traceback
    if traceback:
        path = client.download_artifacts(run.id, "traceback.txt", str(tmp_path))
        assert "ValueError: no" in Path(path).read_text()


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ([], 0.0),
        ([("loss", 0.5, 3000), ("loss", 0.4, 5000)], 4.0),  # killed, begun at 1000
        ([("loss", 0.5, 5000), ("seconds", 4.5, 5500)], 4.5),  # interrupted, or at its end
        # Killed twice, with a pause between; the second attempt began at 9000.
        ([("loss", 0.5, 5000), ("seconds", 4.0, 9000), ("loss", 0.4, 11_000)], 6.0),
        ([("seconds", 4.0, 9000), ("seconds", 7.5, 12_500)], 7.5),
    ],
)
def test_the_seconds_of_all_attempts(
    tracker: Tracker, written: list[tuple[str, float, int]], seconds: float
) -> None:
    client = tracker.client()
    run_id = client.create_run("0", start_time=1000).info.run_id
    for step, (name, value, at) in enumerate(written):
        client.log_metric(run_id, name, value, timestamp=at, step=step if name == "loss" else 0)
    assert seconds_so_far(client, run_id) == seconds


def test_a_nested_run_knows_its_parent(tracker: Tracker) -> None:
    with (
        tracker.run("study", tags={}, params={}) as parent,
        tracker.run("trial", tags={}, params={}, parent=parent.id) as child,
    ):
        pass
    tags = MlflowClient(tracker.uri).get_run(child.id).data.tags
    assert tags["mlflow.parentRunId"] == parent.id


def test_an_artifact_and_a_tag_can_be_read_back(tracker: Tracker, tmp_path: Path) -> None:
    with tracker.run("a", tags={"kind": "test"}, params={}) as run:
        run.log_text("content", "folder/file.txt")
    assert tracker.download(run.id, "folder/file.txt", tmp_path).read_text() == "content"
    assert tracker.tag(run.id, "kind") == "test"
    assert tracker.tag(run.id, "nothing") is None


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        (DEFAULT_URI, "mlflow ui    and open http://127.0.0.1:5000/#/experiments/"),
        ("sqlite:////there/m.db", "mlflow ui --backend-store-uri sqlite:////there/m.db "),
        ("http://server:5000", "open http://server:5000/#/experiments/"),
    ],
)
def test_how_to_browse(tracker: Tracker, uri: str, told: str) -> None:
    with tracker.run("a", tags={}, params={}) as run:
        pass
    assert Tracker(uri, "test").how_to_browse(run).startswith(told)


def test_the_environment_chooses_the_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert Tracker(None, "test").uri == f"sqlite:///{tmp_path}/other.db"
    assert Tracker("http://configured", "test").uri == "http://configured"


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("val_loss", "val_loss"),
        ("precision@0.8", "precision_0.8"),
        ("f1(macro)", "f1_macro_"),
        ("정확도", "정확도"),
        ("a/b", "a/b"),
        ("a//b", "a__b"),
        ("/a", "_a"),
        ("a/", "a_"),
        ("../a", "__a"),
        (".", "_"),
        ("", "_"),
        ("a/./b", "a_._b"),
        ("x" * 300, "x" * 250),
    ],
)
def test_the_name_that_mlflow_takes(tracker: Tracker, name: str, stored: str) -> None:
    assert stored_name(stored) == stored
    with tracker.run("a", tags={}, params={name: 1}) as run:
        run.log_batch(metrics={name: 0.5}, step=1)
        assert run.steps(name) == {1}
    found = MlflowClient(tracker.uri).get_run(run.id)
    assert found.data.metrics == {stored: 0.5}
    assert found.data.params == {stored: "1"}


def test_names_that_become_equal_are_numbered(tracker: Tracker) -> None:
    with tracker.run("a", tags={}, params={}) as run:
        run.log_batch(metrics={"acc@0.5": 1, "acc_0.5": 2, "acc#0.5": 3})
    found = MlflowClient(tracker.uri).get_run(run.id)
    assert found.data.metrics == {"acc_0.5": 2, "acc_0.5_2": 1, "acc_0.5_3": 3}


def test_a_run_ends_though_its_outcome_is_refused(tracker: Tracker) -> None:
    with (
        pytest.raises(MlflowException, match="may only contain"),
        tracker.run("a", tags={}, params={}) as run,
    ):
        run.log_batch(tags={"no@name": 1})
    assert MlflowClient(tracker.uri).get_run(run.id).info.status == "FAILED"


def test_a_deleted_run_or_experiment_is_told_with_the_command_to_restore_it(
    tmp_path: Path,
) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    with tracker.run("a", tags={}, params={}) as run:
        pass
    client = MlflowClient(tracker.uri)
    assert tracker.run_problem(run.id) is None
    assert tracker.problems() == []
    assert "is not in sqlite" in str(tracker.run_problem("0" * 32))
    client.delete_run(run.id)
    assert str(tracker.run_problem(run.id)).startswith(f"its run {run.id} was deleted in MLflow")
    assert f"mlflow runs restore --run-id {run.id}" in str(tracker.run_problem(run.id))
    client.restore_run(run.id)
    client.delete_experiment(run.experiment_id)
    assert "mlflow experiments restore --experiment-id 1" in str(tracker.run_problem(run.id))
    (problem,) = tracker.problems()
    assert problem.startswith("tracking.experiment=test: it was deleted in MLflow; restore it with")
    assert Tracker(tracker.uri, "another").problems() == []


def test_a_run_that_was_deleted_is_made_anew(tracker: Tracker) -> None:
    with tracker.run("study", tags={}, params={}) as study:
        pass
    with tracker.run("a", tags={}, params={}, parent=study.id) as first:
        pass
    client = MlflowClient(tracker.uri)
    client.delete_run(first.id)
    with tracker.run("a", tags={}, params={}, parent=study.id, continued=first.id) as second:
        pass
    assert client.get_run(second.id).info.status == "FINISHED"
    assert second.id != first.id


@pytest.mark.parametrize(("state", "before"), [("PAUSED", 7.5), ("RUNNING", 9.0)])
def test_a_run_that_goes_on_is_running_and_counts_on(
    tracker: Tracker, state: str, before: float
) -> None:
    client = tracker.client()
    tags = {"state": state, "reason": "as the test says"}
    run_id = client.create_run("0", start_time=1000, tags=tags).info.run_id
    client.log_metric(run_id, "seconds", 7.5, timestamp=9000)
    client.log_metric(run_id, "loss", 0.5, timestamp=10_500)  # of an attempt that has died
    given = {"state": "RUNNING", "trial": 3}
    with tracker.run(None, tags=given, params={"units": 8}, continued=run_id) as run:
        run.continue_clock()
        assert before <= run.seconds < before + 1
        stored = client.get_run(run_id)
        assert (stored.info.status, stored.data.params) == ("RUNNING", {"units": "8"})
        assert (stored.data.tags["state"], stored.data.tags["trial"]) == ("RUNNING", "3")
        assert "reason" not in stored.data.tags
    with tracker.run(None, tags=given, params={"units": 9}, continued=run_id):
        pass  # the params are there, and can't be changed


def test_trials_belong_in_the_experiment_of_their_study(tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "before")
    with tracker.run("study", tags={}, params={}) as study:
        pass
    client = MlflowClient(tracker.uri)
    client.rename_experiment(study.experiment_id, "after")
    with tracker.run("trial", tags={"trial": 0}, params={}, parent=study.id) as trial:
        pass
    assert client.get_run(trial.id).info.experiment_id == study.experiment_id
    assert tracker.find({"trial": 0}, study.id) == trial.id
    assert client.get_experiment_by_name("before") is None


def written(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def text_file(tracker: Tracker) -> None:
    Path(tracker.uri.removeprefix("sqlite:///")).write_text("no database, but a long text" * 99)


def newer(tracker: Tracker) -> None:
    file = Path(tracker.uri.removeprefix("sqlite:///"))
    made = file.with_name("made.db")  # since MLflow keeps a store that it has opened
    MlflowClient(f"sqlite:///{made}")
    written(made, "UPDATE alembic_version SET version_num = 'of_the_future'")
    made.rename(file)


def of_optuna(tracker: Tracker) -> None:
    optuna.storages.RDBStorage(tracker.uri)


def without_artifacts(tracker: Tracker) -> None:
    with tracker.run("a", tags={}, params={}):
        pass
    file = Path(tracker.uri.removeprefix("sqlite:///"))
    written(file, "UPDATE experiments SET artifact_location = '/proc/nowhere/1'")


def folder(tracker: Tracker) -> None:
    Path(tracker.uri.removeprefix("sqlite:///")).mkdir()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (text_file, "file is not a database"),
        (newer, "was written by another version of MLflow: with an older one, make a copy and run"),
        (of_optuna, "is the database of another program; give the one of MLflow"),
        (without_artifacts, "its artifacts can't be written, so that no checkpoint could be"),
        (folder, "is a folder; give a file"),
    ],
)
def test_a_store_that_can_not_be_used(
    tmp_path: Path, make: Callable[[Tracker], None], problem: str
) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    make(tracker)
    before = sorted(tmp_path.iterdir())
    (found,) = tracker.problems()
    assert problem in found
    assert "\n" not in found
    assert sorted(tmp_path.iterdir()) == before
    if make is not without_artifacts:
        with pytest.raises(StoreError, match=problem):
            RunReader(tracker.uri)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("{folder}/mlruns", "is a store of files, which MLflow no longer takes: give another"),
        ("file://{folder}/mlruns", "is a store of files"),
        ("sqlite://", "each process would have a store of its own; give a file"),
        ("postgresql+psycopg://nobody:s3cret@127.0.0.1:9/db", "refused"),
        ("ftp://server/store", "can't be used"),
    ],
)
def test_a_uri_that_can_not_be_used(tmp_path: Path, uri: str, problem: str) -> None:
    (found,) = Tracker(uri.format(folder=tmp_path), "test").problems()
    assert problem in found
    assert "s3cret" not in found
    with pytest.raises(StoreError):
        RunReader(uri.format(folder=tmp_path))


@pytest.mark.parametrize("name", ["", " ", None, 3])
def test_an_experiment_without_a_name(tmp_path: Path, name: str) -> None:
    (found,) = Tracker(f"sqlite:///{tmp_path}/mlflow.db", name).problems()
    assert "give the name of an experiment" in found
