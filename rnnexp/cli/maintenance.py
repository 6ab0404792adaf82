"""``rnnexp check`` and ``deliver``: is everything accounted for?"""

import sys
from pathlib import Path

import click

from rnnexp.cli.options import STORAGE, TRACKING


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def deliver(folder: Path) -> None:
    """Write to MLflow what waits in FOLDER, since MLflow was away at the time."""
    from rnnexp.storage.outbox import deliver_all

    done, left = deliver_all(folder)
    click.echo(f"{done} runs have been completed, {left} still wait")
    sys.exit(1 if left else 0)


@click.command()
@click.argument("study")
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@STORAGE
@TRACKING
def check(study: str, repair: bool, storage: str, tracking_uri: str | None) -> None:
    """Report where Optuna, MLflow and the folders of STUDY differ.

    Ends with 1 if they still do.
    """
    # Imported here, since `--help` needs neither.
    import optuna
    from mlflow.tracking import MlflowClient

    from rnnexp.storage.mlflow_store import Tracker
    from rnnexp.storage.optuna_store import open_storage, study_names, unknown_study
    from rnnexp.storage.schema import StudyAttrs
    from rnnexp.storage.uris import absolute_uri
    from rnnexp.sweep.audit import audit

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = absolute_uri(storage)
    names = study_names(url)
    if study not in names:
        raise click.ClickException(unknown_study(study, names, url))
    loaded = optuna.load_study(study_name=study, storage=open_storage(url))
    tracker = Tracker(tracking_uri, "unused")
    run_id = loaded.user_attrs.get(StudyAttrs.RUN_ID)
    if run_id and not tracker.knows(run_id):
        raise click.ClickException(f"its run is not in {tracker.uri}; give its --tracking-uri")
    found = audit(loaded, MlflowClient(tracker.uri))
    left = 0
    for difference in found:
        mended = repair and difference.repair is not None
        if mended and difference.repair:
            difference.repair()
        left += not mended
        click.echo(f"{difference.text}{': mended' if mended else ''}")
    click.echo(f"{len(found)} differences" + (f", {len(found) - left} mended" if repair else ""))
    sys.exit(1 if left else 0)
