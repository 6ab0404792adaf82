"""Read what a run has stored in MLflow: config, overrides, environment, metrics, files."""

import json
import tempfile
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from omegaconf import DictConfig, OmegaConf

from rnnexp.errors import NotFoundError, StoreError, one_line
from rnnexp.storage.error_kinds import http_status
from rnnexp.storage.mlflow_run import stored_name
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.retry import is_transient
from rnnexp.storage.schema import Artifacts
from rnnexp.storage.uris import sqlite_file


class ArtifactReader:
    """Reads what the runs of an MLflow store have stored.

    Args:
        uri: MLflow's tracking URI; None for ``MLFLOW_TRACKING_URI``, else MLflow's default.
        trust: Whether the code that the runs' configs name may be imported; see
            `rnnexp.execution.trusted_targets`.

    Attributes:
        uri: The tracking URI, absolute.
        trust: As above.
        store: The store.
        client: MLflow's client of the store.

    Raises:
        NotFoundError: If there is no such store.
        StoreError: If the store can't be read.
    """

    def __init__(self, uri: str | None, *, trust: bool = False) -> None:
        self.trust = trust
        self.store = MlflowStore(uri)
        self.uri = self.store.uri
        if self.store.is_new:  # a look into the file would create it
            file = sqlite_file(self.uri)
            raise NotFoundError(f"there are no runs: there is no {file}; give its --tracking-uri")
        if problem := self.store.read_problem():
            raise StoreError(problem)
        self.client = self.store.client()

    def config(self, run: Run) -> DictConfig:
        """Return the whole config of a run, resolved.

        Raises:
            NotFoundError: If the run has no config, such as the run of another program.
        """
        with tempfile.TemporaryDirectory() as folder:
            config = OmegaConf.load(self.download(run, Artifacts.CONFIG, Path(folder)))
        if not isinstance(config, DictConfig):
            raise NotFoundError(f"run {run.info.run_id}: its {Artifacts.CONFIG} is not a config")
        return config

    def environment(self, run: Run) -> dict[str, Any] | None:
        """Return the packages, machine and commit of a run; None if the run has not stored them."""
        with tempfile.TemporaryDirectory() as folder:
            try:
                file = self.download(run, Artifacts.ENVIRONMENT, Path(folder))
            except NotFoundError:
                return None
            found = json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else None

    def overrides(self, run: Run) -> list[str]:
        """Return Hydra's overrides of a run.

        Raises:
            NotFoundError: If the run has not stored them.
        """
        with tempfile.TemporaryDirectory() as folder:
            loaded = OmegaConf.load(self.download(run, Artifacts.OVERRIDES, Path(folder)))
        # Not resolved: an override may refer to the output folder, which only a job has.
        return [str(override) for override in OmegaConf.to_container(loaded, resolve=False) or ()]

    def epochs(self, run: Run, metric: str) -> list[tuple[int, float]]:
        """Return a metric's values by epoch, from 0."""
        history = self.client.get_metric_history(run.info.run_id, stored_name(metric))
        return sorted({entry.step: entry.value for entry in history}.items())

    def download(self, run: Run, path: str, folder: Path) -> Path:
        """Fetch one of a run's artifacts into a folder.

        Raises:
            NotFoundError: If the run has no such artifact.
            StoreError: If the artifact store can't be read.
        """
        try:
            return self.store.download(run.info.run_id, path, folder)
        except (MlflowException, OSError) as error:
            status = http_status(error)
            if status not in (None, 404) or (status is None and is_transient(error)):
                reason = f"its server answers {status}" if status else one_line(error)
                raise StoreError(
                    f"run {run.info.run_id}: {path} can't be read: {reason}"
                ) from error
            why = "the run was not made by rnnexp, or its artifacts were deleted"
            if unfinished := unfinished_state(run):
                why = f"the run is {unfinished}"
            raise NotFoundError(f"run {run.info.run_id} has no {path}; {why}") from error


def unfinished_state(run: Run) -> str:
    """Return how a run that has not ended is to be called; empty if the run has ended."""
    states = {"RUNNING": "still running", "SCHEDULED": "paused, and may go on"}
    return states.get(run.info.status, "")
