import errno
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, INVALID_PARAMETER_VALUE
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import InterfaceError, OperationalError

from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.outbox import Outbox, deliver_all
from rnnexp.storage.refused_writes import deliver_refused
from rnnexp.storage.schema import Files, Tags
from rnnexp.storage.write_guard import SupersededError
from rnnexp.storage.write_queue import read


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "mlflow.db"


@pytest.fixture
def run_id(store: Path) -> str:
    with Tracker(f"sqlite:///{store}", "test").run("a", tags={}, params={}) as run:
        return run.id


class Flaky(MlflowClient):
    """A client whose store is away while `away` is set, or refuses files, or the ends of runs."""

    away: Exception | None = None
    no_files: Exception | None = None
    no_end: Exception | None = None

    def set_terminated(self, *args, **kwargs):  # type: ignore[no-untyped-def] # noqa: ANN002, ANN003, ANN201
        if self.no_end:
            raise self.no_end
        return super().set_terminated(*args, **kwargs)

    def log_artifact(self, *args, **kwargs):  # type: ignore[no-untyped-def] # noqa: ANN002, ANN003, ANN201
        if self.no_files:
            raise self.no_files
        return super().log_artifact(*args, **kwargs)

    def log_batch(self, *args, **kwargs):  # type: ignore[no-untyped-def] # noqa: ANN002, ANN003, ANN201
        if self.away:
            raise self.away
        return super().log_batch(*args, **kwargs)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def metric(step: int) -> dict[str, object]:
    metrics = {"loss": float(step)}
    return {
        "kind": "batch", "metrics": metrics, "step": step, "time": step, "params": {}, "tags": {}
    }  # fmt: skip


def entries(file: Path) -> list[dict[str, object]]:
    saved = read(file)
    assert saved
    return list(saved["entries"])


def steps(store: Path, run_id: str) -> list[int]:
    history = MlflowClient(f"sqlite:///{store}").get_metric_history(run_id, "loss")
    return [entry.step for entry in history]


def test_writes_are_queued_and_made_in_order(store: Path, run_id: str, tmp_path: Path) -> None:
    client, file = Flaky(f"sqlite:///{store}"), tmp_path / Files.OUTBOX
    outbox = Outbox(client, run_id, file)
    outbox.send(metric(0))
    client.away = MlflowException("the server is gone")
    for step in (1, 2):
        outbox.send(metric(step))
    assert steps(store, run_id) == [0]
    assert [entry["step"] for entry in entries(file)] == [1, 2]
    client.away = None
    assert outbox.deliver()
    assert steps(store, run_id) == [0, 1, 2]
    assert not file.exists()


def test_queued_writes_on_disk_can_be_delivered(store: Path, run_id: str, tmp_path: Path) -> None:
    client = Flaky(f"sqlite:///{store}")
    client.away = MlflowException("the server is gone")
    folder = tmp_path / "study" / "3"
    folder.mkdir(parents=True)
    outbox = Outbox(client, run_id, folder / Files.OUTBOX)
    outbox.send(metric(0))
    outbox.send(metric(1) | {"metrics": {}, "tags": {"state": "COMPLETE"}})
    outbox.send({"kind": "end", "status": "KILLED", "time": 5})
    assert deliver_all(tmp_path / "study") == (1, 0)
    run = MlflowClient(f"sqlite:///{store}").get_run(run_id)
    assert (run.info.status, run.data.tags["state"]) == ("KILLED", "COMPLETE")
    assert steps(store, run_id) == [0]
    assert deliver_all(tmp_path / "study") == (0, 0)


REFUSED = MlflowException("no such name", error_code=INVALID_PARAMETER_VALUE)


