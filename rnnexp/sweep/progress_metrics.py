"""Progress of a study as metrics of its run in MLflow."""

from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from rnnexp.result import Result
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.optuna_store import best_of, objective_of
from rnnexp.storage.schema import Metrics
from rnnexp.sweep.loop_callbacks import LoopCallback

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Progress(LoopCallback):
    """Logs the number of trials by state, and the best trial, on the study's run.

    Args:
        study: The study.
        run: The study's run.
    """

    def __init__(self, study: optuna.Study, run: Run) -> None:
        self._study = study
        self._objective = objective_of(study)
        self._run = run
        self._is_due = True  # at first, too: a sweep that died may have had no time to log

    def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Log when the slots are filled."""
        self._is_due = True

    def on_idle(self) -> None:
        """Log, if trials have ended since."""
        if not self._is_due:
            return
        trials = self._study.get_trials(deepcopy=False)
        counts = trial_counts(trials)
        if ended := sum(counts.values()):
            metrics: dict[str, float] = {
                f"{Metrics.TRIALS}{state.name.lower()}": count for state, count in counts.items()
            }
            if best := best_of(trials, self._objective):
                metrics[Metrics.BEST_VALUE] = best.values[0]
                metrics[Metrics.BEST_TRIAL] = best.number
            self._run.log_batch(metrics=metrics, step=ended)
        self._is_due = False

    def on_end(self) -> None:
        """Log what has ended since."""
        self.on_idle()


def trial_counts(trials: Sequence[FrozenTrial]) -> dict[TrialState, int]:
    """Return the number of trials that have ended, by state."""
    states = [trial.state for trial in trials]
    return {state: states.count(state) for state in ENDED}
