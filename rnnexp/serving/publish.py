"""Publication of a study's best model in MLflow: logged on the study's run, registered by name.

    the best trial's checkpoint -> rnnexp/serving/packing.py -> a logged model of the study's run
      -> a version of the registered model -> the champion, if better than the present champion

A second publication of the same trial, as after a resume, makes no second model or version.
"""

import shlex
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from omegaconf import DictConfig

from rnnexp import keras_runtime
from rnnexp.errors import NotFoundError
from rnnexp.serving.packing import dataset_of, pack
from rnnexp.storage import registry
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.registry import CHAMPION, Decision, Registry
from rnnexp.storage.schema import Metrics, ModelTags, Tags
from rnnexp.training.checkpoint import no_checkpoint

RULE = (
    f"The alias {CHAMPION} goes to a version whose {Metrics.BEST_VALUE} is better than the "
    "champion's, measured on the same rows and by the same objective and loss or metric."
)


def publish(
    config: DictConfig, run_id: str, study_run: str, name: str | None
) -> list[tuple[str, str]]:
    """Log and register the best trial's model, at a sweep's end.

    Args:
        config: The config that the trial was trained with.
        run_id: Id of the trial's run in MLflow.
        study_run: Id of the study's run.
        name: The name of the registered model; None to log the model without registering it.

    Returns:
        Pairs of what was done and a command to go on with, for the sweep's summary. Empty if the
        run has no checkpoint, as without the ``model_checkpoint`` callback.
    """
    store = MlflowStore(config.tracking.uri)
    if no_checkpoint(run_id, store):
        return []
    return publish_run(store, config, run_id, study_run, name)


def publish_run(
    store: MlflowStore, config: DictConfig, run_id: str, study_run: str, name: str | None
) -> list[tuple[str, str]]:
    """Log and register the model of a run that has a checkpoint, also long after its sweep.

    Args:
        store: The store of the runs.
        config: The config that the run was trained with.
        run_id: Id of the run.
        study_run: Id of the study's run.
        name: The name of the registered model; None to log the model without registering it.

    Returns:
        Pairs of what was done and a command to go on with, as of `publish`.

    Raises:
        RnnexpError: If the run can't be packed.
    """
    client = store.client()
    model_id, tags = _logged(client, study_run, run_id) or _log(
        store, client, config, run_id, study_run
    )
    needed = tags.get(ModelTags.NEEDS, "").split()

    def command_for(model: str) -> str:
        return how_to_predict(model, store, needed)

    if name is None:
        command = command_for(f"models:/{model_id}")
        return [(f"Use the best model, {model_id}, which is not registered:", command)]
    version, decision = _register(Registry(client, name), model_id, study_run, tags)
    what = f"version {version} of {name}"
    if decision.wins:
        command = command_for(f"models:/{name}@{CHAMPION}")
        return [(f"Use the best model, {what}, now its {CHAMPION}: {decision.why}", command)]
    return [
        (
            f"Use the best model, {what}, not its {CHAMPION}: {decision.why}",
            command_for(f"models:/{name}/{version}"),
        ),
        (f"Make this version the {CHAMPION} by hand:", _how_to_crown(name, version, store)),
    ]


def how_to_predict(model: str, store: MlflowStore | None = None, needed: Sequence[str] = ()) -> str:
    """Return the command that predicts with a model, for the texts in a file.

    Args:
        model: The model's URI or folder.
        store: The store of the model; None for a folder.
        needed: The import paths that the model needs; the command makes them importable.
    """
    command = ["mlflow", "models", "predict", "-m", model, "--env-manager", "local"]
    environment = store.command_prefix() if store else ""
    if folders := sorted({folder for path in needed if (folder := _folder_of(path))}):
        environment += f'PYTHONPATH={":".join(map(shlex.quote, folders))}:"$PYTHONPATH" '
    return f"{environment}{shlex.join(command)} -i sentences.csv -t csv"


