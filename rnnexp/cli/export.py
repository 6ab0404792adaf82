"""``rnnexp export`` and ``publish``: the checkpoint of a run as a model that takes raw text."""

from pathlib import Path

import click
from mlflow.entities import Run
from mlflow.models import Model
from omegaconf import DictConfig

from rnnexp.atomic import atomic_folder
from rnnexp.cli.options import TRACKING
from rnnexp.errors import NotFoundError
from rnnexp.serving.packing import dataset_of, pack
from rnnexp.serving.publish import how_to_predict, publish_run
from rnnexp.storage.registry import name_problem
from rnnexp.storage.run_reader import RunReader, is_study
from rnnexp.storage.schema import Metrics, Tags


@click.command()
@click.argument("run")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@TRACKING
def export(run: str, folder: Path, tracking_uri: str | None) -> None:
    """Write the model of a run into a folder.

    It is an MLflow model that takes raw text and needs nothing of rnnexp. RUN is STUDY/NUMBER of a
    trial, or the id of a run in MLflow or its beginning. DIR is a new folder, or an empty one.
    """
    if folder.exists() and any(folder.iterdir()):
        raise click.ClickException(f"{folder} is not empty; give an empty folder, or a new one")
    reader = RunReader(tracking_uri)
    found = reader.run(run)
    config = _config(reader, found)
    run_id = found.info.run_id
    dataset = dataset_of(config, run_id, found.data.tags[Tags.DATA])
    with atomic_folder(folder) as draft:
        pack(config, dataset, run_id, reader.store, draft, Model(run_id=run_id))
    click.echo(f"{folder} has the model of run {run_id}; to use it:")
    click.echo(f"  {how_to_predict(str(folder))}")


@click.command()
@click.argument("study")
@click.option("--name", help="The name of the registered model; by default the study's name.")
@TRACKING
def publish(study: str, name: str | None, tracking_uri: str | None) -> None:
    """Register the best model of a study.

    The model is logged on the study's run in MLflow, and registered as a new version, as a sweep
    does at its end. STUDY is the name of a study, or its beginning if that is unique.
    """
    reader = RunReader(tracking_uri)
    parent = reader.study(study)
    name = name or str(parent.data.tags[Tags.STUDY])
    if problem := name_problem(name):
        raise click.ClickException(f"--name {name}: {problem}; give another")
    best = parent.data.metrics.get(Metrics.BEST_TRIAL)
    if best is None:
        raise click.ClickException(f"study {parent.data.tags[Tags.STUDY]} has no completed trial")
    trials = reader.trials(parent)
    run = next(run for run in trials if run.data.tags[Tags.TRIAL] == str(int(best)))
    config = _config(reader, run)
    steps = publish_run(reader.store, config, run.info.run_id, parent.info.run_id, name)
    for text, command in steps:
        click.echo(f"{text}\n  {command}")


def _config(reader: RunReader, run: Run) -> DictConfig:
    """Return the config of a run whose model can be written.

    Raises:
        NotFoundError: If the run has no such model.
    """
    run_id, tags = run.info.run_id, run.data.tags
    if is_study(run):
        raise NotFoundError(f"run {run_id} is a study's; give one of its trials, STUDY/NUMBER")
    config = reader.config(run)
    if not {"data", "model", "compile"} <= set(config):
        raise NotFoundError(f"run {run_id} is of an application without a Keras model")
    if Tags.CHECKPOINT not in tags:
        reason = tags.get(
            Tags.CHECKPOINT_DELETED, "callbacks had no model_checkpoint, or no epoch ended"
        )
        raise NotFoundError(f"run {run_id} has no checkpoint: {reason}")
    if Tags.DATA not in tags:
        raise NotFoundError(f"run {run_id} has not stored which data it was trained on")
    return config
