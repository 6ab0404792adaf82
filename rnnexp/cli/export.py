"""``rnnexp export``: the checkpoint of a run as a folder with a model that takes raw text."""

from pathlib import Path

import click

from rnnexp.atomic import atomic_folder
from rnnexp.cli.options import TRACKING, TRUST
from rnnexp.cli.process import reader_of


@click.command()
@click.argument("run")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@TRUST
@TRACKING
def export(run: str, folder: Path, trust: bool, tracking_uri: str | None) -> None:
    """Write the model of a run into a folder.

    It is an MLflow model that takes raw text and needs nothing of rnnexp. RUN is STUDY/NUMBER of a
    trial, STUDY for its best trial, or the id of a run in MLflow or its beginning. DIR is a new
    folder, or an empty one.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from mlflow.models import Model

    from rnnexp.reproduce.usable_run import UsableRun, run_or_best
    from rnnexp.serving.packing import pack
    from rnnexp.serving.publish import how_to_predict

    if folder.exists() and any(folder.iterdir()):
        raise click.ClickException(f"{folder} is not empty; give an empty folder, or a new one")
    reader = reader_of(tracking_uri, trust=trust)
    found = UsableRun.of(reader, run_or_best(reader, run))
    run_id = found.run.info.run_id
    dataset = found.dataset
    with atomic_folder(folder) as draft:
        needed = pack(found.config, dataset, run_id, found.store, draft, Model(run_id=run_id))
    click.echo(f"{folder} has the model of run {run_id}; to use it:")
    if needed:
        click.echo(f"  (it needs {', '.join(needed)}, which must be importable there)")
    click.echo(f"  {how_to_predict(str(folder), needed=needed)}")
