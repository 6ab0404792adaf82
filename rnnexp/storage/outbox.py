"""Writes to MLflow, in order; while MLflow is unreachable, writes are queued in a file.

MLflow's server may be restarted, or its disk be full for a while: training goes on. Every write
first tries to deliver the queued writes. Writes that are still queued at the end are in the file,
for ``rnnexp deliver``.

Runs and artifacts are two stores, often on two servers: while one is unreachable, what the other
takes is delivered. A write that MLflow refuses holds up nothing: it is set aside in a second file,
see rnnexp/storage/refused_writes.py.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from rnnexp.errors import one_line
from rnnexp.full_disk import is_disk_full
from rnnexp.passwords import for_mlflow, hide
from rnnexp.storage.checkpoint_deletion import delete_checkpoint
from rnnexp.storage.error_kinds import ErrorKind, kind_of
from rnnexp.storage.locks import locked
from rnnexp.storage.retry import FIRST_PAUSE, LONGEST_PAUSE, retry_on_disk
from rnnexp.storage.run_inputs import log_inputs
from rnnexp.storage.schema import Files
from rnnexp.storage.trial_folder import lock_of
from rnnexp.storage.write_guard import WriteGuard
from rnnexp.storage.write_queue import Entry, WriteQueue, read

log = logging.getLogger(__name__)


class Store(StrEnum):
    """Which of MLflow's stores a write goes to."""

    RUNS = "MLflow"
    ARTIFACTS = "MLflow's artifact store"


class Outbox:
    """The writes of one run.

    Args:
        client: MLflow's client of the store.
        run_id: The run.
        file: Where writes are queued that could not be made; None to raise their errors.

    Attributes:
        guard: Stops the writes once the run, and the file, are another attempt's.
    """

    def __init__(self, client: MlflowClient, run_id: str, file: Path | None) -> None:
        self._client = client
        self._run_id = run_id
        self._file = file
        self._head = {"uri": hide(client.tracking_uri), "run_id": run_id}
        self._queue = WriteQueue(file, self._head)
        self._refused: WriteQueue | None = None
        self._waiting = set(Store) if self._queue.entries else set()  # stores of the queued writes
        self._pauses: dict[Store, tuple[float, float]] = {}  # seconds, and when each is over
        self._reported: set[str] = set()
        self.guard = WriteGuard()

    def send(self, entry: Entry) -> None:
        """Write an entry, now or later.

        Args:
            entry: ``kind`` and what `write` needs for this kind.
        """
        self.guard.check()
        if self.guard.is_shut:
            return
        number = self._queue.append(entry)
        now = time.monotonic()
        paused = {store for store, (_, over) in self._pauses.items() if now < over}
        if Store.RUNS in paused or self._waiting <= paused:
            self._deliver([number], paused)
        else:
            self._deliver([*self._queue.entries], paused)

    def deliver(self, unreachable: set[Store] | None = None) -> bool:
        """Deliver the queued writes.

        Args:
            unreachable: Stores that are not asked; those that turn out so are added.

        Returns:
            True if the queue is empty.

        Raises:
            Exception: If there is no file for a write that can't be made, or if the error is no
                store's answer. The write is then no longer queued.
        """
        return self._deliver([*self._queue.entries], set() if unreachable is None else unreachable)

    def close(self) -> None:
        """Deliver the queued writes, or store them in the file, before the process forgets them.

        Raises:
            OSError: If the file can't be written for ten minutes, as on a disk that stays full.
        """
        if self.guard.is_shut:
            return
        self.deliver()
        for queue in (self._queue, self._refused):
            if queue and not queue.is_saved:
                retry_on_disk(queue.save)()

    def _deliver(self, numbers: Sequence[int], unreachable: set[Store]) -> bool:
        waiting = set() if len(numbers) == len(self._queue.entries) else self._waiting.copy()
        for number in numbers:
            entry = self._queue.entries[number]
            store = _store_of(entry)
            # The artifact store is asked for through the run.
            if unreachable & {store, Store.RUNS}:
                waiting.add(store)
                continue
            try:
                write(self._client, self._run_id, entry)
            except Exception as error:
                kind = kind_of(error)
                if self._file and kind is ErrorKind.TRANSIENT:
                    unreachable.add(store)
                    waiting.add(store)
                    self._pause(store, error)
                    continue
                self._queue.remove(number)
                if not self._file or (kind is ErrorKind.FATAL and store is Store.RUNS):
                    raise
                self._set_aside(entry, error)
            else:
                self._queue.remove(number)
                self._pauses.pop(store, None)
        self._waiting = waiting
        was_queued = self._file is not None and self._file.exists()
        _try_to_save(self._queue)
        if was_queued and not self._queue.entries:
            log.warning("MLflow can be reached again: all queued writes are delivered")
        return not self._queue.entries

    def _pause(self, store: Store, error: Exception) -> None:
        if store not in self._pauses:
            problem = _why_queued(self._client, self._run_id, store, error)
            log.warning("%s %s", store, problem)
        seconds, _ = self._pauses.get(store, (FIRST_PAUSE / 2, 0.0))
        seconds = min(2 * seconds, LONGEST_PAUSE)
        self._pauses[store] = seconds, time.monotonic() + seconds

    def _set_aside(self, entry: Entry, error: Exception) -> None:
        """Keep a write that MLflow refuses for later, and log the reason, once for each kind."""
        reason = one_line(error)
        if entry["kind"] not in self._reported:
            log.warning(
                "MLflow refuses %s, which is set aside in %s: %s",
                described(entry), self._file and refused_file(self._file), reason,
            )  # fmt: skip
        self._reported.add(entry["kind"])
        if entry["kind"] != "delete_tag":  # made later, it would delete a newer tag
            self._keep_refused(entry | {"refused": reason})

    def _keep_refused(self, entry: Entry) -> None:
        """Add to the writes that were refused before, also of an attempt that died."""
        if not self._file:
            return
        if not (self._refused and self._refused.has_file):  # there is none, or it was delivered
            unsaved = self._refused.unsaved if self._refused else []
            self._refused = WriteQueue(refused_file(self._file), self._head)
            for earlier in unsaved:
                self._refused.append(earlier)
        self._refused.append(entry)
        _try_to_save(self._refused)


