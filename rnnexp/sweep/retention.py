"""Retention of checkpoints: the best few trials keep theirs, during the sweep and after it."""

from collections.abc import Container, Sequence
from pathlib import Path

from optuna.trial import FrozenTrial, TrialState

from rnnexp.number_ranges import COUNT
from rnnexp.result import Result
from rnnexp.storage.checkpoint_deletion import checkpoint_files
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.mlflow_run import Run
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
    trials: EndedTrials, keep: Keep, cleared: Container[int] = (), *, is_over: bool = False
) -> list[tuple[FrozenTrial, str]]:
    """Return the trials whose checkpoints are deleted.

    A trial that is running, paused, or was interrupted and can be resumed, keeps its checkpoint,
    and so does a trial that was paused when the study ended, as long as any trial keeps its own.
    A deletion is never regretted: trials that are yet to come can't make a trial better.

    Args:
        trials: The trials of a study.
        keep: How many of the best complete trials keep their checkpoints; with ``all`` every trial
            keeps its own, also pruned and failed trials; with ``none`` the best trial keeps its
            own until the study is over, since the best trial is evaluated then.
        cleared: The numbers of the trials that are left out, as their checkpoints are gone.
        is_over: Whether the study has ended, and its best trial was evaluated.

    Returns:
        Each trial with the rule that says so.
    """
    if keep == ALL:
        return []
    rule = f"hydra.sweeper.keep={keep}: "
    found = []
    for trial in trials.others:
        if trial.number not in cleared and (
            keep == NONE or not trial.user_attrs.get(TrialAttrs.PAUSED)
        ):
            how = "was pruned" if trial.state == TrialState.PRUNED else "failed"
            found.append((trial, f"{rule}only complete trials can keep theirs, this one {how}"))
    n_kept = keep if isinstance(keep, int) else int(not is_over)
    for rank, trial in enumerate(trials.ranked[n_kept:], start=n_kept):
        if trial.number not in cleared:
            why = f"when this was decided, {rank} complete trials were better"
            found.append((trial, rule + (why if rank else "none is kept when the study is over")))
    return found


class Retention(LoopCallback):
    """Deletes the checkpoints that a study does not keep, as soon as that is known.

    While MLflow is unreachable, deletions are queued like all other writes of the study's run. A
    trial whose folder has no checkpoint files has nothing more to delete, which is how a resume
    knows the deletions that are left.

    Args:
        trials: The study's trials, which `ReadTrials` reads.
        keep: How many of the best complete trials keep their checkpoints; see `trials_to_clear`.
        patterns: Which file names in a trial's folder are checkpoints; empty to delete nothing.
        run: The study's run.
        folder: Hydra's folder of the sweep.
        stored: The ids of the runs with a checkpoint, also of trials that ran on other machines.
    """

    def __init__(
        self,
        trials: EndedTrials,
        keep: Keep,
        patterns: Sequence[str],
        run: Run,
        folder: Path,
        stored: Container[str] = (),
    ) -> None:
        self._trials = trials
        self._keep = keep
        self._patterns = list(patterns)
        self._run = run
        self._folder = folder
        self._is_due = True
        # An earlier sweep of the study may have deleted some checkpoints.
        self._cleared = {
            trial.number
            for trial in [*self._trials.ranked, *self._trials.others]
            if trial.user_attrs.get(TrialAttrs.RUN_ID) not in stored
            and not checkpoint_files(self._of(trial), self._patterns)
        }

    def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Delete checkpoints when the slots are filled."""
        self._is_due = True

    def on_idle(self) -> None:
        """Delete checkpoints, if trials have ended since."""
        if self._is_due:
            self._clear()

    def apply(self, *, is_over: bool = False) -> None:
        """Read the trials, and delete the checkpoints that are not kept.

        Args:
            is_over: Whether the study has ended, and its best trial was evaluated.
        """
        self._trials.read()
        self._clear(is_over=is_over)

    def _clear(self, *, is_over: bool = False) -> None:
        """Delete the checkpoints that are not kept, but for one that another sweep evaluates.

        That sweep says so first, then looks whether the trial is still the best; here it is the
        other way round. So a trial that was the best is seen to be evaluated.

        Args:
            is_over: Whether the study has ended, and its best trial was evaluated.
        """
        if not self._patterns or self._keep == ALL:
            return
        found = trials_to_clear(self._trials, self._keep, self._cleared, is_over=is_over)
        in_use = evaluated_trials(self._trials.study)
        for trial, rule in sorted(found, key=lambda pair: pair[0].number):
            if trial.number in in_use:
                continue
            run_id = trial.user_attrs.get(TrialAttrs.RUN_ID)
            self._run.delete_checkpoint(run_id, self._of(trial), self._patterns, rule)
            self._cleared.add(trial.number)
        self._is_due = bool(in_use)

    def _of(self, trial: FrozenTrial) -> Path:
        return folder_of(trial, self._folder)
