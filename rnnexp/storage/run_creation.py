"""Experiments and runs that are made once, also if MLflow's answer is lost on the way.

A server may have done what it was asked for when the connection breaks. Asked again, it would make
a second run of the same trial, so that each request has an id, by which its run is found.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from uuid import uuid4

from hydra.utils import to_absolute_path
from mlflow import entities
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Tags
from rnnexp.storage.store_problems import DEFAULT_ARTIFACTS
from rnnexp.storage.uris import is_database


@retry_transient
def experiment_id(client: MlflowClient, name: str, run_id: str | None = None) -> str:
    """Return the id of the experiment that a run belongs in.

    Args:
        client: MLflow's client of the store.
        name: The experiment's name; the experiment is made if there is none of that name.
        run_id: A run whose experiment it is, whatever its name is by now.
    """
    if run_id is not None:
        return _experiment_of(client.tracking_uri, run_id)
    found = client.get_experiment_by_name(name)
    if found:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name, _artifact_location(client.tracking_uri)))
    except MlflowException:
        # Another process, or a request without an answer, has made the experiment a moment ago.
        found = client.get_experiment_by_name(name)
        if not found:
            raise
        return str(found.experiment_id)


@cache
def _experiment_of(uri: str, run_id: str) -> str:
    """Return the id of the experiment of a run, asked for once a process: no run ever moves."""
    return str(MlflowClient(uri).get_run(run_id).info.experiment_id)


def _artifact_location(uri: str) -> str | None:
    """Return where the artifacts of a new experiment go; None for MLflow's own choice.

    MLflow takes a % in the name of the folder for an encoded character, and would write the
    artifacts to another folder.
    """
    start = Path(to_absolute_path("."))
    if not is_database(uri) or "%" not in str(start):
        return None
    return (start / DEFAULT_ARTIFACTS / uuid4().hex).as_uri()


@retry_transient
def existing_run(client: MlflowClient, run_id: str) -> entities.Run | None:
    """Return a run as it is stored; None if it was deleted in MLflow, or removed for good."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    return None if run.info.lifecycle_stage == LifecycleStage.DELETED else run


@retry_transient
def continue_run(
    client: MlflowClient,
    before: entities.Run,
    experiment: str,
    tags: Mapping[str, str],
    outbox: Path | None,
) -> Run:
    """Open a run again, with new tags, after the writes that an earlier attempt has queued.

    Args:
        client: MLflow's client of the store.
        before: The run as it is stored.
        experiment: The experiment's id.
        tags: The new tags.
        outbox: Where writes are queued while MLflow is unreachable; None to raise its errors.
    """
    client.update_run(before.info.run_id, status="RUNNING")
    run = Run(client, before.info.run_id, experiment, outbox, before)
    run.log_batch(tags=tags)
    for name in (Tags.STATE, Tags.REASON):  # of an attempt that failed, or of a pause
        if name not in tags:
            run.delete_tag(name)
    return run


def create_run(
    client: MlflowClient, experiment: str, name: str | None, tags: Mapping[str, str]
) -> str:
    """Make a run, and retry on transient errors.

    Args:
        client: MLflow's client of the store.
        experiment: The experiment's id.
        name: The run's name in the UI; None for a name that MLflow makes up.
        tags: The run's tags at the start.

    Returns:
        The run's id.
    """
    request = uuid4().hex
    own = {**tags, Tags.REQUEST: request}
    requests = 0

    @retry_transient
    def create() -> str:
        nonlocal requests
        requests += 1
        if requests > 1 and (made := _made_by(client, experiment, request)):
            return made[0]
        return str(client.create_run(experiment, tags=own, run_name=name).info.run_id)

    run_id = create()
    if requests > 1 or client.tracking_uri.startswith("http"):
        # MLflow itself repeats a request to a server; the run of one without an answer has no use.
        _delete_others(client, experiment, request, run_id)
    return run_id


def _made_by(client: MlflowClient, experiment: str, request: str) -> list[str]:
    found = client.search_runs([experiment], f"tags.`{Tags.REQUEST}` = '{request}'")
    return [run.info.run_id for run in found]


@retry_transient
def _delete_others(client: MlflowClient, experiment: str, request: str, run_id: str) -> None:
    for other in _made_by(client, experiment, request):
        if other != run_id:
            client.delete_run(other)
