"""``rnnexp report``: the report of a study, written again."""

import tempfile
from pathlib import Path

import click

from rnnexp.cli.options import STORAGE, TRACKING
from rnnexp.storage.schema import Artifacts, Tags


@click.command()
@click.argument("study")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the report into this folder, not to the study's run in MLflow.",
)
@STORAGE
@TRACKING
def report(study: str, folder: Path | None, storage: str, tracking_uri: str | None) -> None:
    """Write the report of a study again.

    A sweep writes its report by itself, unless it is killed. STUDY is the name of a study, or its
    beginning if that is unique.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    import optuna

    from rnnexp.cli.optuna_study import load_study
    from rnnexp.report.files import log_report, write_report
    from rnnexp.report.stored_snapshot import stored_snapshot
    from rnnexp.storage.run_reader import RunReader

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    reader = RunReader(tracking_uri)
    run = reader.study(study)
    snapshot = stored_snapshot(load_study(run.data.tags[Tags.STUDY], storage), run, reader)
    if folder:
        click.echo(write_report(snapshot, folder))
        return
    with tempfile.TemporaryDirectory() as scratch:
        writable = reader.store.attach(run.info.run_id, run.info.experiment_id)
        log_report(writable, snapshot, write_report(snapshot, Path(scratch)))
    click.echo(
        f"{Artifacts.REPORT} is among the artifacts of run {run.info.run_id} in {reader.uri}"
    )
