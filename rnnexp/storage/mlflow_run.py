"""An MLflow run that is being written: explicit run id, one request an epoch."""

import re
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow.tracking import MlflowClient

from rnnexp.storage.outbox import Outbox
from rnnexp.storage.retry import retry_transient

_ILLEGAL = re.compile(r"[^\w\-. :/]")  # in the name of a param, such as the @ of a package
SECONDS = "seconds"  # metric of a run: how long it took, all of its attempts together


class Run:
    """An MLflow run that is being written.

    Attributes:
        id: MLflow's run id.
        experiment_id: MLflow's id of the experiment that it belongs to.
        page: Where MLflow's UI shows it among others.
        epochs: How many it has trained; None as long as none was told.
    """

    def __init__(
        self, client: MlflowClient, run_id: str, experiment_id: str, outbox: Path | None = None
    ) -> None:
        self._client = client
        self._outbox = Outbox(client, run_id, outbox)
        self.id = run_id
        self.experiment_id = experiment_id
        self.page = f"#/experiments/{experiment_id}/runs"
        self.epochs: int | None = None
        self._status = "FINISHED"
        self._noted: dict[str, str] = {}
        self._began, self._seconds_before = time.monotonic(), 0.0

    def log_batch(
        self,
        *,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> None:
        """Write in one request.

        Args:
            metrics: Values by name; NaN and infinity are stored as such.
            step: For metrics of an epoch, the epoch counted from 0.
            params: Values by name, which can't be changed later.
            tags: Values by name.
        """
        entry = {
            "kind": "batch",
            "metrics": {name: float(value) for name, value in (metrics or {}).items()},
            "step": step,
            "time": now_ms(),
            "params": {param_name(name): str(value) for name, value in (params or {}).items()},
            "tags": self._noted | {name: str(value) for name, value in (tags or {}).items()},
        }
        self._noted = {}
        self._outbox.send(entry)

    def note(self, **tags: object) -> None:
        """Tags that are written with the next batch, since every request takes its time."""
        self._noted |= {name: str(value) for name, value in tags.items()}

    @retry_transient
    def take_up(self) -> None:
        """Count the time of its earlier attempts as well."""
        self._seconds_before = seconds_so_far(self._client, self.id)
        self.log_batch(metrics={SECONDS: self._seconds_before})

    def log_outcome(
        self, *, tags: Mapping[str, object], metrics: Mapping[str, float] | None = None
    ) -> None:
        """Write what came out, with the epochs and the seconds that it took."""
        took = {SECONDS: self._seconds_before + time.monotonic() - self._began}
        if self.epochs is not None:
            took["epochs"] = self.epochs
        self.log_batch(metrics=took | dict(metrics or {}), tags=tags)

    @retry_transient
    def steps(self, metric: str) -> set[int]:
        """The steps at which a metric has been written."""
        return {entry.step for entry in self._client.get_metric_history(self.id, metric)}

    @retry_transient
    def has_params(self) -> bool:
        """Whether its params have been written; they can't be changed."""
        return bool(self._client.get_run(self.id).data.params)

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Store a file as artifact, in a folder of the run's artifacts."""
        self._outbox.send({"kind": "file", "path": str(path.absolute()), "folder": folder})

    def log_text(self, text: str, name: str) -> None:
        """Store a text as artifact."""
        self._outbox.send({"kind": "text", "text": text, "name": name})

    def discard_checkpoint(
        self, run_id: str | None, folder: Path, patterns: Sequence[str], reason: str
    ) -> None:
        """Delete the checkpoint of another run, once that can be done.

        Args:
            run_id: The other run; None if it never began.
            folder: The folder of its job.
            patterns: What names of files there are checkpoints.
            reason: By which rule.
        """
        self._outbox.send(
            {
                "kind": "discard",
                "run_id": run_id,
                "folder": str(folder),
                "patterns": list(patterns),
                "reason": reason,
            }
        )

    def end_killed(self) -> None:
        """Let the run end as KILLED, which is how MLflow's Optuna storage marks a pruned trial."""
        self._status = "KILLED"

    def end_failed(self, error: BaseException | str) -> None:
        """Let the run end as FAILED, with the traceback as artifact."""
        if isinstance(error, BaseException):
            self.log_text("".join(traceback.format_exception(error)), "traceback.txt")
        self._status = "FAILED"

    def terminate(self) -> None:
        """End the run."""
        self._outbox.send({"kind": "end", "status": self._status, "time": now_ms()})
        self._outbox.deliver()


def param_name(key: str) -> str:
    """A config key as MLflow takes it for the name of a param."""
    return _ILLEGAL.sub("_", key)


def seconds_so_far(client: MlflowClient, run_id: str) -> float:
    """How long the attempts of a run took, as far as they have written: the last may have died.

    What an attempt writes first, and last if it has the time to, is ``seconds`` up to then.
    """
    run = client.get_run(run_id)
    histories = {name: client.get_metric_history(run_id, name) for name in run.data.metrics}
    told = [(entry.timestamp, entry.value) for entry in histories.get(SECONDS, [])]
    since, seconds = max(told, default=(run.info.start_time, 0.0))
    last = max((entry.timestamp for entries in histories.values() for entry in entries), default=0)
    return float(seconds + max(last - since, 0) / 1000)


def now_ms() -> int:
    """Milliseconds since the epoch, as MLflow stores times."""
    return int(time.time() * 1000)