def test_a_refused_write_holds_up_nothing(
    store: Path, run_id: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, file = Flaky(f"sqlite:///{store}"), tmp_path / Files.OUTBOX
    outbox = Outbox(client, run_id, file)
    client.away = REFUSED
    outbox.send(metric(0))
    outbox.send(metric(1))
    client.away = None
    outbox.send(metric(2))
    assert steps(store, run_id) == [2]
    assert not file.exists()
    refused = tmp_path / Files.REFUSED
    assert [entry["step"] for entry in entries(refused)] == [0, 1]
    assert caplog.text.count("MLflow refuses the values of loss, which is set aside in") == 1
    assert "no such name" in caplog.text
    assert deliver_refused(tmp_path) == []
    assert steps(store, run_id) == [0, 1, 2]
    assert not refused.exists()


@pytest.mark.parametrize(
    ("status", "later"), [("RUNNING", "KILLED"), ("SCHEDULED", "KILLED"), ("FAILED", "FAILED")]
)
def test_a_refused_end_is_made_later_unless_the_run_has_ended(
    store: Path, run_id: str, tmp_path: Path, status: str, later: str
) -> None:
    client = Flaky(f"sqlite:///{store}")
    client.update_run(run_id, status)
    client.no_end = REFUSED
    Outbox(client, run_id, tmp_path / Files.OUTBOX).send(
        {"kind": "end", "status": "KILLED", "time": 0}
    )
    assert client.get_run(run_id).info.status == status
    assert deliver_refused(tmp_path) == []
    assert client.get_run(run_id).info.status == later


def test_without_a_file_a_refused_write_is_raised_and_holds_up_nothing(
    store: Path, run_id: str
) -> None:
    client = Flaky(f"sqlite:///{store}")
    outbox = Outbox(client, run_id, None)
    client.away = REFUSED
    with pytest.raises(MlflowException, match="no such name"):
        outbox.send(metric(0))
    client.away = None
    outbox.send(metric(1))
    assert steps(store, run_id) == [1]


def test_an_error_in_the_code_is_raised(store: Path, run_id: str, tmp_path: Path) -> None:
    client = Flaky(f"sqlite:///{store}")
    client.away = TypeError("an error in the code")
    with pytest.raises(TypeError, match="in the code"):
        Outbox(client, run_id, tmp_path / Files.OUTBOX).send(metric(0))


def files(tmp_path: Path, name: str) -> dict[str, object]:
    (tmp_path / name).write_text(name)
    return {"kind": "file", "path": str(tmp_path / name), "folder": None}


def test_while_the_artifact_store_is_away_metrics_arrive(
    store: Path, run_id: str, tmp_path: Path
) -> None:
    client = Flaky(f"sqlite:///{store}")
    outbox = Outbox(client, run_id, tmp_path / Files.OUTBOX)
    client.no_files = requests.HTTPError("500 Server Error")
    outbox.send(files(tmp_path, "a.txt"))
    outbox.send(metric(0))
    outbox.send(files(tmp_path, "b.txt"))
    outbox.send(metric(1))
    assert steps(store, run_id) == [0, 1]
    queued = entries(tmp_path / Files.OUTBOX)
    assert [Path(str(entry["path"])).name for entry in queued] == ["a.txt", "b.txt"]
    client.no_files = None
    assert outbox.deliver()
    assert [file.path for file in client.list_artifacts(run_id)] == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "/only/the/server"),
        OSError(errno.EROFS, "Read-only file system"),
        MlflowException("API request to endpoint /x failed with error code 413 != 200"),
        Exception("an error of some library"),
    ],
)
def test_a_refused_artifact_is_told_and_tried_again(
    store: Path, run_id: str, tmp_path: Path, error: Exception
) -> None:
    client = Flaky(f"sqlite:///{store}")
    outbox = Outbox(client, run_id, tmp_path / Files.OUTBOX)
    client.no_files = error
    outbox.send(files(tmp_path, "a.txt"))
    outbox.send(metric(0))
    outbox.send({"kind": "end", "status": "FINISHED", "time": 5})
    outbox.close()
    assert steps(store, run_id) == [0]
    assert client.get_run(run_id).info.status == "FINISHED"
    assert deliver_all(tmp_path) == (0, 0)
    assert deliver_refused(tmp_path) == []
    assert [file.path for file in client.list_artifacts(run_id)] == ["a.txt"]


def test_a_refused_file_that_is_gone_is_told_once(store: Path, run_id: str, tmp_path: Path) -> None:
    outbox = Outbox(MlflowClient(f"sqlite:///{store}"), run_id, tmp_path / Files.OUTBOX)
    outbox.send({"kind": "file", "path": str(tmp_path / "gone.keras"), "folder": "checkpoint"})
    (problem,) = deliver_refused(tmp_path)
    assert problem.startswith(f"run {run_id}: the file {tmp_path}/gone.keras: ")
    assert "No such file" in problem
    assert deliver_refused(tmp_path) == []


def test_what_a_run_has_got_since_is_newer_than_what_was_refused(
    store: Path, run_id: str, tmp_path: Path
) -> None:
    client = Flaky(f"sqlite:///{store}")
    outbox = Outbox(client, run_id, tmp_path / Files.OUTBOX)
    client.away = REFUSED
    outbox.send(metric(0) | {"tags": {Tags.STATE: "RUNNING", "a": "b"}, "params": {"x": "1"}})
    client.away = None
    outbox.send(metric(1) | {"tags": {Tags.STATE: "COMPLETE"}, "params": {"x": "2"}})
    assert deliver_refused(tmp_path) == []
    run = client.get_run(run_id)
    assert (run.data.tags[Tags.STATE], run.data.tags["a"]) == ("COMPLETE", "b")
    assert run.data.params == {"x": "2"}
    assert steps(store, run_id) == [0, 1]