def _why_queued(client: MlflowClient, run_id: str, store: Store, error: Exception) -> str:
    reason = one_line(error)
    if not is_disk_full(error):
        return f"is unreachable, writes are queued: {reason}"
    if store is Store.ARTIFACTS and not getattr(error, "filename", None):
        with suppress(Exception):  # the run can't be read either
            reason += f": {client.get_run(run_id).info.artifact_uri}"
    return f"is full, writes are queued: {reason}"


def refused_file(outbox: Path) -> Path:
    """Return the file of the refused writes of an outbox."""
    return outbox.with_name(outbox.name.removesuffix(Files.OUTBOX) + Files.REFUSED)


def described(entry: Entry) -> str:
    """Return what an entry writes, for messages."""
    if entry["kind"] == "batch":
        names = [*entry["metrics"], *entry["params"], *entry["tags"]]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"the values of {', '.join(names[:3])}{more}"
    texts = {
        "file": "the file {path}",
        "text": "the file {name}",
        "inputs": "the run's datasets",
        "delete_tag": "the deletion of the tag {name}",
        "delete_checkpoint": "the deletion of the checkpoint in {folder}",
        "end": "the end of the run as {status}",
    }
    return texts[entry["kind"]].format_map(entry)


def _store_of(entry: Entry) -> Store:
    is_artifact = entry["kind"] in ("file", "text", "delete_checkpoint")
    return Store.ARTIFACTS if is_artifact else Store.RUNS


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
        case "inputs":
            log_inputs(client, run_id, entry["datasets"])
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


def _try_to_save(queue: WriteQueue) -> None:
    try:
        queue.save()
    except OSError as error:  # this disk is full as well; the writes are in memory
        log.warning("%s can't be written: %s", queue.file, one_line(error))


def deliver_all(folder: Path) -> tuple[int, int]:
    """Deliver the queued writes anywhere below a folder.

    Returns:
        The number of runs that are complete now, and of those that are not.
    """
    delivered = queued = 0
    unreachable: dict[str, set[Store]] = {}  # by URI, each of which is waited for once
    for file in sorted(folder.rglob("*" + Files.OUTBOX)):
        with locked(lock_of(file.parent), wait=False) as is_free:
            if not (is_free and file.exists()):  # the trial is running, and delivers by itself
                continue
            saved = read(file)
            if not saved:
                continue
            stores = unreachable.setdefault(saved["uri"], set())
            if Store.RUNS in stores:
                queued += 1
                continue
            outbox = Outbox(MlflowClient(for_mlflow(saved["uri"])), saved["run_id"], file)
            if outbox.deliver(stores):
                delivered += 1
            else:
                queued += 1
    return delivered, queued
