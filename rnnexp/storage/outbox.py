"""Writes to MLflow, in order; while MLflow is unreachable, writes are queued in a file.

MLflow's server may be restarted, or its disk be full for a while: training goes on. Every write
first tries to deliver the queued writes. Writes that are still queued at the end are in the file,
for ``rnnexp deliver``.

Runs and artifacts are two stores, often on two servers: while one is unreachable, what the other
takes is delivered. A write that MLflow refuses holds up nothing: it is set aside in a second file,
see rnnexp/storage/refused_writes.py.
"""

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from rnnexp.atomic import atomic_write
from rnnexp.errors import one_line
from rnnexp.full_disk import is_disk_full
from rnnexp.passwords import for_mlflow, hide
from rnnexp.storage.checkpoint_deletion import delete_checkpoint
from rnnexp.storage.error_kinds import ErrorKind, kind_of
from rnnexp.storage.locks import locked
from rnnexp.storage.retry import FIRST_PAUSE, LONGEST_PAUSE, retry_on_disk
from rnnexp.storage.schema import Files
from rnnexp.storage.trial_folder import lock_of

log = logging.getLogger(__name__)

Entry = dict[str, Any]


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
    """

    def __init__(self, client: MlflowClient, run_id: str, file: Path | None) -> None:
        self._client = client
        self._run_id = run_id
        self._file = file
        self._queue: list[Entry] = []
        self._pauses: dict[Store, tuple[float, float]] = {}  # seconds, and when each is over
        self._is_saved = False
        self._refused: list[Entry] = []
        self._reported: set[str] = set()
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
        now = time.monotonic()
        self._deliver({store for store, (_, over) in self._pauses.items() if now < over})

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
        return self._deliver(set() if unreachable is None else unreachable)

    def close(self) -> None:
        """Deliver the queued writes, or store them in the file, before the process forgets them.

        Raises:
            OSError: If the file can't be written for ten minutes, as on a disk that stays full.
        """
        if not self.deliver() and not self._is_saved:
            retry_on_disk(self._write_file)()
        if self._refused:
            retry_on_disk(self._write_refused)()

    def _deliver(self, unreachable: set[Store]) -> bool:
        position = 0
        while position < len(self._queue):
            entry = self._queue[position]
            store = _store_of(entry)
            # The artifact store is asked for through the run.
            if unreachable & {store, Store.RUNS}:
                position += 1
                continue
            try:
                write(self._client, self._run_id, entry)
            except Exception as error:
                kind = kind_of(error)
                if self._file and kind is ErrorKind.TRANSIENT:
                    unreachable.add(store)
                    self._pause(store, error)
                    continue
                del self._queue[position]
                if not self._file or (kind is ErrorKind.FATAL and store is Store.RUNS):
                    raise
                self._set_aside(entry, error)
            else:
                del self._queue[position]
                self._pauses.pop(store, None)
        if self._queue:
            self._save()
        elif self._file and self._file.exists():
            self._file.unlink()
            log.warning("MLflow can be reached again: all queued writes are delivered")
        return not self._queue

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
            self._refused.append(entry | {"refused": reason})
            self._try_to_write(self._write_refused)

    def _save(self) -> None:
        self._is_saved = False
        self._is_saved = self._try_to_write(self._write_file)

    def _try_to_write(self, writing: Callable[[], None]) -> bool:
        try:
            writing()
        except OSError as error:  # this disk is full as well; the writes are in memory
            log.warning("%s can't be written: %s", self._file, one_line(error))
            return False
        return True

    def _write_file(self) -> None:
        if self._file:
            self._write_to(self._file, self._queue)
        self._is_saved = True

    def _write_refused(self) -> None:
        """Add to the writes that were refused before, also of an attempt that died."""
        if self._file:
            file = refused_file(self._file)
            saved = read(file) if file.exists() else None
            earlier = saved["entries"] if saved else []
            self._write_to(file, [*earlier, *self._refused])
        self._refused = []

    def _write_to(self, file: Path, entries: list[Entry]) -> None:
        saved = {
            "uri": hide(self._client.tracking_uri),
            "run_id": self._run_id,
            "entries": entries,
        }
        atomic_write(file, json.dumps(saved))


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
