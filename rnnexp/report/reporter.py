"""Reports while the sweep runs, in a thread of its process.

A thread, since the sweep itself only waits for its workers: a process would import everything
once more. It may take a twentieth of the time, so that it holds up neither the refilling of
slots nor trials in this very process.
"""

import logging
import shlex
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial

from rnnexp.errors import one_line
from rnnexp.report.files import HTML, log_report, write_report
from rnnexp.report.snapshot import snapshot_of
from rnnexp.result import Result
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.optuna_store import best_trial

log = logging.getLogger(__name__)

FOLDER = "report"  # in the sweep's folder
LEAST = 30.0  # seconds between two reports
SHARE = 1 / 20  # of the time is the most that they may take


class Reporter:
    """A context manager; while it is open, a report is written time and again.

    Args:
        study: The study.
        folder: Hydra's folder of the sweep.
        tracker: Where the study's run is.
        run: The study's run. The thread writes past what waits for MLflow, and skips a report
            that can't be written: there will be a next one.
        overrides_of: What a trial is run with.
        least: Seconds between two reports, at least.
    """

    def __init__(
        self,
        study: optuna.Study,
        folder: Path,
        tracker: Tracker,
        run: Run,
        overrides_of: Callable[[FrozenTrial], list[str]],
        least: float = LEAST,
    ) -> None:
        self.page = folder / FOLDER / HTML
        self._study = study
        self._tracker = tracker
        self._run = run
        self._overrides_of = overrides_of
        self._least = least
        self._told = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)

    interval: float | None = None

    def on_start(self) -> None:
        """Begin to write reports."""
        self._thread.start()

    def on_idle(self) -> None:
        """Do nothing: the thread writes reports."""

    def on_trial_end(self, number: int, result: Result) -> None:
        """Do nothing: the thread writes reports."""

    def on_end(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()

    def _live(self) -> None:
        seconds = 0.0
        while not self._end.wait(pause(seconds, self._least)):
            began = time.monotonic()
            self.write(self._tracker.attach(self._run.id, self._run.experiment_id))
            seconds = time.monotonic() - began

    def write(
        self, run: Run | None = None, scores: Mapping[str, float] | None = None, ended: str = ""
    ) -> bool:
        """Write a report; a warning if it can't be, for no sweep ends because of its report.

        Args:
            run: How the study's run is written to; by default what can't be written waits.
            scores: The best trial's metrics on the test part.
            ended: Why no further trial began; empty while the sweep runs.

        Returns:
            Whether it was written.
        """
        try:
            best = best_trial(self._study)
            overrides = self._overrides_of(best) if best else []
            snapshot = snapshot_of(self._study, overrides=overrides, scores=scores, ended=ended)
            log_report(run or self._run, snapshot, write_report(snapshot, self.page.parent))
        except Exception as error:
            self._warn(f"{type(error).__name__}: {one_line(error)}")
            return False
        self._told = ""
        return True

    def _warn(self, reason: str) -> None:
        if reason != self._told:  # once, however long it lasts
            name = shlex.quote(self._study.study_name)
            log.warning("the report was not written (rnnexp report %s makes it): %s", name, reason)
        self._told = reason


def pause(seconds: float, least: float = LEAST) -> float:
    """How long to wait for the next report, after one that took so many seconds."""
    return max(least, seconds / SHARE)
