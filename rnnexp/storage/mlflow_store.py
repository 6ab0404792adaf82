"""An MLflow store: open runs, find runs, add to runs that have ended; no global state."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, chdir, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import unquote

from hydra.utils import to_absolute_path
from mlflow.entities import Metric, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient, get_tracking_uri
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from rnnexp.errors import one_line
from rnnexp.objective import Objective
from rnnexp.storage import schema
from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_run import Run, now_ms, param_name, seconds_so_far
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Kind, Metrics, Tags
from rnnexp.storage.ui_view import TAG as VIEW
from rnnexp.storage.ui_view import view
from rnnexp.storage.uris import absolute_uri, sqlite_file, write_problem

DEFAULT_URI = "sqlite:///mlflow.db"  # where a bare `mlflow ui` looks


class Tracker:
    """One experiment of one MLflow store.

    Args:
        uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, else MLflow's default.
        experiment: The experiment's name; the experiment is made with its first run.
        system_metrics: Whether jobs log MLflow's system metrics.

    Attributes:
        uri: The tracking URI, absolute.
        system_metrics: As above.
    """

    def __init__(self, uri: str | None, experiment: str, system_metrics: bool = False) -> None:
        with _start_folder():
            self.uri = absolute_uri(uri or get_tracking_uri())
        self.system_metrics = system_metrics
        self._experiment = experiment

    def problems(self) -> list[str]:
        """Return why no run can be written to this store; empty if runs can be written."""
        problems: list[str] = []
        if not isinstance(self.system_metrics, bool):
            problems.append(f"tracking.system_metrics={self.system_metrics}: must be true or false")
        # MLflow's own default is percent-encoded.
        problem = write_problem(unquote(self.uri) if self.uri.startswith("sqlite:") else self.uri)
        try:
            if not problem and not self.uri.startswith(("sqlite:", "http")):
                self.client()
        except MlflowException as error:
            # Such as an unknown scheme, or a store of files, which MLflow no longer supports.
            problem = f"{self.uri} can't be used: {one_line(error)}"
        return [*problems, f"tracking.uri: {problem}"] if problem else problems

    @contextmanager
    def run(
        self,
        name: str | None,
        *,
        tags: Mapping[str, object],
        params: Mapping[str, object],
        kind: Kind = Kind.RUN,
        parent: str | None = None,
        continued: str | None = None,
        outbox: Path | None = None,
    ) -> Iterator[Run]:
        """Open a run, which ends however the block ends.

        An exception ends the run as FAILED with the traceback as artifact, Ctrl-C as KILLED.

        Args:
            name: The run's name in the UI; None for a name that MLflow makes up.
            tags: The run's tags at the start.
            params: The run's params.
            kind: What the run is.
            parent: Id of the run that the new run is nested under.
            continued: Id of a run that goes on, in place of a new run.
            outbox: Where writes are queued while MLflow is unreachable; None to raise its errors.

        Yields:
            The run.
        """
        all_tags = {key: str(value) for key, value in tags.items()}
        all_tags |= {Tags.SCHEMA: str(schema.VERSION), Tags.KIND: kind}
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
            if Tags.REASON in client.get_run(continued).data.tags:
                client.delete_tag(continued, Tags.REASON)  # of an attempt that failed
            run = Run(client, continued, experiment_id, outbox)
            run.log_batch(tags=tags)
            return run
        created = client.create_run(experiment_id, tags=tags, run_name=name)
        return Run(client, created.info.run_id, experiment_id, outbox)

    def attach(self, run_id: str, experiment_id: str) -> Run:
        """Give access to a run, to write to it; the run stays open, or ended, as it is."""
        return Run(self.client(), run_id, experiment_id)

    @retry_transient
    def find(self, tags: Mapping[str, object], parent: str | None = None) -> str | None:
        """Return the id of the run with these tags; None if there is no such run.

        Args:
            tags: Tags that the run must have.
            parent: Id of the run that the run must be nested under; None for any.
        """
        client = self.client()
        texts = {name: str(value) for name, value in tags.items()}
        if parent:
            texts[MLFLOW_PARENT_RUN_ID] = parent
        plain = [f"tags.{k} = '{v}'" for k, v in texts.items() if not set(v) & set("'\"\\")]
        found = client.search_runs([self._experiment_id(client)], " and ".join(plain))
        return next((r.info.run_id for r in found if texts.items() <= r.data.tags.items()), None)

    def knows(self, run_id: str) -> bool:
        """Return whether a run is in this store, without creating a SQLite file."""
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
        """End a run whose process has died, after the writes that the process has queued."""
        client = self.client()
        run = Run(client, run_id, "", outbox)
        spent = {Metrics.SECONDS: seconds_so_far(client, run_id), Metrics.EPOCHS: epochs}
        run.log_batch(metrics=spent, tags=tags)
        run.end_failed("")
        run.terminate()

    @retry_transient
    def add(self, run_id: str, *, metrics: Mapping[str, float], tags: Mapping[str, object]) -> None:
        """Add metrics and tags to a run that has ended."""
        now = now_ms()
        self.client().log_batch(
            run_id,
            metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
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

        Returns:
            The file, or the folder, that was fetched.
        """
        return Path(self.client().download_artifacts(run_id, path, str(folder)))

    @retry_transient
    def save_view(self, run: Run, study: str, keys: Iterable[str], objective: Objective) -> None:
        """Save a view of a study in MLflow's UI, and make the view the run's page.

        Args:
            run: The study's run.
            study: The study's name.
            keys: The searched config keys.
            objective: By which the view is ordered.
        """
        if text := view(study, [param_name(key) for key in keys], objective, now_ms()):
            self.client().set_experiment_tag(run.experiment_id, f"{VIEW}{run.id}", text)
            run.page += f"?viewStateShareKey={run.id}"

    def how_to_browse(self, run: Run) -> str:
        """Return the command and the address that show a run among the others."""
        if self.uri.startswith("http"):
            return f"open {self.uri}/{run.page}"
        where = "" if self._is_default() else f" --backend-store-uri {shlex.quote(self.uri)}"
        return f"mlflow ui{where}    and open http://127.0.0.1:5000/{run.page}"

    def environment(self) -> str:
        """Return what a command of MLflow needs before it to find this store; may be empty."""
        return "" if self._is_default() else f"MLFLOW_TRACKING_URI={shlex.quote(self.uri)} "

    def client(self) -> MlflowClient:
        """Return MLflow's client of this store."""
        file = sqlite_file(unquote(self.uri))
        # Of two sweeps that begin at the same moment, one would find half of the other's tables.
        alone = locked(file.parent) if file and file.parent.exists() else nullcontext()
        with _start_folder(), alone:  # a new store remembers where its artifacts go
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
            # Another process has made the experiment a moment ago.
            found = client.get_experiment_by_name(self._experiment)
            if not found:
                raise
            return str(found.experiment_id)


def _start_folder() -> AbstractContextManager[None]:
    """Enter the folder where the command was started, which MLflow's defaults are relative to."""
    return chdir(to_absolute_path("."))
