"""``rnnexp export`` and ``publish``: a run's checkpoint as a model that takes raw text."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnexp.cli.options import TRACKING
from rnnexp.errors import NotFoundError
from rnnexp.storage.schema import Metrics, Tags

if TYPE_CHECKING:
    from mlflow.entities import Run
    from omegaconf import DictConfig

    from rnnexp.storage.run_reader import RunReader


@click.command()
@click.argument("run")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@TRACKING
def export(run: str, folder: Path, tracking_uri: str | None) -> None:
    """Write the model of RUN into DIR, with all that it needs to read raw text.

    RUN is the beginning of a run's id, or STUDY/NUMBER. DIR must be empty, or not there.
    """
    from mlflow.models import Model

    from rnnexp.serving.packing import dataset_of, pack
    from rnnexp.serving.publish import how_to_predict
    from rnnexp.storage.run_reader import RunReader

    if folder.exists() and any(folder.iterdir()):
        raise click.ClickException(f"{folder} is not empty; give a folder that is, or a new one")
    reader = RunReader(tracking_uri)
    found = reader.run(run)
    config = _config(reader, found)
    run_id = found.info.run_id
    dataset = dataset_of(config, run_id, found.data.tags.get(Tags.DATA))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="draft-") as draft:
        written = Path(draft, "model")
        pack(config, dataset, run_id, reader.tracker, written, Model(run_id=run_id))
        written.replace(folder)
    click.echo(f"{folder} has the model of run {run_id}; to use it:")
    click.echo(f"  {how_to_predict(str(folder))}")


@click.command()
@click.argument("study")
@click.option("--name", help="Of the registered model; by default the study's name.")
@TRACKING
def publish(study: str, name: str | None, tracking_uri: str | None) -> None:
    """Log and register the best model of STUDY, as a sweep does at its end."""
    from rnnexp.serving.publish import publish_run
    from rnnexp.storage.registry import name_problem
    from rnnexp.storage.run_reader import RunReader

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
    told = publish_run(reader.tracker, config, run.info.run_id, parent.info.run_id, name)
    for what, command in told:
        click.echo(f"{what}\n  {command}")


def _config(reader: "RunReader", run: "Run") -> "DictConfig":
    """The config of a run that can be packed.

    Raises:
        NotFoundError: If it can't be.
    """
    from rnnexp.storage.run_reader import is_study

    run_id, tags = run.info.run_id, run.data.tags
    if is_study(run):
        raise NotFoundError(f"run {run_id} is a study's; give one of its trials, STUDY/NUMBER")
    config = reader.config(run)
    if not {"data", "model", "compile"} <= set(config):
        raise NotFoundError(f"run {run_id} is of an application without a Keras model")
    if Tags.CHECKPOINT not in tags:
        why = tags.get(
            Tags.CHECKPOINT_DELETED, "callbacks had no model_checkpoint, or no epoch ended"
        )
        raise NotFoundError(f"run {run_id} has no checkpoint: {why}")
    if Tags.DATA not in tags:
        click.echo(
            f"run {run_id} is of a version that noted no fingerprint of its data: the words are "
            "taken from the data as they are now",
            err=True,
        )
    return config
