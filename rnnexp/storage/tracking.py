"""All MLflow calls: explicit run ids, no global state, one request an epoch."""

import logging
import os
import re
import shlex
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, chdir, contextmanager, nullcontext
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from hydra.utils import to_absolute_path
from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient, get_tracking_uri
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rnnexp.errors import one_line
from rnnexp.storage.outbox import Outbox
from rnnexp.storage.patience import patiently
from rnnexp.storage.stores import absolute_uri, locked, sqlite_file, write_fault
from rnnexp.storage.view import TAG as VIEW
from rnnexp.storage.view import view

# MLflow reports every step of making a new SQLite store and of saving a model, and draws a bar for
# every download.
# Matplotlib, which it imports, reports that it looks for fonts.
for _name in (
    "alembic",
    "matplotlib",
    "mlflow.pyfunc",
    "mlflow.store.db.utils",
    "mlflow.system_metrics",
):
    logging.getLogger(_name).setLevel(logging.WARNING)
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# By itself it would wait four minutes for a server that is away; here writes wait in `Outbox`.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")

_ILLEGAL = re.compile(r"[^\w\-. :/]")  # in the name of a param, such as the @ of a package
DEFAULT_URI = "sqlite:///mlflow.db"  # where a bare `mlflow ui` looks
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
            "time": _now(),
            "params": {param_name(name): str(value) for name, value in (params or {}).items()},
            "tags": self._noted | {name: str(value) for name, value in (tags or {}).items()},
        }
        self._noted = {}
        self._outbox.send(entry)

    def note(self, **tags: object) -> None:
        """Tags that are written with the next batch, since every request takes its time."""
        self._noted |= {name: str(value) for name, value in tags.items()}

    @patiently
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

    @patiently
    def steps(self, metric: str) -> set[int]:
        """The steps at which a metric has been written."""
        return {entry.step for entry in self._client.get_metric_history(self.id, metric)}

    @patiently
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
        self._outbox.send({"kind": "end", "status": self._status, "time": _now()})
        self._outbox.deliver()