def _folder_of(path: str) -> str | None:
    """Return the folder that an import path is found in; None if Python finds it by itself."""
    spec = find_spec(path.partition(".")[0])
    if spec is None or not spec.origin:
        return None
    file = Path(spec.origin)
    folder = file.parents[1] if spec.submodule_search_locations else file.parent
    installed = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")}
    return None if folder in installed else str(folder)


def _how_to_crown(name: str, version: str, store: MlflowStore) -> str:
    call = f"MlflowClient().set_registered_model_alias({name!r}, {CHAMPION!r}, {version!r})"
    code = f"from mlflow import MlflowClient; {call}"
    return f"{store.command_prefix()}{shlex.join(['python', '-c', code])}"


def _logged(
    client: MlflowClient, study_run: str, run_id: str
) -> tuple[str, Mapping[str, str]] | None:
    """Return the id and the tags of a run's model that the study's run has; None without one."""
    experiment = client.get_run(study_run).info.experiment_id
    found = client.search_logged_models([experiment], f"source_run_id = '{study_run}'")
    return next(
        (
            (model.model_id, model.tags)
            for model in found
            if model.status == LoggedModelStatus.READY and model.tags.get(ModelTags.RUN) == run_id
        ),
        None,
    )


def _log(
    store: MlflowStore, client: MlflowClient, config: DictConfig, run_id: str, study_run: str
) -> tuple[str, Mapping[str, str]]:
    from mlflow.models import Model

    keras_runtime.choose(config.backend, deterministic=config.deterministic)
    run = client.get_run(run_id)
    if Metrics.BEST_VALUE not in run.data.metrics:
        raise NotFoundError(f"run {run_id} has no {Metrics.BEST_VALUE} to compare models by")
    dataset = dataset_of(config, run_id, run.data.tags)
    tags = {
        ModelTags.RUN: run_id,
        ModelTags.DATA: dataset.folder.name,
        ModelTags.IDENTITY: run.data.tags[Tags.IDENTITY],
        ModelTags.OBJECTIVE: run.data.tags[Tags.OBJECTIVE],
        ModelTags.BEST_VALUE: repr(run.data.metrics[Metrics.BEST_VALUE]),
        ModelTags.STUDY: run.data.tags[Tags.STUDY],
        ModelTags.TRIAL: run.data.tags[Tags.TRIAL],
    }
    created = client.create_logged_model(
        run.info.experiment_id,
        name=f"trial-{run.data.tags[Tags.TRIAL]}",
        source_run_id=study_run,
        tags=tags,
        params=run.data.params,
    )
    try:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch, "model")
            described = Model(
                artifact_path=created.artifact_location,
                model_uuid=created.model_id,
                run_id=study_run,
                model_id=created.model_id,
            )
            if needed := pack(config, dataset, run_id, store, folder, described):
                tags[ModelTags.NEEDS] = " ".join(needed)
                client.set_logged_model_tags(created.model_id, tags)
            client.log_model_artifacts(created.model_id, str(folder))
        client.log_outputs(study_run, [LoggedModelOutput(created.model_id, step=0)])
        client.finalize_logged_model(created.model_id, LoggedModelStatus.READY)
    except Exception:
        with suppress(MlflowException, OSError):  # the error may be that MLflow is unreachable
            client.finalize_logged_model(created.model_id, LoggedModelStatus.FAILED)
        raise
    return created.model_id, tags


def _register(
    entry: Registry, model_id: str, study_run: str, tags: Mapping[str, str]
) -> tuple[str, Decision]:
    """Register a model, and make it the champion if it is better than the present champion.

    Returns:
        The number of the model's version, and whether the version is the champion.
    """
    version = entry.version_of(model_id, study_run) or entry.add(model_id, study_run, tags)
    number = str(version.version)
    champion = entry.champion()
    wins = champion is not None and str(champion.version) == number
    if wins or version.description:  # decided before, and perhaps changed by hand since
        return number, Decision(wins, "as before")
    decision = registry.compare(tags, champion.tags if champion else None)
    if decision.wins:
        entry.make_champion(number)
    outcome = "Became" if decision.wins else "Did not become"
    entry.describe(number, f"{outcome} the {CHAMPION}: {decision.why}. {RULE}")
    return number, decision
