"""Reports while a sweep runs, written by a thread of the sweep's process.

The sweep itself only waits for its workers, so that a thread disturbs it little; another process
would have to import everything again. A report takes at most a twentieth of the time, so that
neither the refilling of slots nor a trial in the sweep's own process is held up.
"""

import logging
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

from rnnexp.errors import one_line
from rnnexp.evaluation.measures import Evaluation
from rnnexp.report.files import log_report, write_report
from rnnexp.report.next_steps import next_steps
from rnnexp.report.snapshot import snapshot_of
from rnnexp.report.why import in_short
from rnnexp.result import Result
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.optuna_store import best_trial
from rnnexp.storage.schema import Artifacts, Files

log = logging.getLogger(__name__)

LEAST = 30.0  # seconds between two reports
SHARE = 1 / 20  # of the time, the most that reports may take


class Reporter:
    """A callback of a sweep's loop that keeps the study's report up to date while trials run.

    Args:
        study: The study.
        folder: Hydra's folder of the sweep.
        store: The store of the study's run.
        run: The study's run.
        overrides_of: Returns the overrides of a trial with these params.
        least: The smallest number of seconds between two reports.

    Attributes:
        page: The report's file.
        findings: What the last report says in short, and what to try next, in sentences.
        interval: None, since the thread needs no call of `on_idle`.
    """

    interval: float | None = None

    def __init__(
        self,
        study: optuna.Study,
        folder: Path,
        store: MlflowStore,
        run: Run,
        overrides_of: Callable[[dict[str, Any]], list[str]],
        least: float = LEAST,
    ) -> None:
        self.page = folder / Files.REPORT / Artifacts.REPORT
        self.findings: Sequence[str] = ()
        self._study = study
        self._store = store
        self._run = run
        self._overrides_of = overrides_of
        self._least = least
        self._warned = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._write_repeatedly, daemon=True)

    def on_start(self) -> None:
        """Start the thread that writes reports."""
        self._thread.start()

    def on_trial_end(self, number: int, result: Result) -> None:
        """Do nothing: the thread has its own rhythm."""

    def on_idle(self) -> None:
        """Do nothing: the thread has its own rhythm."""

    def on_end(self) -> None:
        """End the thread, after the report that it may be writing."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def write(
        self,
        scores: Mapping[str, float] | None = None,
        ended: str = "",
        evaluation: Evaluation | None = None,
    ) -> bool:
        """Write a report; log a warning if it can't be written, since no sweep fails by its report.

        While MLflow is unreachable, the study's run queues the report.

        Args:
            scores: The best trial's metrics on the test part.
            ended: Why no further trial was started; empty while the sweep runs.
            evaluation: How the best trial's model errs on the test part.

        Returns:
            True if the report was written.
        """
        return self._write(lambda: self._run, scores, ended, evaluation)

    def _write_repeatedly(self) -> None:
        seconds = 0.0
        while not self._end.wait(pause(seconds, self._least)):
            began = time.monotonic()
            self._write(self._attached)
            seconds = time.monotonic() - began

    def _attached(self) -> Run:
        """Open the run without its queue: the next report makes up for one that is lost."""
        return self._store.attach(self._run.id, self._run.experiment_id)

    def _write(
        self,
        run: Callable[[], Run],
        scores: Mapping[str, float] | None = None,
        ended: str = "",
        evaluation: Evaluation | None = None,
    ) -> bool:
        try:
            best = best_trial(self._study)
            overrides = self._overrides_of(best.params) if best else []
            snapshot = snapshot_of(
                self._study,
                overrides=overrides,
                scores=scores,
                ended=ended,
                evaluation=evaluation,
            )
            log_report(run(), snapshot, write_report(snapshot, self.page.parent))
            self.findings = [
                text for text in (in_short(snapshot), *next_steps(snapshot)[:1]) if text
            ]
        except Exception as error:
            self._warn(f"{type(error).__name__}: {one_line(error)}")
            return False
        self._warned = ""
        return True

    def _warn(self, reason: str) -> None:
        if reason != self._warned:  # once, for as long as the reason is the same
            name = shlex.quote(self._study.study_name)
            log.warning(
                "the report was not written: %s; retry with: rnnexp report %s", reason, name
            )
        self._warned = reason


def pause(seconds: float, least: float = LEAST) -> float:
    """Return the seconds until the next report.

    Args:
        seconds: The time that the last report took.
        least: The smallest number of seconds between two reports.
    """
    return max(least, seconds / SHARE)
