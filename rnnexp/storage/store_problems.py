"""What a store of MLflow's can be that no run can be read from or written to, in one line each.

Everything is asked before a sweep begins, and before a command reads: a sweep that finds out after
its trials has lost them.
"""

import logging
import tempfile
from pathlib import Path
from uuid import uuid4

from mlflow.entities import Experiment, LifecycleStage
from mlflow.environment_variables import MLFLOW_ALLOW_FILE_STORE
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient
from optuna.exceptions import StorageInternalError
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from rnnexp.errors import one_line
from rnnexp.passwords import hide, without_password
from rnnexp.storage.error_kinds import http_status
from rnnexp.storage.mlflow_server import server_problem
from rnnexp.storage.uris import (
    folder_of,
    is_database,
    is_in_memory,
    sqlite_file,
    sqlite_problem,
    write_problem,
)

log = logging.getLogger(__name__)

DEFAULT_ARTIFACTS = "mlruns"  # where MLflow puts the artifacts of a new store, without a server


def read_problem(uri: str) -> str | None:
    """Return why a store can't be opened, without a look into it; None if it may be opened.

    Args:
        uri: MLflow's tracking URI, absolute.
    """
    if uri.startswith("http"):
        return server_problem(uri)
    folder = folder_of(uri)
    if folder and not MLFLOW_ALLOW_FILE_STORE.get():
        return (
            f"{folder} is a store of files, which MLflow no longer takes: give another, such as "
            "sqlite:///mlflow.db (tracking.uri of a sweep, --tracking-uri of a command); "
            "`mlflow migrate-filestore` copies the old one"
        )
    if is_in_memory(uri):
        return f"{uri}: each process would have a store of its own; give a file"
    if file := sqlite_file(uri):
        return sqlite_problem(file, "experiments", "MLflow")
    return write_problem(uri) if is_database(uri) else None


def opening_problem(uri: str, error: Exception) -> str:
    """Return why a store can't be opened, by the error of opening it."""
    uri = hide(uri)
    reason = without_password(one_line(getattr(error.__cause__ or error, "orig", None) or error))
    if "database schema" in reason or "Can't locate revision" in reason:
        return (
            f"{uri} was written by another version of MLflow: with an older one, make a copy and "
            f"run `mlflow db upgrade {uri}`; with a newer one, install that version ({reason})"
        )
    return f"{uri} can't be used: {reason}"


def is_of_store(error: BaseException) -> bool:
    """Return whether an error was raised by MLflow, Optuna's storage, a database or a server."""
    kinds = (MlflowException, SQLAlchemyError, StorageInternalError, RequestException)
    return isinstance(error, kinds)


def experiment_problem(client: MlflowClient, name: str) -> str | None:
    """Return why runs can't be written to an experiment, which may be new; None if they can.

    A small file is written to where the experiment's artifacts go, and deleted.
    """
    try:
        found = client.get_experiment_by_name(name)
        if found and found.lifecycle_stage == LifecycleStage.DELETED:
            return (
                f"tracking.experiment={name}: it was deleted in MLflow; restore it with `mlflow "
                f"experiments restore --experiment-id {found.experiment_id}`, or give another name"
            )
        where = _artifact_location(client, found)
    except (MlflowException, SQLAlchemyError) as error:
        return opening_problem(client.tracking_uri, error)
    if problem := _artifact_problem(where, client.tracking_uri):
        return (
            f"tracking.experiment={name}: its artifacts can't be written, so that no checkpoint "
            f"could be stored: {problem}; change that, or give another store or experiment"
        )
    return None


def artifact_folder(client: MlflowClient, name: str) -> Path | None:
    """Return the folder that clients write the artifacts of an experiment to by themselves.

    Args:
        client: MLflow's client of a server.
        name: The experiment's name; the experiment may be new.

    Returns:
        The folder; None if the server takes the artifacts, or another store, or can't be asked.
    """
    try:
        return folder_of(_artifact_location(client, client.get_experiment_by_name(name)))
    except MlflowException:  # the check of the experiment reports what is wrong
        return None


def _artifact_location(client: MlflowClient, experiment: Experiment | None) -> str:
    # A new experiment's artifacts go next to those of the experiment that every store has.
    return str((experiment or client.get_experiment("0")).artifact_location)


def new_store_problem(start: Path) -> str | None:
    """Return why a new store without a server can't write its artifacts; None if it can."""
    return write_problem(str(start / DEFAULT_ARTIFACTS))


def _artifact_problem(where: str, uri: str) -> str | None:
    if folder := folder_of(where):
        return write_problem(str(folder))
    name = f"rnnexp-check-{uuid4().hex[:8]}.txt"
    try:
        artifacts = get_artifact_repository(where, uri)
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch, name)
            file.write_text("a file that a sweep writes and deletes before it begins")
            artifacts.log_artifact(str(file))
    except Exception as error:  # whatever the library of the artifact store raises
        status = http_status(error)
        reason = without_password(one_line(error))
        return f"{where}: {f'its server answers {status}' if status else reason}"
    try:
        artifacts.delete_artifacts(name)
    except Exception as error:  # whatever the library of the artifact store raises
        log.warning(
            "%s/%s can't be deleted, nor will checkpoints be: %s", where, name, one_line(error)
        )
    return None
