"""Files of an evaluation: artifacts of the model's run, or files in a folder."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlflow.exceptions import MlflowException

from rnnexp.atomic import atomic_write
from rnnexp.evaluation.measures import Evaluation
from rnnexp.evaluation.page import html
from rnnexp.evaluation.predictions import Predictions
from rnnexp.evaluation.tables import by_class_csv, confusion_csv, mistakes_csv, predictions_csv
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.schema import Artifacts, EvaluationFiles


def files_of(title: str, evaluation: Evaluation, predictions: Predictions) -> dict[str, str]:
    """Return the contents of the files of an evaluation, by name.

    Args:
        title: What the page is about.
        evaluation: The evaluation.
        predictions: The predictions that it is of.
    """
    files = {
        EvaluationFiles.PAGE: html(title, evaluation),
        EvaluationFiles.MEASURES: evaluation.to_json(),
        EvaluationFiles.PREDICTIONS: predictions_csv(predictions),
        EvaluationFiles.MISTAKES: mistakes_csv(evaluation),
    }
    if evaluation.confusion:
        files[EvaluationFiles.CONFUSION] = confusion_csv(evaluation)
    if evaluation.by_class:
        files[EvaluationFiles.CLASSES] = by_class_csv(evaluation)
    return files


def log_files(run: Run, files: Mapping[str, str], name: str = "") -> str:
    """Store the files of an evaluation in the run of the model.

    Args:
        run: The run.
        files: The contents of the files, by name.
        name: The name of a file that was evaluated in place of the test part.

    Returns:
        The folder among the artifacts.
    """
    folder = f"{Artifacts.EVALUATION}/{name}".rstrip("/")
    for file, content in files.items():
        run.log_text(content, f"{folder}/{file}")
    return folder


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of an evaluation into a folder, which is made if it is missing.

    Raises:
        OSError: If the folder can't be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        atomic_write(folder / file, content)


def stored_evaluation(store: MlflowStore, run_id: str | None) -> Evaluation | None:
    """Read the evaluation of a run's model on the test part; None if it can't be read, or no run.

    Args:
        store: The store of the run.
        run_id: The run's id; None for no run.
    """
    if run_id is None:
        return None
    path = f"{Artifacts.EVALUATION}/{EvaluationFiles.MEASURES}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            file = store.download(run_id, path, Path(folder))
            return Evaluation.from_json(file.read_text(encoding="utf-8"))
        except (MlflowException, OSError, ValueError):
            return None
