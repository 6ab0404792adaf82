"""Progress of a study as metrics of its run in MLflow."""

from rnnexp.result import Result
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.schema import Metrics
from rnnexp.sweep.loop_callbacks import LoopCallback


class Progress(LoopCallback):
    """Logs the number of trials by state, and the best trial, on the study's run.

    Args:
        trials: The study's trials, which `ReadTrials` reads.
        run: The study's run.
    """

    def __init__(self, trials: EndedTrials, run: Run) -> None:
        self._trials = trials
        self._run = run
        self._is_due = True  # at first, too: a sweep that died may have had no time to log

    def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Log when the slots are filled."""
        self._is_due = True

    def on_idle(self) -> None:
        """Log, if trials have ended or were paused since."""
        if self._is_due:
            log_progress(self._trials, self._run)
        self._is_due = False

    def on_end(self) -> None:
        """Log what has ended since."""
        self.on_idle()


def log_progress(trials: EndedTrials, run: Run) -> None:
    """Log the number of trials by state, and the best trial, unless none has ended or is paused.

    Args:
        trials: The study's trials.
        run: The study's run.
    """
    if not any(trials.counts.values()):
        return
    metrics: dict[str, float] = {
        f"{Metrics.TRIALS}{state.lower()}": n for state, n in trials.counts.items()
    }
    if leader := trials.leader:
        trial, result = leader
        if result.value is not None:
            metrics |= {Metrics.BEST_VALUE: result.value, Metrics.BEST_TRIAL: trial.number}
    run.log_batch(metrics=metrics, step=len(trials.results))
