"""An MLflow store: its client, single runs of it, and the commands that show it."""

import shlex
import shutil
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, chdir, nullcontext
from pathlib import Path

from hydra.utils import to_absolute_path
from mlflow.entities import LifecycleStage, Metric, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient, get_tracking_uri

from rnnexp.passwords import for_mlflow, to_type
from rnnexp.storage import empty_stores
from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_run import Run, now_ms, stored_names
from rnnexp.storage.retry import FIRST_PAUSE, LONGEST_PAUSE, retry_transient
from rnnexp.storage.schema import Files, Tags
from rnnexp.storage.store_problems import new_store_problem, opening_problem, read_problem
from rnnexp.storage.uris import absolute_uri, is_database, is_server, sqlite_file, write_problem
from rnnexp.storage.write_queue import read

DEFAULT_URI = "sqlite:///mlflow.db"  # where a bare `mlflow ui` looks


def modules_of_store(uri: str) -> list[str]:
    """Return the modules that MLflow imports when a store is first used.

    Args:
        uri: MLflow's tracking URI, absolute.
    """
    return ["mlflow.store.tracking.sqlalchemy_store"] if is_database(uri) else []


class MlflowStore:
    """An MLflow store, without global state: every call names its run.

    Args:
        uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, else MLflow's default.

    Attributes:
        uri: The tracking URI, absolute, with ``***`` for a password.
    """

    def __init__(self, uri: str | None) -> None:
        with _start_folder():
            self.uri = absolute_uri(uri or get_tracking_uri())

    @property
    def is_new(self) -> bool:
        """Whether the store is a SQLite file that is not there yet."""
        file = sqlite_file(self.uri)
        return bool(file and not file.exists())

    def problems(self) -> list[str]:
        """Return why no run can be written to this store; empty if runs can be written."""
        problem = self.read_problem() or write_problem(self.uri)
        if self.is_new and not problem:
            problem = new_store_problem(Path(to_absolute_path(".")))
        return [f"tracking.uri: {problem}"] if problem else []

    def read_problem(self) -> str | None:
        """Return why no run can be read from this store; None if the store is new, or can be."""
        problem = read_problem(self.uri)
        if problem or self.is_new:
            return problem
        try:
            self.client()
        except Exception as error:  # whatever MLflow, SQLAlchemy, Alembic or a driver raises
            return opening_problem(self.uri, error)
        return None

    def unreachable(self, patience: float = 60.0) -> str | None:
        """Return why the store can't be read, after waiting for it; None if it can be.

        Args:
            patience: Seconds to wait for it.
        """
        end, pause = time.monotonic() + patience, FIRST_PAUSE
        while problem := self.read_problem():
            if time.monotonic() + pause > end:
                return problem
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        return None

    def run_problem(self, run_id: str) -> str | None:
        """Return why a run can't be written to, as half a sentence; None if it can be."""
        if not self.knows(run_id):
            return (
                f"its run {run_id} is not in {self.uri}; give the tracking URI that the study "
                "began with"
            )
        info = self.client().get_run(run_id).info
        if info.lifecycle_stage != LifecycleStage.DELETED:
            return None
        experiment = self.client().get_experiment(info.experiment_id)
        if experiment.lifecycle_stage == LifecycleStage.DELETED:
            what = f"the experiment {experiment.name}, which has its run,"
            how = f"mlflow experiments restore --experiment-id {info.experiment_id}"
        else:
            what = f"its run {run_id}"
            how = f"mlflow runs restore --run-id {run_id}"
        return f"{what} was deleted in MLflow; to restore it: {self.command_prefix()}{how}"

    def knows(self, run_id: str) -> bool:
        """Return whether a run is in this store, without creating a SQLite file."""
        if self.is_new:
            return False
        try:
            self.client().get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def attach(self, run_id: str, experiment_id: str) -> Run:
        """Give access to a run, to write to it; the run stays open, or ended, as it is."""
        return Run(self.client(), run_id, experiment_id)

    @retry_transient
    def add(self, run_id: str, *, metrics: Mapping[str, float], tags: Mapping[str, object]) -> None:
        """Add metrics and tags to a run that has ended."""
        now = now_ms()
        self.client().log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in stored_names(metrics).items()],
            tags=[RunTag(name, str(value)) for name, value in tags.items()],
        )

    @retry_transient
    def tag(self, run_id: str, name: str) -> str | None:
        """Return a run's tag; None if the run has no tag of that name."""
        value: str | None = self.client().get_run(run_id).data.tags.get(name)
        return value

    @retry_transient
    def download(self, run_id: str, path: str, folder: Path) -> Path:
        """Fetch one of a run's artifacts into a folder.

        A file that could not be stored yet is taken from where it is queued, on the same machine.

        Returns:
            The file, or the folder, that was fetched.
        """
        client = self.client()
        run = client.get_run(run_id)
        job = run.data.tags.get(Tags.FOLDER)
        if queued := _queued_file(Path(job), path) if job else None:
            return Path(shutil.copy(queued, folder))
        # MLflow's client says of every error that there is no such artifact.
        artifacts = get_artifact_repository(run.info.artifact_uri, client.tracking_uri)
        return Path(artifacts.download_artifacts(path, str(folder)))

    def how_to_browse(self, run: Run) -> str:
        """Return the command and the address that show a run among the others."""
        if is_server(self.uri):
            return f"open {to_type(self.uri).rstrip('/')}/{run.page}"
        uri = shlex.quote(to_type(self.uri))
        where = "" if self._is_default() else f" --backend-store-uri {uri}"
        return f"mlflow ui{where}    and open http://127.0.0.1:5000/{run.page}"

    def command_prefix(self) -> str:
        """Return what a command of MLflow needs before it to find this store; may be empty."""
        uri = shlex.quote(to_type(self.uri))
        return "" if self._is_default() else f"MLFLOW_TRACKING_URI={uri} "

    def client(self) -> MlflowClient:
        """Return MLflow's client of this store."""
        file = sqlite_file(self.uri)
        # Of two sweeps that begin at the same moment, one would find half of the other's tables.
        alone = locked(file.parent) if file and file.parent.exists() else nullcontext()
        with _start_folder(), alone:  # a new store remembers where its artifacts go
            empty_stores.begin(self.uri, "mlflow", MlflowClient)
            return MlflowClient(for_mlflow(self.uri))

    def _is_default(self) -> bool:
        return sqlite_file(self.uri) == sqlite_file(absolute_uri(DEFAULT_URI))


def _start_folder() -> AbstractContextManager[None]:
    """Enter the folder where the command was started, which MLflow's defaults are relative to."""
    return chdir(to_absolute_path("."))


def _queued_file(job: Path, path: str) -> Path | None:
    """Return the file that waits in a job's folder to be stored as an artifact."""
    for name in (Files.OUTBOX, Files.REFUSED):
        saved = read(job / name) if (job / name).exists() else None
        for entry in saved["entries"] if saved else ():
            if entry["kind"] == "file":
                file = Path(entry["path"])
                if (Path(entry["folder"] or "") / file.name) == Path(path) and file.exists():
                    return file
    return None