def test_a_queued_file_is_read_from_where_it_is(store: Path, run_id: str, tmp_path: Path) -> None:
    uri, job, there = f"sqlite:///{store}", tmp_path / "0", tmp_path / "there"
    job.mkdir()
    there.mkdir()
    client = Flaky(uri)
    client.set_tag(run_id, Tags.FOLDER, str(job))
    client.no_files = PermissionError("no")
    outbox = Outbox(client, run_id, job / Files.OUTBOX)
    outbox.send(files(job, "best.keras") | {"folder": "checkpoint"})
    found = MlflowStore(uri).download(run_id, "checkpoint/best.keras", there)
    assert (found, found.read_text()) == (there / "best.keras", "best.keras")
    with pytest.raises(MlflowException, match="No such artifact"):
        MlflowStore(uri).download(run_id, "checkpoint/other.keras", there)


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("INSERT", {}, Exception("server closed the connection")),
        caused(MlflowException("?", BAD_REQUEST), InterfaceError("", {}, Exception("closed"))),
    ],
)
def test_a_lost_connection_is_transient(
    store: Path, run_id: str, tmp_path: Path, error: Exception
) -> None:
    client = Flaky(f"sqlite:///{store}")
    client.away = error
    outbox = Outbox(client, run_id, tmp_path / Files.OUTBOX)
    outbox.send(metric(0))
    client.away = None
    assert outbox.deliver()
    assert steps(store, run_id) == [0]


def test_a_running_trial_delivers_its_own_writes(store: Path, run_id: str, tmp_path: Path) -> None:
    client = Flaky(f"sqlite:///{store}")
    client.away = MlflowException("the server is gone")
    Outbox(client, run_id, tmp_path / Files.OUTBOX).send(metric(0))
    with locked(tmp_path), ThreadPoolExecutor() as another:  # as `TrialTask` does
        assert another.submit(deliver_all, tmp_path).result() == (0, 0)
    assert deliver_all(tmp_path) == (1, 0)


def test_without_a_file_nothing_is_queued(store: Path, run_id: str) -> None:
    client = Flaky(f"sqlite:///{store}")
    client.away = MlflowException("the server is gone")
    with pytest.raises(MlflowException, match="gone"):
        Outbox(client, run_id, None).send(metric(0))


@pytest.mark.parametrize("had_queued", [False, True])
def test_a_checkpoint_is_deleted_once_mlflow_is_back(
    store: Path, run_id: str, tmp_path: Path, had_queued: bool
) -> None:
    study, job = tmp_path / "study", tmp_path / "study" / "0"
    job.mkdir(parents=True)
    file = job / "best.fake"
    file.touch()
    client = Flaky(f"sqlite:///{store}")
    saved = client.create_run("0").info.run_id
    client.log_artifact(saved, str(file), "checkpoint")
    client.away = MlflowException("the server is gone")
    tags = {"checkpoint": "checkpoint/best.fake"}
    if had_queued:  # the job itself has queued writes, too
        Outbox(client, saved, job / Files.OUTBOX).send(metric(0) | {"tags": tags})
    else:
        client.set_tag(saved, *next(iter(tags.items())))
    outbox = Outbox(client, run_id, study / Files.OUTBOX)
    outbox.send(metric(1))
    outbox.send(
        {"kind": "delete_checkpoint", "run_id": saved, "folder": str(job), "patterns": ["*.fake"],
         "reason": "the rule"}
    )  # fmt: skip
    assert file.exists()
    client.away = None
    assert deliver_all(study) == (1 + had_queued, 0)
    assert not file.exists()
    assert client.list_artifacts(saved, "checkpoint") == []
    found = client.get_run(saved).data.tags
    assert "checkpoint" not in found
    assert found["checkpoint_deleted"] == "the rule"


def test_a_checkpoint_that_can_not_be_deleted_is_logged_and_skipped(
    store: Path, run_id: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "best.fake").touch()
    outbox = Outbox(MlflowClient(f"sqlite:///{store}"), run_id, tmp_path / "study.outbox")
    outbox.send(
        {"kind": "delete_checkpoint", "run_id": "0" * 32, "folder": str(tmp_path),
         "patterns": ["*.fake"], "reason": "the rule"}
    )  # fmt: skip
    assert "can't be deleted" in caplog.text
    assert outbox.deliver()
    assert (tmp_path / "best.fake").exists()


def test_a_run_that_ends_on_a_full_disk_keeps_its_writes(
    store: Path, run_id: str, tmp_path: Path
) -> None:
    client = Flaky(f"sqlite:///{store}")
    client.away = MlflowException("(sqlite3.OperationalError) database or disk is full")
    folder = tmp_path / "later"
    folder.touch()  # so that no file in it can be written, as on a full disk

    def make_room() -> None:
        folder.unlink()
        folder.mkdir()

    outbox = Outbox(client, run_id, folder / Files.OUTBOX)
    outbox.send(metric(0))
    room = threading.Timer(1.0, make_room)
    room.start()
    outbox.close()
    room.join()
    client.away = None
    assert deliver_all(folder) == (1, 0)
    assert steps(store, run_id) == [0]


