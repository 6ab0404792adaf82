"""All MLflow calls: explicit run ids, no global state, one request an epoch."""

import logging
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
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
from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_run import SECONDS, Run, now_ms, param_name, seconds_so_far
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.ui_view import TAG as VIEW
from rnnexp.storage.ui_view import view
from rnnexp.storage.uris import absolute_uri, sqlite_file, write_problem

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

DEFAULT_URI = "sqlite:///mlflow.db"  # where a bare `mlflow ui` looks


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

    def problems(self) -> list[str]:
        """Why no run can be written as it is asked for; empty if one can."""
        problems: list[str] = []
        if not isinstance(self.system_metrics, bool):
            problems.append(f"tracking.system_metrics={self.system_metrics}: must be true or false")
        # MLflow's own default is percent-encoded.
        problem = write_problem(unquote(self.uri) if self.uri.startswith("sqlite:") else self.uri)
        try:
            if not problem and not self.uri.startswith(("sqlite:", "http")):
                self.client()
        except MlflowException as error:
            # Such as a scheme that it doesn't know, or a store of files, which it has given up.
            problem = f"{self.uri} can't be used: {one_line(error)}"
        return [*problems, f"tracking.uri: {problem}"] if problem else problems

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

    @retry_transient
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

    @retry_transient
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

    @retry_transient
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

    @retry_transient
    def add(self, run_id: str, *, metrics: Mapping[str, float], tags: Mapping[str, object]) -> None:
        """Write something more to a run that has ended."""
        now = now_ms()
        self.client().log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
            tags=[RunTag(name, str(value)) for name, value in tags.items()],
        )

    @retry_transient
    def tag(self, run_id: str, name: str) -> str | None:
        """A run's tag; None if it has none of that name."""
        value: str | None = self.client().get_run(run_id).data.tags.get(name)
        return value

    @retry_transient
    def download(self, run_id: str, path: str, folder: Path) -> Path:
        """Fetch one of a run's artifacts into a folder."""
        return Path(self.client().download_artifacts(run_id, path, str(folder)))

    @retry_transient
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
        if text := view(study, [param_name(key) for key in keys], direction, now_ms()):
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


def _start_folder() -> AbstractContextManager[None]:
    """MLflow's defaults are relative to the working folder, which Hydra may have changed."""
    return chdir(to_absolute_path("."))
