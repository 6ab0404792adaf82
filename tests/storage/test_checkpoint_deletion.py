"""The checkpoint of a trial that ran on another machine, whose folder is not there."""

from pathlib import Path

import pytest

from rnnexp.storage.checkpoint_deletion import delete_checkpoint
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.run_reader import runs_with_checkpoint
from rnnexp.storage.schema import Artifacts, Tags


@pytest.mark.parametrize(("has_artifact", "has_tag"), [(True, True), (True, False), (False, False)])
def test_the_artifacts_are_deleted(has_artifact: bool, has_tag: bool, tmp_path: Path) -> None:
    tracker = Tracker(f"sqlite:///{tmp_path}/mlflow.db", "test")
    with (
        tracker.run("study", tags={}, params={}) as study,
        tracker.run("trial", tags={}, params={}, parent=study.id) as run,
    ):
        if has_artifact:
            run.log_text("a model", f"{Artifacts.CHECKPOINT}/best.keras")
        if has_tag:
            run.log_batch(tags={Tags.CHECKPOINT: f"{Artifacts.CHECKPOINT}/best.keras"})
    client = tracker.client()
    assert runs_with_checkpoint(client, study.id) == ({run.id} if has_tag else set())
    delete_checkpoint(client, run.id, tmp_path / "0", ["*.keras"], "a rule")
    tags = client.get_run(run.id).data.tags
    assert Tags.CHECKPOINT not in tags
    assert tags.get(Tags.CHECKPOINT_DELETED) == ("a rule" if has_artifact else None)
    assert client.list_artifacts(run.id, Artifacts.CHECKPOINT) == []
    assert runs_with_checkpoint(client, study.id) == set()
