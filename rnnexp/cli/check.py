"""``rnnexp check``: whether Optuna, MLflow and the files of a study agree, and repairs."""

import sys

import click

from rnnexp.cli.options import STORAGE, TRACKING
from rnnexp.storage.schema import StudyAttrs


@click.command()
@click.argument("study")
@click.option("--repair", is_flag=True, help="Repair the differences that can be repaired.")
@STORAGE
@TRACKING
def check(study: str, repair: bool, storage: str, tracking_uri: str | None) -> None:
    """Check that Optuna, MLflow and the files of a study agree.

    Differences are left by a process that was killed, or by changes by hand. They are printed, and
    nothing is changed without --repair. STUDY is the whole name of a study.

    The exit code is 1 if differences remain.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    import optuna

    from rnnexp.cli.optuna_study import load_study
    from rnnexp.storage.mlflow_store import MlflowStore
    from rnnexp.sweep.audit import audit

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    loaded = load_study(study, storage)
    store = MlflowStore(tracking_uri)
    run_id = loaded.user_attrs.get(StudyAttrs.RUN_ID)
    if problem := store.read_problem() or (run_id and store.run_problem(run_id)):
        raise click.ClickException(f"study {study}: {problem}")
    differences = audit(loaded, store.client())
    repaired = 0
    for difference in differences:
        if repair and difference.repair:
            difference.repair()
            repaired += 1
            click.echo(f"{difference.text}: repaired")
        else:
            click.echo(difference.text)
    summary = f"{len(differences)} differences"
    click.echo(f"{summary}, {repaired} repaired" if repair else summary)
    sys.exit(1 if len(differences) > repaired else 0)
