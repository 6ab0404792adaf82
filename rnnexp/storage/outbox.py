"""Writes to MLflow, in order; while MLflow is unreachable, writes are queued in a file.

MLflow's server may be restarted, or its disk be full for a while: training goes on. Every write
first tries to deliver the queued writes. Writes that are still queued at the end are in the file,
for ``rnnexp deliver``.
"""

import json
import logging
import time
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from rnnexp.atomic import atomic_write
from rnnexp.errors import one_line
from rnnexp.storage.checkpoint_deletion import delete_checkpoint
from rnnexp.storage.locks import locked
from rnnexp.storage.retry import PAUSE, is_transient, retry_transient
from rnnexp.storage.schema import Files
from rnnexp.storage.trial_folder import lock_of

log = logging.getLogger(__name__)

Entry = dict[str, Any]


class Outbox:
    """The writes of one run.

    Args:
        client: MLflow's client of the store.
        run_id: The run.
        file: Where writes are queued that could not be made; None to raise their errors.
    """

    def __init__(self, client: MlflowClient, run_id: str, file: Path | None) -> None:
        self._client = client
        self._run_id = run_id
        self._file = file
        self._queue: list[Entry] = []
        self._next_try = 0.0
        self._is_saved = False
        if file and file.exists():  # from an attempt that died
            saved = read(file)
            if saved and saved["run_id"] != run_id:
                set_aside(file, f"holds the writes of another run, {saved['run_id']}")
            elif saved:
                self._queue = saved["entries"]

    def send(self, entry: Entry) -> None:
        """Write an entry, now or later.

        Args:
            entry: ``kind`` and what `write` needs for this kind.
        """
        self._queue.append(entry)
        if time.monotonic() >= self._next_try:
            self.deliver()
        else:
            self._save()

    def deliver(self) -> bool:
        """Deliver the queued writes.

        Returns:
            True if the queue is empty.

        Raises:
            Exception: If MLflow refuses a write, or if there is no file for the queue.
        """
        while self._queue:
            try:
                write(self._client, self._run_id, self._queue[0])
            except Exception as error:
                if self._file is None or not is_transient(error):
                    raise
                if not self._file.exists():
                    log.warning("MLflow is unreachable, writes are queued: %s", one_line(error))
                self._next_try = time.monotonic() + PAUSE
                self._save()
                return False
            self._queue.pop(0)
        if self._file and self._file.exists():
            self._file.unlink()
            log.warning("MLflow can be reached again: all queued writes are delivered")
        return True

    def close(self) -> None:
        """Deliver the queued writes, or store them in the file, before the process forgets them.

        Raises:
            OSError: If the file can't be written for ten minutes, as on a disk that stays full.
        """
        if not self.deliver() and not self._is_saved:
            retry_transient(self._write_file)()

    def _save(self) -> None:
        if not self._file:
            return
        try:
            self._write_file()
        except OSError as error:  # this disk is full as well; the queue is in memory
            self._is_saved = False
            log.warning("%s can't be written: %s", self._file, one_line(error))

    def _write_file(self) -> None:
        saved = {
            "uri": self._client.tracking_uri,
            "run_id": self._run_id,
            "entries": self._queue,
        }
        if self._file:
            atomic_write(self._file, json.dumps(saved))
        self._is_saved = True


def write(client: MlflowClient, run_id: str, entry: Entry) -> None:
    """Make one write to a run.

    Raises:
        BlockingIOError: If the writes of a job, whose checkpoint is to be deleted, are queued.
        Exception: Whatever MLflow raises.
    """
    match entry["kind"]:
        case "batch":
            metrics = [
                Metric(name, value, entry["time"], entry["step"])
                for name, value in entry["metrics"].items()
            ]
            params = [Param(*item) for item in entry["params"].items()]
            tags = [RunTag(*item) for item in entry["tags"].items()]
            client.log_batch(run_id, metrics=metrics, params=params, tags=tags)
        case "delete_tag":
            if entry["name"] in client.get_run(run_id).data.tags:
                client.delete_tag(run_id, entry["name"])
        case "file":
            client.log_artifact(run_id, entry["path"], entry["folder"])
        case "text":
            client.log_text(run_id, entry["text"], entry["name"])
        case "delete_checkpoint":
            folder = Path(entry["folder"])
            if deliver_all(folder)[1]:  # else the checkpoint would be uploaded after its deletion
                raise BlockingIOError(f"the writes in {folder} are still queued")
            delete_checkpoint(client, entry["run_id"], folder, entry["patterns"], entry["reason"])
        case "end":
            client.set_terminated(run_id, entry["status"], end_time=entry["time"])
        case kind:
            raise ValueError(f"unknown kind of write: {kind}")


def read(file: Path) -> dict[str, Any] | None:
    """Read the queued writes of a run from their file; a torn file is reported and set aside.

    Returns:
        ``uri``, ``run_id`` and ``entries``; None if the file could not be read.

    Raises:
        OSError: If the file can't be opened.
    """
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        saved = json.loads(text)
        return {name: saved[name] for name in ("uri", "run_id", "entries")}
    except (ValueError, KeyError, TypeError):  # empty or cut, as after a power cut
        set_aside(file, "is torn")
        return None


def set_aside(file: Path, problem: str) -> None:
    """Rename a file of queued writes that can't be delivered, so that others can be."""
    aside = file.with_name(file.name + Files.UNREADABLE)
    file.replace(aside)
    log.warning("%s %s; it is kept as %s, and its writes are not made", file, problem, aside.name)


def deliver_all(folder: Path) -> tuple[int, int]:
    """Deliver the queued writes anywhere below a folder.

    Returns:
        The number of runs that are complete now, and of those that are not.
    """
    delivered = queued = 0
    for file in sorted(folder.rglob("*" + Files.OUTBOX)):
        with locked(lock_of(file.parent), wait=False) as is_free:
            if not (is_free and file.exists()):  # the trial is running, and delivers by itself
                continue
            saved = read(file)
            if not saved:
                continue
            outbox = Outbox(MlflowClient(saved["uri"]), saved["run_id"], file)
            if outbox.deliver():
                delivered += 1
            else:
                queued += 1
    return delivered, queued
