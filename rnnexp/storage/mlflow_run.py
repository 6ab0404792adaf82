"""An MLflow run that is being written: an explicit run id, one request an epoch."""

import logging
import posixpath
import re
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mlflow import entities
from mlflow.tracking import MlflowClient

from rnnexp.errors import one_line
from rnnexp.passwords import without_password
from rnnexp.result import State
from rnnexp.storage.outbox import Outbox
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Artifacts, Metrics, Tags

log = logging.getLogger(__name__)

_ILLEGAL = re.compile(r"[^\w\-. :/]")  # in the name of a param, such as the @ of a package
_LONGEST_NAME = 250  # characters

T = TypeVar("T")


class Run:
    """An MLflow run that is being written.

    While MLflow is unreachable, writes are queued in order, see `rnnexp.storage.outbox`.

    Attributes:
        id: MLflow's id of the run.
        experiment_id: MLflow's id of the run's experiment.
        page: Where MLflow's UI shows the run among others, after the server's address.
        epochs: The number of epochs that the run has trained; None if nobody has counted.
        guard: Stops the writes once another attempt of the trial writes to the run.
        before: The run as it was stored when it went on; None for a new run.
    """

    def __init__(
        self, client: MlflowClient, run_id: str, experiment_id: str, outbox: Path | None = None,
        before: entities.Run | None = None,
    ) -> None:  # fmt: skip
        self._client = client
        self._outbox = Outbox(client, run_id, outbox)
        self.guard = self._outbox.guard
        self.id = run_id
        self.experiment_id = experiment_id
        self.page = f"#/experiments/{experiment_id}/runs"
        self.epochs: int | None = None
        self.before = before
        self._status = "FINISHED"
        self._next_tags: dict[str, str] = {}
        self._began, self._seconds_before = time.monotonic(), 0.0

    def log_batch(
        self,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        """Write metrics, params and tags in one request.

        Args:
            metrics: Values by name; NaN and infinity are stored as they are.
            step: The step of the metrics; for metrics of an epoch, the epoch from 0.
            params: Values by name, which can't be changed later.
            tags: Values by name.
        """
        entry = {
            "kind": "batch",
            "metrics": {name: float(value) for name, value in stored_names(metrics or {}).items()},
            "step": step,
            "time": now_ms(),
            "params": {name: _text(value) for name, value in stored_names(params or {}).items()},
            "tags": self._next_tags | {name: _text(value) for name, value in (tags or {}).items()},
        }
        self._next_tags = {}
        self._outbox.send(entry)

    def tag_later(self, tags: Mapping[str, object]) -> None:
        """Write tags with the next batch, since every request takes its time."""
        self._next_tags |= {name: _text(value) for name, value in tags.items()}

    def log_inputs(self, datasets: Sequence[Mapping[str, str]]) -> None:
        """Store the run's datasets in one request, as of `rnnexp.data.run_datasets`."""
        safe = [{name: _text(value) for name, value in one.items()} for one in datasets]
        if safe:
            self._outbox.send({"kind": "inputs", "datasets": safe})

    def delete_tag(self, name: str) -> None:
        """Delete a tag if the run has it, after the writes that are queued."""
        self._outbox.send({"kind": "delete_tag", "name": name})

    @retry_transient
    def continue_clock(self) -> None:
        """Count the seconds of the run's earlier attempts as well."""
        paused = _seconds_at_pause(self.before) if self.before else None
        self._seconds_before = paused or seconds_so_far(self._client, self.id)
        self.log_batch(metrics={Metrics.SECONDS: self._seconds_before})

    @property
    def seconds(self) -> float:
        """The seconds that all attempts of the run have taken so far."""
        return self._seconds_before + time.monotonic() - self._began

    def log_outcome(
        self, *, tags: Mapping[str, object], metrics: Mapping[str, float] | None = None
    ) -> None:
        """Write the outcome, with the epochs and the seconds that the run took."""
        spent = {Metrics.SECONDS: self.seconds}
        if self.epochs is not None:
            spent[Metrics.EPOCHS] = self.epochs
        self.log_batch(metrics=spent | dict(metrics or {}), tags=tags)

    @retry_transient
    def steps(self, metric: str) -> set[int]:
        """Return the steps at which a metric has been written."""
        history = self._client.get_metric_history(self.id, stored_name(metric))
        return {entry.step for entry in history}

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Store a file as artifact, in a folder of the run's artifacts."""
        self._outbox.send({"kind": "file", "path": str(path.absolute()), "folder": folder})

    def log_text(self, text: str, name: str) -> None:
        """Store a text as artifact."""
        self._outbox.send({"kind": "text", "text": _text(text), "name": name})

    def delete_checkpoint(
        self, run_id: str | None, folder: Path, patterns: Sequence[str], reason: str
    ) -> None:
        """Delete the checkpoint of another run, at once or when MLflow can be reached again.

        Args:
            run_id: The other run; None if the job died before it had a run.
            folder: The folder of the other run's job.
            patterns: Which file names are checkpoints, such as ``*.keras``.
            reason: The rule by which the checkpoint is deleted.
        """
        self._outbox.send(
            {
                "kind": "delete_checkpoint",
                "run_id": run_id,
                "folder": str(folder),
                "patterns": list(patterns),
                "reason": reason,
            }
        )

    def end_killed(self) -> None:
        """Let the run end as KILLED, which is how MLflow's Optuna storage marks a pruned trial."""
        self._status = "KILLED"

    def end_paused(self) -> None:
        """Let the run end as SCHEDULED, since its trial may go on."""
        self._status = "SCHEDULED"

    def end_failed(self, error: BaseException | str) -> None:
        """Let the run end as FAILED, with the traceback as artifact."""
        self._status = "FAILED"
        if isinstance(error, BaseException):
            try:
                self.log_text("".join(traceback.format_exception(error)), Artifacts.TRACEBACK)
            except Exception as refused:  # without a queue; the run ends all the same
                log.warning("the traceback can't be stored: %s", one_line(refused))

    def terminate(self) -> None:
        """End the run in MLflow."""
        self._outbox.send({"kind": "end", "status": self._status, "time": now_ms()})
        self._outbox.close()


def stored_name(name: str) -> str:
    """Return a name of a metric or a param in the form that MLflow takes.

    Whoever reads a metric from MLflow by its name in Keras asks for it by this name.

    Args:
        name: Such as ``precision@0.8``, or a config key with the ``@`` of a package.
    """
    legal = _ILLEGAL.sub("_", name)
    if posixpath.normpath(legal) != legal or legal.startswith((".", "/")):  # taken for a path
        legal = legal.replace("/", "_")
        legal = "_" + legal.lstrip(".") if legal.startswith(".") else legal or "_"
    return legal[:_LONGEST_NAME]


def stored_names(values: Mapping[str, T]) -> dict[str, T]:
    """Return values by their stored names, in the same order.

    Of names that become equal, those that MLflow takes as they are stay so, others get a number.
    """
    names = {name: stored_name(name) for name in values}
    taken = {name for name, legal in names.items() if name == legal}
    for name, legal in names.items():
        if name != legal:
            free, number = legal, 2
            while free in taken:
                free, number = f"{legal}_{number}", number + 1
            taken.add(free)
            names[name] = free
    return {names[name]: value for name, value in values.items()}


def _text(value: object) -> str:
    """Return a value as MLflow gets it; an error's message may have a URL with a password in it."""
    return without_password(str(value))


def _seconds_at_pause(run: entities.Run) -> float | None:
    """Return the seconds that a run took until it was paused, in order; None if it was not."""
    is_paused = run.data.tags.get(Tags.STATE) == State.PAUSED
    return run.data.metrics.get(Metrics.SECONDS) if is_paused else None


def seconds_so_far(client: MlflowClient, run_id: str) -> float:
    """Return the seconds that the attempts of a run took, as far as they have written.

    An attempt writes the metric ``seconds`` first, and last if it has the time to; the last attempt
    may have died, and counts up to the last metric that it wrote.
    """
    run = client.get_run(run_id)
    histories = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
    marks = [(entry.timestamp, entry.value) for entry in histories.get(Metrics.SECONDS, [])]
    since, seconds = max(marks, default=(run.info.start_time, 0.0))
    last = max((entry.timestamp for entries in histories.values() for entry in entries), default=0)
    return float(seconds + max(last - since, 0) / 1000)


def now_ms() -> int:
    """Return the milliseconds since the epoch, as MLflow stores times."""
    return int(time.time() * 1000)
