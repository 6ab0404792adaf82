"""The study that a command works on, loaded from Optuna's storage."""

import click
import optuna

from rnnexp.errors import SchemaError
from rnnexp.storage.optuna_store import open_storage, study_names, study_problem, unknown_study
from rnnexp.storage.uris import absolute_uri


def load_study(name: str, storage: str) -> optuna.Study:
    """Load a study by its name.

    Args:
        name: The study's name.
        storage: The URL of Optuna's storage, as it was given on the command line.

    Raises:
        click.ClickException: If there is no such study.
        SchemaError: If the study has another schema version.
    """
    url = absolute_uri(storage)
    names = study_names(url)
    if name not in names:
        raise click.ClickException(f"--storage: {unknown_study(name, names, url)}")
    study = optuna.load_study(study_name=name, storage=open_storage(url))
    if problem := study_problem(study):
        raise SchemaError(problem)
    return study
