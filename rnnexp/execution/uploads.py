"""When a job uploads the backup of its trial, where not all machines see the sweep's folder.

A job on a machine that can't see the folder works in a scratch folder, which is removed when the
job ends. What has to outlive the job goes to MLflow before that: the backup as an artifact of the
run, and the writes that are queued. The jobs on the other machines upload their backups as well,
since their trials may go on anywhere.
"""

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from hydra.conf import HydraConf
from mlflow.tracking import MlflowClient

from rnnexp.errors import RnnexpError, one_line
from rnnexp.full_disk import is_disk_full
from rnnexp.passwords import for_mlflow
from rnnexp.storage import backup_artifact
from rnnexp.storage.error_kinds import ErrorKind, kind_of
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.outbox import Outbox
from rnnexp.storage.retry import LONGEST_PAUSE, retry_transient
from rnnexp.storage.schema import Files, StudyAttrs
from rnnexp.storage.uris import is_server
from rnnexp.storage.write_queue import read

log = logging.getLogger(__name__)


@dataclass
class Uploads:
    """The uploads of one job; nothing is done in a study whose folder all machines see.

    Attributes:
        store: The store of the trial's run.
        folder: The trial's folder.
        is_on: Whether backups are uploaded.
        is_away: Whether this machine can't see the sweep's folder.
        seconds: Seconds of training between two uploads, at least.
        megabytes: The largest folder that is uploaded while the trial runs.
        run: The trial's run, once it is open.
    """

    store: MlflowStore
    folder: Path
    is_on: bool = False
    is_away: bool = False
    seconds: float = math.inf
    megabytes: float = math.inf
    run: Run | None = None
    _due: float = field(default_factory=time.monotonic)
    _is_too_large: bool = False

    def fetch(self, run_id: str | None, *, is_new: bool) -> None:
        """Fetch the backup of earlier attempts, if need be; see `backup_artifact.fetch`."""
        if self.is_on and run_id:
            backup_artifact.fetch(self.store, run_id, self.folder, is_new=is_new)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep what has to outlive the job, once its run has ended with the block.

        Raises:
            ConnectionError: If MLflow can't be reached for ten minutes.
        """
        try:
            yield
        except KeyboardInterrupt:
            self.upload()
            raise
        except Exception as error:
            if not is_disk_full(error):  # such a trial is retried
                self.delete()
            raise
        finally:
            if self.is_away and not self._is_superseded:
                _deliver(self.folder / Files.OUTBOX)

    def begin(self, run: Run) -> None:
        """Begin with the trial's run, which is open now."""
        self.run = run
        self._due = time.monotonic() + self.seconds

    def after_epoch(self) -> None:
        """Upload the backup, if the last upload was long enough ago and the folder is no larger."""
        if not self.is_on or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + self.seconds
        if (size := backup_artifact.size_of(self.folder)) > self.megabytes:
            if not self._is_too_large:
                log.warning(
                    "the backup has %.0f MB and is not uploaded before the trial pauses; "
                    "hydra.launcher.backup.megabytes=%g",
                    size,
                    self.megabytes,
                )
            self._is_too_large = True
            return
        try:
            self._upload()
        except Exception as error:
            if kind_of(error) is ErrorKind.FATAL:
                raise
            log.warning("the backup can't be uploaded now: %s", one_line(error))
            self._due = time.monotonic() + max(self.seconds, LONGEST_PAUSE)

    def upload(self) -> None:
        """Upload the backup of a trial that is paused or interrupted, whatever its size."""
        if not self.is_on or self._is_superseded:
            return
        try:
            retry_transient(self._upload)()
        except Exception as error:
            if kind_of(error) is ErrorKind.FATAL:
                raise
            log.warning("the backup can't be uploaded: %s", one_line(error))

    def delete(self) -> None:
        """Delete the backup of a trial that has ended."""
        if self.is_on and self.run:
            backup_artifact.try_to_delete(self.store.client(), self.run.id)

    @property
    def _is_superseded(self) -> bool:
        """Whether the run is another attempt's now, or has never been this one's."""
        return self.run is None or self.run.guard.is_shut

    def _upload(self) -> None:
        if self.run:
            self.run.guard.check()
            backup_artifact.upload(self.store.client(), self.run.id, self.folder)


def uploads_of(
    study: optuna.Study, attrs: Mapping[str, Any], hydra: HydraConf, store: MlflowStore
) -> Uploads:
    """Return the uploads of a job, and let the study know that it needs them.

    Args:
        study: The study of the trial.
        attrs: The attributes of the study.
        hydra: Hydra's config of the job.
        store: The store of the trial's run.

    Raises:
        RnnexpError: If this machine can't see the sweep's folder, and MLflow is no server.
    """
    home, folder = attrs.get(StudyAttrs.FOLDER), Path(hydra.runtime.output_dir).absolute()
    is_away = home is not None and hydra.sweep.dir != home
    if is_away and not is_server(store.uri):
        raise RnnexpError(
            f"this machine can't see the sweep's folder {home}, where trials have their backups: "
            "give an MLflow server as tracking.uri, such as http://HOST:5000, or a folder on "
            "storage that all machines share"
        )
    is_on = is_away or bool(attrs.get(StudyAttrs.UPLOADS))
    if is_away and StudyAttrs.UPLOADS not in attrs:  # the machine has joined during the sweep
        retry_transient(study.set_user_attr)(StudyAttrs.UPLOADS, True)
    return Uploads(store, folder, is_on, is_away, **(hydra.launcher.get("backup") or {}))


@retry_transient
def _deliver(outbox: Path) -> None:
    """Deliver the queued writes of this job, whose file nobody else will see."""
    saved = read(outbox) if outbox.exists() else None
    if saved:
        client = MlflowClient(for_mlflow(saved["uri"]))
        if not Outbox(client, saved["run_id"], outbox).deliver():
            raise ConnectionError(
                "MLflow is unreachable, and the queued writes of the run are lost"
            )
