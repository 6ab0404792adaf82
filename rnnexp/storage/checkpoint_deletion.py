"""Deletes a run's checkpoint: what MLflow has of it, and the files in the folder of its job."""

import logging
from collections.abc import Sequence
from pathlib import Path

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from rnnexp.errors import one_line
from rnnexp.storage.retry import is_transient

log = logging.getLogger(__name__)

# Of a run: a folder of artifacts, and the tag with the path of the best of them.
CHECKPOINT = "checkpoint"
DELETED = "checkpoint_deleted"  # tag of a run whose checkpoint was deleted: by which rule


def local_files(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """The files of a job's folder, and below it, whose names match."""
    return sorted({f for pattern in patterns for f in folder.rglob(pattern) if f.is_file()})


def discard(
    client: MlflowClient, run_id: str | None, folder: Path, patterns: Sequence[str], reason: str
) -> None:
    """Delete a run's checkpoint, and let the run say so; no harm is done by doing it again.

    The local files go last: while there are any, it isn't done.

    Args:
        client: Where the run is.
        run_id: The run; None if the job died before it had one.
        folder: The job's folder.
        patterns: What names of files there are checkpoints.
        reason: By which rule.

    Raises:
        Exception: If MLflow is away. What it refuses for good is logged, and left as it is.
    """
    files = local_files(folder, patterns)
    try:
        if run_id:
            _discard_artifacts(client, run_id, reason, had_files=bool(files))
        for file in files:
            file.unlink(missing_ok=True)
    except Exception as error:
        if is_transient(error) and not _is_refused(error):
            raise
        log.warning("a checkpoint can't be deleted, of %s: %s", folder, one_line(error))


def _discard_artifacts(client: MlflowClient, run_id: str, reason: str, *, had_files: bool) -> None:
    run = client.get_run(run_id)
    has_tag = CHECKPOINT in run.data.tags
    if not (has_tag or had_files):
        return
    get_artifact_repository(run.info.artifact_uri, client.tracking_uri).delete_artifacts(CHECKPOINT)
    client.set_tag(run_id, DELETED, reason)
    if has_tag:
        client.delete_tag(run_id, CHECKPOINT)


def _is_refused(error: Exception) -> bool:
    """Whether it would be so the next time as well."""
    answer = getattr(error, "response", None)  # of an artifact store behind HTTP
    return isinstance(error, PermissionError) or getattr(answer, "status_code", 500) < 500
