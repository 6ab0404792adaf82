"""The study that a command works on, loaded from Optuna's storage."""

import click
import optuna

from rnnexp.errors import RnnexpError, SchemaError, StoreError, one_line
from rnnexp.storage import study_copy
from rnnexp.storage.optuna_store import study_names, study_problem, unknown_study
from rnnexp.storage.uris import absolute_uri


def load_study(name: str, storage: str) -> optuna.Study:
    """Load a study by its name.

    Args:
        name: The study's name.
        storage: The URL of Optuna's storage, as it was given on the command line.

    Raises:
        click.ClickException: If there is no such study.
        SchemaError: If the study has another schema version.
        StoreError: If the storage can't be opened.
    """
    url = absolute_uri(storage)
    try:
        names = study_names(url)
    except RnnexpError:
        raise
    except Exception as error:  # whatever the database's driver raises
        reason = getattr(error.__cause__ or error, "orig", None) or error
        raise StoreError(f"--storage: {url} can't be opened: {one_line(reason)}") from error
    if name not in names:
        raise click.ClickException(f"--storage: {unknown_study(name, names, url)}")
    study = study_copy.load_study(name, url)
    if problem := study_problem(study):
        raise SchemaError(problem)
    return study
