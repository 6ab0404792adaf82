"""Progress of a study as metrics of its run in MLflow."""

import optuna

from rnnexp.result import Result
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.schema import Metrics
from rnnexp.sweep.loop_callbacks import LoopCallback


class Progress(LoopCallback):
    """Logs the number of trials by state, and the best trial, on the study's run.

    Args:
        study: The study.
        run: The study's run.
    """

    def __init__(self, study: optuna.Study, run: Run) -> None:
        self._trials = EndedTrials(study)
        self._run = run
        self._is_due = True  # at first, too: a sweep that died may have had no time to log

    def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Log when the slots are filled."""
        self._is_due = True

    def on_idle(self) -> None:
        """Log, if trials have ended since."""
        if not self._is_due:
            return
        trials = self._trials.read()
        if ended := len(trials.results):
            metrics: dict[str, float] = {
                f"{Metrics.TRIALS}{state.lower()}": n for state, n in trials.counts.items()
            }
            if best := trials.best:
                metrics[Metrics.BEST_VALUE] = best.values[0]
                metrics[Metrics.BEST_TRIAL] = best.number
            self._run.log_batch(metrics=metrics, step=ended)
        self._is_due = False

    def on_end(self) -> None:
        """Log what has ended since."""
        self.on_idle()
