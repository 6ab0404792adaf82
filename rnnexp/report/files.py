"""Output of a report: a file in a folder, an artifact and the note of the study's run."""

from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from rnnexp.atomic import atomic_write
from rnnexp.report import pages
from rnnexp.report.plots import plots_of
from rnnexp.report.snapshot import Snapshot
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.schema import Artifacts


def write_report(snapshot: Snapshot, folder: Path) -> Path:
    """Write the report of a study into a folder, in place of an earlier report.

    Args:
        snapshot: The study.
        folder: The folder, which is made if it is missing.

    Returns:
        The report, an HTML file.

    Raises:
        OSError: If the file can't be written; an earlier report is as it was.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / Artifacts.REPORT
    atomic_write(file, pages.html(snapshot, plots_of(snapshot)))
    return file


def log_report(run: Run, snapshot: Snapshot, file: Path) -> None:
    """Store a report in MLflow, as an artifact of the study's run and as the run's note.

    Args:
        run: The study's run.
        snapshot: The study.
        file: The report, as from `write_report`.
    """
    run.log_file(file)
    run.log_batch(tags={MLFLOW_RUN_NOTE: pages.note(snapshot)})
