"""Deletion of a run's checkpoint: the artifacts in MLflow, and the files in the job's folder."""

import logging
from collections.abc import Sequence
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from rnnexp.errors import one_line
from rnnexp.storage.retry import is_transient
from rnnexp.storage.schema import Artifacts, Tags

log = logging.getLogger(__name__)


def checkpoint_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files in a job's folder, and below, whose names match a pattern."""
    return sorted({f for pattern in patterns for f in folder.rglob(pattern) if f.is_file()})


def delete_checkpoint(
    client: MlflowClient, run_id: str | None, folder: Path, patterns: Sequence[str], reason: str
) -> None:
    """Delete a run's checkpoint, and tag the run with the reason; repeating it does no harm.

    The local files are deleted last: while there are any, the deletion is not complete.

    Args:
        client: MLflow's client of the run's store.
        run_id: The run; None if the job died before it had a run.
        folder: The job's folder.
        patterns: Which file names in the folder are checkpoints.
        reason: The rule by which the checkpoint is deleted.

    Raises:
        Exception: If MLflow is unreachable. A deletion that MLflow refuses is logged and skipped.
    """
    files = checkpoint_files(folder, patterns)
    try:
        if run_id:
            _delete_artifacts(client, run_id, reason, had_files=bool(files))
        for file in files:
            file.unlink(missing_ok=True)
    except Exception as error:
        if is_transient(error):
            raise
        log.warning("the checkpoint in %s can't be deleted: %s", folder, one_line(error))


def _delete_artifacts(client: MlflowClient, run_id: str, reason: str, *, had_files: bool) -> None:
    run = client.get_run(run_id)
    has_tag = Tags.CHECKPOINT in run.data.tags
    # The folder of a trial that ran on another machine has no files here.
    if not (has_tag or had_files or client.list_artifacts(run_id, Artifacts.CHECKPOINT)):
        return
    artifacts = get_artifact_repository(run.info.artifact_uri, client.tracking_uri)
    artifacts.delete_artifacts(Artifacts.CHECKPOINT)
    client.set_tag(run_id, Tags.CHECKPOINT_DELETED, reason)
    if has_tag:
        client.delete_tag(run_id, Tags.CHECKPOINT)
