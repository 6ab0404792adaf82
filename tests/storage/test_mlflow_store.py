from contextlib import nullcontext
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from rnnexp.storage.mlflow_run import seconds_so_far
from rnnexp.storage.mlflow_store import DEFAULT_URI
from rnnexp.storage.mlflow_tracker import Tracker


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
