"""``rnnexp rename``: a new name for a study, in Optuna, in MLflow and in its folders."""

import click

from rnnexp.cli.options import STORAGE, TRACKING
from rnnexp.storage.schema import StudyAttrs


@click.command()
@click.argument("study")
@click.argument("new")
@STORAGE
@TRACKING
def rename(study: str, new: str, storage: str, tracking_uri: str | None) -> None:
    """Rename a study.

    The study has its new name in Optuna, and in MLflow on its run, on the runs of its trials and on
    its models. A registered model that has the study's name gets the new name as well. Folders keep
    their names. STUDY is the whole name of a study, which no sweep is running.

    If the command is interrupted, the same command finishes it.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    import optuna

    from rnnexp.cli.optuna_study import load_study
    from rnnexp.storage.mlflow_store import MlflowStore
    from rnnexp.storage.uris import absolute_uri
    from rnnexp.sweep.study_renaming import Renaming, finished_copy

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = absolute_uri(storage)
    if finished_copy(study, new, url):
        click.echo(f"study {study} is now {new}")
        return
    loaded = load_study(study, storage)
    store = MlflowStore(tracking_uri)
    run_id = loaded.user_attrs.get(StudyAttrs.RUN_ID)
    if problem := store.read_problem() or (run_id and store.run_problem(run_id)):
        raise click.ClickException(f"study {study}: {problem}")
    renaming = Renaming(loaded, new, url, store)
    if problems := renaming.problems():
        raise click.ClickException("; ".join(problems))
    for line in renaming.rename():
        click.echo(line)
