"""``rnnexp delete``: a study with everything that it has left, or the run of a single training."""

import shlex
import sys
from typing import TYPE_CHECKING

import click

from rnnexp.cli.options import STORAGE, TRACKING
from rnnexp.storage.schema import Kind, StudyAttrs, Tags

if TYPE_CHECKING:
    from rnnexp.storage.mlflow_store import MlflowStore


@click.command()
@click.argument("name", metavar="STUDY|RUN")
@click.option("--yes", is_flag=True, help="Delete without a question.")
@click.option(
    "--champion",
    is_flag=True,
    help="Delete the versions of registered models that have an alias, such as champion, as well.",
)
@STORAGE
@TRACKING
def delete(name: str, yes: bool, champion: bool, storage: str, tracking_uri: str | None) -> None:
    """Delete a study, or the run of a single training.

    Of a study go the folders of its trials, its runs, models and versions of registered models in
    MLflow, and the study in Optuna. What would go is shown first. MLflow keeps what is deleted,
    with all artifacts, until `mlflow gc`. STUDY is the whole name of a study, which no sweep is
    running. RUN is the id of a run in MLflow, or its beginning; the run of a trial can't be deleted
    without its study. The folder of a single run stays.

    If the command is interrupted, the same command finishes it.
    """
    # Imported here, as in every command: `--help` needs no MLflow, whose import takes seconds.
    from rnnexp.storage.mlflow_store import MlflowStore
    from rnnexp.storage.optuna_store import study_names
    from rnnexp.storage.uris import absolute_uri

    store = MlflowStore(tracking_uri)
    if name in study_names(absolute_uri(storage)):
        _delete_study(name, storage, store, yes=yes, with_champion=champion)
    else:
        _delete_run(name, tracking_uri, yes=yes)


def _delete_study(
    name: str, storage: str, store: "MlflowStore", *, yes: bool, with_champion: bool
) -> None:
    import optuna

    from rnnexp.cli.optuna_study import load_study
    from rnnexp.storage.optuna_store import open_storage
    from rnnexp.storage.uris import absolute_uri
    from rnnexp.sweep.study_deletion import Deletion

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = load_study(name, storage)
    run_id = study.user_attrs.get(StudyAttrs.RUN_ID)
    if problem := store.read_problem():
        raise click.ClickException(f"study {name}: {problem}")
    if run_id and not store.knows(run_id):
        raise click.ClickException(
            f"study {name}: its run {run_id} is not in {store.uri}; give the tracking URI that the "
            "study began with. If `mlflow gc` has removed the run, the study in Optuna is left: "
            f"optuna delete-study --storage {storage} --study-name {name}"
        )
    deletion = Deletion(study, store, open_storage(absolute_uri(storage)), with_champion)
    if problems := deletion.problems():
        raise click.ClickException("; ".join(problems))
    _ask([*deletion.lines()], yes=yes)
    deletion.delete()
    click.echo(f"study {name} is deleted")
    _tell_how_to_purge(store)


def _delete_run(name: str, tracking_uri: str | None, *, yes: bool) -> None:
    from rnnexp.storage.run_reader import RunReader, is_study

    reader = RunReader(tracking_uri)
    run = reader.study_or_run(name)
    tags, run_id = run.data.tags, run.info.run_id
    study = tags.get(Tags.STUDY)
    if is_study(run):
        raise click.ClickException(
            f"{name} is study {study}, which is not in this Optuna storage under that name; give "
            f"its whole name, and its --storage: rnnexp delete {study}"
        )
    if tags.get(Tags.KIND) == Kind.TRIAL:
        raise click.ClickException(
            f"run {run_id} is that of trial {tags[Tags.TRIAL]} of study {study}, which would still "
            f"count the trial; delete the whole study: rnnexp delete {study}"
        )
    if Tags.KIND not in tags:
        raise click.ClickException(
            f"run {run_id} was not made by rnnexp: mlflow runs delete --run-id {run_id}"
        )
    lines = [f"run {run_id} ({run.info.run_name}, {run.info.status}) in {reader.uri}"]
    _ask(lines, yes=yes)
    reader.client.delete_run(run_id)
    click.echo(f"run {run_id} is deleted")
    if folder := tags.get(Tags.FOLDER):
        click.echo(f"its folder stays: {folder}")
    _tell_how_to_purge(reader.store)


def _ask(lines: list[str], *, yes: bool) -> None:
    """Show what would go, and ask whether it may.

    Raises:
        click.Abort: If it may not.
        click.ClickException: If there is nobody to ask.
    """
    for line in lines:
        click.echo(line)
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.ClickException(
            "nothing was deleted, since there is no terminal to ask on; give --yes to delete this"
        )
    click.confirm("Delete all of this?", abort=True)


def _tell_how_to_purge(store: "MlflowStore") -> None:
    from rnnexp.passwords import to_type
    from rnnexp.storage.uris import is_server

    click.echo("MLflow keeps deleted runs, which `mlflow runs restore` brings back. To remove them "
               "for good, with their artifacts:")  # fmt: skip
    uri = shlex.quote(to_type(store.uri))
    backend = "URI_OF_THE_SERVERS_DATABASE" if is_server(store.uri) else uri
    click.echo(f"  mlflow gc --backend-store-uri {backend} --tracking-uri {uri}")
