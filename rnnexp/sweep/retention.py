"""Retention of checkpoints: the best few trials keep theirs, during the sweep and after it."""

from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from rnnexp.number_ranges import COUNT
from rnnexp.objective import Objective
from rnnexp.result import Result
from rnnexp.storage.checkpoint_deletion import checkpoint_files
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.optuna_store import objective_of, ranked
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.trial_folder import folder_of
from rnnexp.sweep.heartbeat import evaluated_trials
from rnnexp.sweep.loop_callbacks import LoopCallback

ALL, NONE = "all", "none"
Keep = int | str


def keep_problems(keep: object) -> list[str]:
    """Return what is wrong with ``hydra.sweeper.keep``; empty if nothing is wrong."""
    if keep in (ALL, NONE):
        return []
    return COUNT.problems("hydra.sweeper.keep", keep, ", or all, or none")


def trials_to_clear(
    trials: Sequence[FrozenTrial], keep: Keep, objective: Objective, *, is_over: bool = False
) -> dict[int, str]:
    """Return the trials whose checkpoints are deleted.

    A trial that is running, or was interrupted and can be resumed, keeps its checkpoint. A deletion
    is never regretted: trials that are yet to come can't make a trial better.

    Args:
        trials: All trials of a study.
        keep: How many of the best complete trials keep their checkpoints; with ``all`` every trial
            keeps its own, also pruned and failed trials; with ``none`` the best trial keeps its
            own until the study is over, since the best trial is evaluated then.
        objective: What the study optimizes.
        is_over: Whether the study has ended, and its best trial was evaluated.

    Returns:
        The rule that says so, by the number of the trial.
    """
    if keep == ALL:
        return {}
    rule = f"hydra.sweeper.keep={keep}: "
    cleared = {}
    for trial in trials:
        if trial.state in (TrialState.PRUNED, TrialState.FAIL):
            how = "was pruned" if trial.state == TrialState.PRUNED else "failed"
            cleared[trial.number] = f"{rule}only complete trials can keep theirs, this one {how}"
    n_kept = keep if isinstance(keep, int) else int(not is_over)
    for rank, trial in enumerate(ranked(trials, objective)[n_kept:], start=n_kept):
        why = f"when this was decided, {rank} complete trials were better"
        cleared[trial.number] = rule + (why if rank else "none is kept when the study is over")
    return cleared


class Retention(LoopCallback):
    """Deletes the checkpoints that a study does not keep, as soon as that is known.

    While MLflow is unreachable, deletions are queued like all other writes of the study's run. A
    trial whose folder has no checkpoint files has nothing more to delete, which is how a resume
    knows the deletions that are left.

    Args:
        study: The study.
        keep: How many of the best complete trials keep their checkpoints; see `trials_to_clear`.
        patterns: Which file names in a trial's folder are checkpoints; empty to delete nothing.
        run: The study's run.
        folder: Hydra's folder of the sweep.
    """

    def __init__(
        self, study: optuna.Study, keep: Keep, patterns: Sequence[str], run: Run, folder: Path
    ) -> None:
        self._study = study
        self._objective = objective_of(study)
        self._keep = keep
        self._patterns = list(patterns)
        self._run = run
        self._folder = folder
        self._is_due = True
        # An earlier sweep of the study may have deleted some checkpoints.
        self._cleared = {
            trial.number
            for trial in study.get_trials(deepcopy=False)
            if trial.state.is_finished() and not checkpoint_files(self._of(trial), self._patterns)
        }

    def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Delete checkpoints when the slots are filled."""
        self._is_due = True

    def on_idle(self) -> None:
        """Delete checkpoints, if trials have ended since."""
        if self._is_due:
            self.apply()

    def apply(self, *, is_over: bool = False) -> None:
        """Delete the checkpoints that are not kept, but for one that another sweep evaluates.

        That sweep says so first, then looks whether the trial is still the best; here it is the
        other way round. So a trial that was the best is seen to be evaluated.

        Args:
            is_over: Whether the study has ended, and its best trial was evaluated.
        """
        if not self._patterns or self._keep == ALL:
            return
        trials = self._study.get_trials(deepcopy=False)
        cleared = trials_to_clear(trials, self._keep, self._objective, is_over=is_over)
        in_use = evaluated_trials(self._study)
        for number in sorted(set(cleared) - self._cleared - in_use):
            run_id = trials[number].user_attrs.get(TrialAttrs.RUN_ID)
            folder = self._of(trials[number])
            self._run.delete_checkpoint(run_id, folder, self._patterns, cleared[number])
            self._cleared.add(number)
        self._is_due = bool(in_use)

    def _of(self, trial: FrozenTrial) -> Path:
        return folder_of(trial, self._folder)
