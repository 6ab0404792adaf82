"""``rnnexp report``: the report of a study, anew."""

from pathlib import Path

import click

from rnnexp.cli.options import STORAGE, TRACKING


@click.command()
@click.argument("study")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write it there; by default to the study's run in MLflow.",
)
@STORAGE
@TRACKING
def report(study: str, folder: Path | None, storage: str, tracking_uri: str | None) -> None:
    """Write the plots and tables of STUDY anew, such as those of a sweep that was killed."""
    # Imported here, since `--help` needs neither.
    import tempfile

    import optuna

    from rnnexp.report.files import log_report, write_report
    from rnnexp.report.stored import stored_snapshot
    from rnnexp.storage.optuna_store import open_storage, study_names, unknown_study
    from rnnexp.storage.run_reader import RunReader
    from rnnexp.storage.uris import absolute_uri

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    reader = RunReader(tracking_uri)
    run = reader.study(study)
    name, url = run.data.tags["study"], absolute_uri(storage)
    names = study_names(url)
    if name not in names:
        raise click.ClickException(f"{unknown_study(name, names, url)}; give its --storage")
    loaded = optuna.load_study(study_name=name, storage=open_storage(url))
    snapshot = stored_snapshot(loaded, run, reader)
    if folder:
        files = write_report(snapshot, folder)
        click.echo("\n".join(map(str, files)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        writable = reader.tracker.attach(run.info.run_id, run.info.experiment_id)
        log_report(writable, snapshot, write_report(snapshot, Path(scratch)))
    click.echo(f"report.html is among the artifacts of run {run.info.run_id} in {reader.uri}")
