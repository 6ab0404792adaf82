"""The backup of a trial among its run's artifacts, for a machine that can't see the trial's folder.

The backup, the checkpoints whose epochs it names, tables and the log belong together, so that one
archive has all files of the folder, as they were after an epoch.
"""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from rnnexp.errors import one_line
from rnnexp.full_disk import is_disk_full
from rnnexp.storage.error_kinds import ErrorKind, kind_of
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Artifacts, Files, Tags

log = logging.getLogger(__name__)

# Ends of the names of files that belong to the attempt that runs, or to none.
LEFT_OUT = (Artifacts.BACKUP, Files.TRIAL, Files.OUTBOX, Files.REFUSED, Files.UNREADABLE)


def size_of(folder: Path) -> float:
    """Return the megabytes of the files in a trial's folder that are uploaded."""
    return sum(file.stat().st_size for file in _files(folder)) / 1e6


def upload(client: MlflowClient, run_id: str, folder: Path) -> None:
    """Upload the files of a trial's folder, in the place of an earlier backup.

    Args:
        client: MLflow's client of the run's store.
        run_id: The trial's run.
        folder: The trial's folder.

    Raises:
        Exception: Whatever MLflow raises, or the disk, where the archive is made first.
    """
    archive = folder / Artifacts.BACKUP
    try:
        with ZipFile(archive, "w") as zipped:
            for file in _files(folder):
                zipped.write(file, file.relative_to(folder))
        client.log_artifact(run_id, str(archive))
        client.set_tag(run_id, Tags.BACKUP, Artifacts.BACKUP)
    finally:
        archive.unlink(missing_ok=True)


def fetch(store: MlflowStore, run_id: str, folder: Path, *, is_new: bool) -> None:
    """Fetch the uploaded backup into a trial's folder, unless the folder has what is newer.

    A backup that can't be had is logged: the trial goes on from what the folder has, or starts
    anew.

    Args:
        store: The store of the run.
        run_id: The trial's run.
        folder: The trial's folder.
        is_new: Whether no attempt of the trial has run in the folder.
    """
    try:
        tags = retry_transient(store.client().get_run)(run_id).data.tags
        if Tags.BACKUP not in tags or (not is_new and tags.get(Tags.FOLDER) == str(folder)):
            return
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as scratch:
            file = store.download(run_id, tags[Tags.BACKUP], Path(scratch))
            _extract(file, folder)
    except Exception as error:  # whatever MLflow raises, and zipfile on a torn file
        if is_disk_full(error):
            raise
        reason = f"{type(error).__name__}: {one_line(error)}"
        log.warning("the backup among the artifacts of run %s can't be had: %s", run_id, reason)
    else:
        log.info("the backup of %s was fetched from the run's artifacts", tags.get(Tags.HOST))


def delete(client: MlflowClient, run_id: str) -> None:
    """Delete the uploaded backup of a trial, if there is one.

    Raises:
        Exception: Whatever MLflow raises.
    """
    run = client.get_run(run_id)
    if Tags.BACKUP in run.data.tags:
        artifacts = get_artifact_repository(run.info.artifact_uri, client.tracking_uri)
        artifacts.delete_artifacts(Artifacts.BACKUP)
        client.delete_tag(run_id, Tags.BACKUP)


def try_to_delete(client: MlflowClient, run_id: str | None) -> None:
    """Delete the uploaded backup of a trial, if there is one; log why it can't be deleted.

    ``rnnexp check --repair`` deletes a backup that was left.

    Args:
        client: MLflow's client of the run's store.
        run_id: The trial's run; None if the trial has none.
    """
    try:
        if run_id:
            delete(client, run_id)
    except Exception as error:
        if kind_of(error) is ErrorKind.FATAL:
            raise
        log.warning("the backup of run %s can't be deleted: %s", run_id, one_line(error))


def _extract(file: Path, folder: Path) -> None:
    with ZipFile(file) as archive:
        if torn := archive.testzip():
            raise BadZipFile(f"{torn} is torn")
        archive.extractall(folder)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files that are uploaded: all but hidden files, such as those of Hydra."""
    for file in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not is_hidden and not file.name.endswith(LEFT_OUT):
            yield file