class Tracker:
    """One experiment of one MLflow store.

    Args:
        uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, else MLflow's default.
        experiment: The experiment's name; made when the first run is.
        system_metrics: Whether jobs log MLflow's system metrics.
    """

    def __init__(self, uri: str | None, experiment: str, system_metrics: bool = False) -> None:
        with _start_folder():
            self.uri = absolute_uri(uri or get_tracking_uri())
        self.system_metrics = system_metrics
        self._experiment = experiment

    def faults(self) -> list[str]:
        """Why no run can be written as it is asked for; empty if one can."""
        faults: list[str] = []
        if not isinstance(self.system_metrics, bool):
            faults.append(f"tracking.system_metrics={self.system_metrics}: must be true or false")
        # MLflow's own default is percent-encoded.
        fault = write_fault(unquote(self.uri) if self.uri.startswith("sqlite:") else self.uri)
        try:
            if not fault and not self.uri.startswith(("sqlite:", "http")):
                self.client()
        except MlflowException as error:
            # Such as a scheme that it doesn't know, or a store of files, which it has given up.
            fault = f"{self.uri} can't be used: {one_line(error)}"
        return [*faults, f"tracking.uri: {fault}"] if fault else faults

    @contextmanager
    def run(
        self,
        name: str | None,
        *,
        tags: Mapping[str, object],
        params: Mapping[str, object],
        parent: str | None = None,
        continued: str | None = None,
        outbox: Path | None = None,
    ) -> Iterator[Run]:
        """A run that is ended however the block ends.

        An exception ends it as FAILED with the traceback as artifact, Ctrl-C as KILLED.

        Args:
            name: Its name in the UI; None for one that MLflow makes up.
            tags: Its tags at the start.
            params: Its params.
            parent: Id of the run that it is nested under.
            continued: Id of a run that goes on, in place of a new one.
            outbox: Where writes wait while MLflow is away; None to raise its errors.
        """
        all_tags = {key: str(value) for key, value in tags.items()}
        if parent:
            all_tags[MLFLOW_PARENT_RUN_ID] = parent
        run = self._open(name, all_tags, continued, outbox)
        try:
            if not (continued and run.has_params()):
                run.log_batch(params=params)
            yield run
        except Exception as error:
            run.end_failed(error)
            raise
        except BaseException:
            run.end_killed()
            raise
        finally:
            run.terminate()

    @patiently
    def _open(
        self, name: str | None, tags: dict[str, str], continued: str | None, outbox: Path | None
    ) -> Run:
        client = self.client()
        experiment_id = self._experiment_id(client)
        if continued:
            client.update_run(continued, status="RUNNING")
            if "reason" in client.get_run(continued).data.tags:
                client.delete_tag(continued, "reason")  # of an attempt that failed
            run = Run(client, continued, experiment_id, outbox)
            run.log_batch(tags=tags)
            return run
        created = client.create_run(experiment_id, tags=tags, run_name=name)
        return Run(client, created.info.run_id, experiment_id, outbox)

    def attach(self, run_id: str, experiment_id: str) -> Run:
        """A run, for more to be written to it, that is left open or ended as it is."""
        return Run(self.client(), run_id, experiment_id)

    @patiently
    def find(self, tags: Mapping[str, object], parent: str | None = None) -> str | None:
        """The run with these tags, nested under a parent if it has one; None if there is none."""
        client = self.client()
        texts = {name: str(value) for name, value in tags.items()}
        if parent:
            texts[MLFLOW_PARENT_RUN_ID] = parent
        plain = [f"tags.{k} = '{v}'" for k, v in texts.items() if not set(v) & set("'\"\\")]
        found = client.search_runs([self._experiment_id(client)], " and ".join(plain))
        return next((r.info.run_id for r in found if texts.items() <= r.data.tags.items()), None)

    def knows(self, run_id: str) -> bool:
        """Whether a run is in this store; a store that isn't there is not made."""
        file = sqlite_file(unquote(self.uri))
        if file and not file.exists():
            return False
        try:
            self.client().get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    @patiently
    def end_failed(
        self, run_id: str, tags: Mapping[str, object], outbox: Path, epochs: int
    ) -> None:
        """End a run whose own process can't do it, after what that process has left waiting."""
        client = self.client()
        run = Run(client, run_id, "", outbox)
        took = {SECONDS: seconds_so_far(client, run_id), "epochs": epochs}
        run.log_batch(metrics=took, tags=tags)
        run.end_failed("")
        run.terminate()

    @patiently
    def add(self, run_id: str, *, metrics: Mapping[str, float], tags: Mapping[str, object]) -> None:
        """Write something more to a run that has ended."""
        now = _now()
        self.client().log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            tags=[RunTag(name, str(value)) for name, value in tags.items()],
        )

    @patiently
    def tag(self, run_id: str, name: str) -> str | None:
        """A run's tag; None if it has none of that name."""
        value: str | None = self.client().get_run(run_id).data.tags.get(name)
        return value

    @patiently
    def download(self, run_id: str, path: str, folder: Path) -> Path:
        """Fetch one of a run's artifacts into a folder."""
        return Path(self.client().download_artifacts(run_id, path, str(folder)))

    @patiently
    def save_view(
        self, run: Run, study: str, keys: Iterable[str], direction: Literal["minimize", "maximize"]
    ) -> None:
        """Let MLflow's UI offer a view of a study, which the run's page then is.

        Args:
            run: The study's run.
            study: Its name.
            keys: What it searches, by config key.
            direction: What counts as best.
        """
        if text := view(study, [param_name(key) for key in keys], direction, _now()):
            self.client().set_experiment_tag(run.experiment_id, f"{VIEW}{run.id}", text)
            run.page += f"?viewStateShareKey={run.id}"

    def how_to_browse(self, run: Run) -> str:
        """The command, and the address, that show the runs beside this one."""
        if self.uri.startswith("http"):
            return f"open {self.uri}/{run.page}"
        where = "" if self._is_default() else f" --backend-store-uri {shlex.quote(self.uri)}"
        return f"mlflow ui{where}    and open http://127.0.0.1:5000/{run.page}"

    def environment(self) -> str:
        """What stands before a command of MLflow's, so that it finds this store; may be empty."""
        return "" if self._is_default() else f"MLFLOW_TRACKING_URI={shlex.quote(self.uri)} "

    def client(self) -> MlflowClient:
        """MLflow's client of this store."""
        file = sqlite_file(unquote(self.uri))
        # Of two sweeps that begin at the same moment, one would find half of the other's tables.
        alone = locked(file.parent) if file and file.parent.exists() else nullcontext()
        with _start_folder(), alone:  # a new store notes where its artifacts go
            return MlflowClient(self.uri)

    def _is_default(self) -> bool:
        return unquote(self.uri) == absolute_uri(DEFAULT_URI)

    def _experiment_id(self, client: MlflowClient) -> str:
        found = client.get_experiment_by_name(self._experiment)
        if found:
            return str(found.experiment_id)
        try:
            return str(client.create_experiment(self._experiment))
        except MlflowException:
            # Made by another process a moment ago.
            found = client.get_experiment_by_name(self._experiment)
            if not found:
                raise
            return str(found.experiment_id)


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


def _now() -> int:
    return int(time.time() * 1000)


def _start_folder() -> AbstractContextManager[None]:
    """MLflow's defaults are relative to the working folder, which Hydra may have changed."""
    return chdir(to_absolute_path("."))
