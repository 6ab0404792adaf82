"""The run that a command means whose model is to be used: for a study, that of its best trial."""

from mlflow.entities import Run

from rnnexp.compare.contenders import contenders
from rnnexp.storage.run_reader import RunReader


def usable_run(reader: RunReader, name: str) -> Run:
    """Return a run by its id, as ``STUDY/NUMBER``, or as ``STUDY`` for the best trial.

    Raises:
        NotFoundError: If there is no such run, or more than one.
        QueryError: If no trial of the study is complete.
        SchemaError: If the run has another schema version.
    """
    (contender,) = contenders(reader, [reader.study_or_run(name)])
    return contender.run
