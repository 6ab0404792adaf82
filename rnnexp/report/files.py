"""Where a report goes: into a folder, and from there to the study's run."""

import tempfile
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from rnnexp.report import pages
from rnnexp.report.pictures import write_overview
from rnnexp.report.plots import plots_of
from rnnexp.report.snapshot import Snapshot
from rnnexp.storage.mlflow_run import Run

HTML, MARKDOWN = "report.html", "report.md"


def write_report(snapshot: Snapshot, folder: Path) -> list[Path]:
    """Write a report's files; each replaces that of before when it is whole.

    Args:
        snapshot: The study.
        folder: Where they go; it is made.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plots = plots_of(snapshot)
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        new = Path(beside)
        write_overview(snapshot, new / pages.OVERVIEW)
        (new / MARKDOWN).write_text(pages.markdown(snapshot, plots), encoding="utf-8")
        (new / HTML).write_text(pages.html(snapshot, plots), encoding="utf-8")
        return [(new / name).replace(folder / name) for name in (HTML, MARKDOWN, pages.OVERVIEW)]


def log_report(run: Run, snapshot: Snapshot, files: list[Path]) -> None:
    """Put a report on the study's run: its files as artifacts, and MLflow's note."""
    for file in files:
        run.log_file(file)
    run.log_batch(tags={MLFLOW_RUN_NOTE: pages.note(snapshot)})