def test_the_outcome_of_an_earlier_attempt_is_deleted_though_it_was_queued(
    store: Path, run_id: str, tmp_path: Path
) -> None:
    uri, file = f"sqlite:///{store}", tmp_path / Files.OUTBOX
    failed = {
        "kind": "batch", "metrics": {}, "step": 0, "time": 0, "params": {},
        "tags": {Tags.REASON: "no improvement", Tags.STATE: "PAUSED"},
    }  # fmt: skip
    file.write_text(json.dumps({"uri": uri, "run_id": run_id, "entries": [failed]}))
    tracker = Tracker(uri, "test")
    with tracker.run("a", tags={}, params={}, continued=run_id, outbox=file):
        pass
    assert not {Tags.REASON, Tags.STATE} & set(MlflowClient(uri).get_run(run_id).data.tags)
    assert not file.exists()


@pytest.mark.parametrize("torn", ["", "{", '{"uri": "sqlite:///x"}', "[]", "\0" * 40, "null"])
def test_a_torn_file_is_set_aside_and_the_others_are_delivered(
    store: Path, run_id: str, tmp_path: Path, torn: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Flaky(f"sqlite:///{store}")
    client.away = MlflowException("the server is gone")
    folders = [tmp_path / name for name in ("0", "1")]
    for folder in folders:
        folder.mkdir()
    Outbox(client, run_id, folders[1] / Files.OUTBOX).send(metric(3))
    (folders[0] / Files.OUTBOX).write_text(torn)
    assert deliver_all(tmp_path) == (1, 0)
    assert steps(store, run_id) == [3]
    assert "0/mlflow.outbox is torn; it is kept as mlflow.outbox.unreadable" in caplog.text
    assert (folders[0] / "mlflow.outbox.unreadable").read_text() == torn
    (folders[0] / Files.OUTBOX).write_text(torn)  # a trial that is resumed in this folder
    outbox = Outbox(MlflowClient(f"sqlite:///{store}"), run_id, folders[0] / Files.OUTBOX)
    outbox.send(metric(4))
    assert steps(store, run_id) == [3, 4]


def test_the_writes_of_another_run_are_not_sent_to_this_one(
    store: Path, run_id: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, file = Flaky(f"sqlite:///{store}"), tmp_path / Files.OUTBOX
    client.away = MlflowException("the server is gone")
    Outbox(client, "another", file).send(metric(3))
    outbox = Outbox(MlflowClient(f"sqlite:///{store}"), run_id, file)
    outbox.send(metric(4))
    assert steps(store, run_id) == [4]
    assert "holds the writes of another run, another; it is kept as" in caplog.text


def test_a_full_artifact_store_is_named_and_asked_once(
    tmp_path: Path, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    client.create_experiment("test", artifact_location=f"file://{small_disk}")
    (small_disk / "filler").write_bytes(bytes(41_900_000))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "best.keras"
        file.write_bytes(bytes(100_000))
        with Tracker(uri, "test").run(
            name, tags={}, params={}, outbox=tmp_path / name / Files.OUTBOX
        ) as run:
            run.log_file(file)
            run.log_batch(metrics={"loss": 1.0})
    assert f"No space left on device: file://{small_disk}/" in caplog.text
    assert caplog.text.count("MLflow's artifact store is full, writes are queued") == 2
    caplog.clear()
    assert deliver_all(tmp_path) == (0, 2)
    assert caplog.text.count("MLflow's artifact store is full, writes are queued") == 1
    runs = client.search_runs([client.get_experiment_by_name("test").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    (small_disk / "filler").unlink()
    assert deliver_all(tmp_path) == (2, 0)
    assert [len(client.list_artifacts(run.info.run_id)) for run in runs] == [1, 1]


def test_nothing_is_written_once_the_run_is_anothers(
    store: Path, run_id: str, tmp_path: Path
) -> None:
    file = tmp_path / Files.OUTBOX
    client = Flaky(f"sqlite:///{store}")
    outbox = Outbox(client, run_id, file)
    client.away = requests.ConnectionError("no network")
    outbox.send(metric(0))
    queued = file.read_bytes()

    def check() -> None:
        raise SupersededError("another attempt")

    outbox.guard.begin(check)
    client.away = None
    with pytest.raises(SupersededError):
        outbox.send(metric(1))
    outbox.send(metric(2))  # no second error, so that the job can end
    outbox.close()
    assert steps(store, run_id) == []
    assert file.read_bytes() == queued  # for the other attempt
