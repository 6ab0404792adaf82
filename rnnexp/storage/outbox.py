"""What is written to MLflow, in order; what can't be written now waits in a file.

MLflow's server may be restarted, or its disk be full for a while: training goes on. Every
write first tries to deliver what waits. What is still there at the end is in the file, for
`rnnexp deliver`.
"""

import json
import logging
import time
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from rnnexp.errors import one_line
from rnnexp.storage.checkpoint_deletion import discard
from rnnexp.storage.locks import locked
from rnnexp.storage.retry import PAUSE, is_transient

log = logging.getLogger(__name__)

FILE = "mlflow.outbox"  # in the folder of a trial; of a sweep, with its id before it

Entry = dict[str, Any]


class Outbox:
    """Writes of one run.

    Args:
        client: Where to write.
        run_id: The run.
        file: Where writes wait that could not be made; None if they can't wait.
    """

    def __init__(self, client: MlflowClient, run_id: str, file: Path | None) -> None:
        self._client = client
        self._run_id = run_id
        self._file = file
        self._waiting: list[Entry] = []
        self._next_try = 0.0
        if file and file.exists():  # left by an attempt that died
            self._waiting = json.loads(file.read_text())["entries"]

    def send(self, entry: Entry) -> None:
        """Write, now or later.

        Args:
            entry: ``kind`` and what `write` needs for it.
        """
        self._waiting.append(entry)
        if time.monotonic() >= self._next_try:
            self.deliver()
        else:
            self._keep()

    def deliver(self) -> bool:
        """Write what waits; whether nothing is left.

        Raises:
            Exception: If MLflow refuses what was written, or if nothing can wait.
        """
        while self._waiting:
            try:
                write(self._client, self._run_id, self._waiting[0])
            except Exception as error:
                if self._file is None or not is_transient(error):
                    raise
                if not self._file.exists():
                    log.warning("MLflow can't be written, metrics wait: %s", one_line(error))
                self._next_try = time.monotonic() + PAUSE
                self._keep()
                return False
            self._waiting.pop(0)
        if self._file and self._file.exists():
            self._file.unlink()
            log.warning("MLflow can be written again: nothing is missing")
        return True

    def _keep(self) -> None:
        if not self._file:
            return
        new = self._file.with_suffix(".new")
        kept = {
            "uri": self._client.tracking_uri,
            "run_id": self._run_id,
            "entries": self._waiting,
        }
        try:
            new.write_text(json.dumps(kept))
            new.replace(self._file)
        except OSError as error:  # this disk is full as well; what waits is in memory
            log.warning("%s can't be written: %s", self._file, one_line(error))


def write(client: MlflowClient, run_id: str, entry: Entry) -> None:
    """Make one write."""
    match entry["kind"]:
        case "batch":
            metrics = [
                Metric(name, value, entry["time"], entry["step"])
                for name, value in entry["metrics"].items()
            ]
            params = [Param(*item) for item in entry["params"].items()]
            tags = [RunTag(*item) for item in entry["tags"].items()]
            client.log_batch(run_id, metrics=metrics, params=params, tags=tags)
        case "file":
            client.log_artifact(run_id, entry["path"], entry["folder"])
        case "text":
            client.log_text(run_id, entry["text"], entry["name"])
        case "discard":
            folder = Path(entry["folder"])
            if deliver_all(folder)[1]:  # else its checkpoint would be uploaded after this
                raise BlockingIOError(f"what {folder} has for MLflow still waits")
            discard(client, entry["run_id"], folder, entry["patterns"], entry["reason"])
        case "end":
            client.set_terminated(run_id, entry["status"], end_time=entry["time"])
        case kind:
            raise ValueError(f"unknown kind of write: {kind}")


def deliver_all(folder: Path) -> tuple[int, int]:
    """Write what waits anywhere below a folder: how many runs are complete now, and are not."""
    done = left = 0
    for file in sorted(folder.rglob("*" + FILE)):
        with locked(file.parent, wait=False) as is_mine:
            if not (is_mine and file.exists()):  # its trial is running, and delivers by itself
                continue
            kept = json.loads(file.read_text())
            outbox = Outbox(MlflowClient(kept["uri"]), kept["run_id"], file)
            if outbox.deliver():
                done += 1
            else:
                left += 1
    return done, left
