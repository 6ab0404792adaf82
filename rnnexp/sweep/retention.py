"""Which trials keep their checkpoints: those of the best few, while the sweep runs and after it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import optuna
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, TrialState

from rnnexp.objective import Objective
from rnnexp.storage.checkpoint_deletion import checkpoint_files
from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.optuna_store import objective_of, ranked
from rnnexp.storage.schema import TrialAttrs

ALL, NONE = "all", "none"
Keep = int | str


def keep_problems(keep: object) -> list[str]:
    """What is wrong with ``hydra.sweeper.keep``; empty if nothing."""
    if keep in (ALL, NONE) or (type(keep) is int and keep >= 1):
        return []
    return [f"hydra.sweeper.keep={keep}: must be a whole number, at least 1, or all, or none"]


def discarded(
    trials: Sequence[FrozenTrial], keep: Keep, objective: Objective, *, is_over: bool = False
) -> dict[int, str]:
    """Numbers of the trials whose checkpoints go, each with the rule that says so.

    A trial that is running, or interrupted and can be resumed, keeps what it has. What goes once
    would always go: trials that are yet to come can't make a trial better.

    Args:
        trials: All trials of a study.
        keep: How many of the best completed trials keep theirs; ``all`` keeps every trial's, also
            those of pruned and failed ones; with ``none`` the best one keeps its own until the
            study is over, as it is evaluated then.
        objective: What is better.
        is_over: Whether the study has ended, and its best trial was evaluated.
    """
    if keep == ALL:
        return {}
    rule = f"hydra.sweeper.keep={keep}: "
    gone = {}
    for trial in trials:
        if trial.state in (TrialState.PRUNED, TrialState.FAIL):
            how = "was pruned" if trial.state == TrialState.PRUNED else "failed"
            gone[trial.number] = f"{rule}only trials that completed can keep theirs, this one {how}"
    n_kept = keep if isinstance(keep, int) else int(not is_over)
    for rank, trial in enumerate(ranked(trials, objective)[n_kept:], start=n_kept):
        why = f"when this was decided, {rank} completed trials were better"
        gone[trial.number] = rule + (why if rank else "none is kept when the study is over")
    return gone


@dataclass
class Retention:
    """Deletes the checkpoints that a study does not keep, as soon as that is known.

    While MLflow is away, what is to be deleted waits as everything else that the study's run
    writes. A trial whose job has left no local files that match has nothing more to delete, which
    is how a resume knows what is left to do.

    Attributes:
        study: The study in Optuna.
        settings: ``hydra.sweeper``.
        parent: The study's run.
        folder: Hydra's folder of the sweep.
    """

    study: optuna.Study
    settings: DictConfig
    parent: Run
    folder: Path
    _done: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Take as done what an earlier sweep of the study has done."""
        self._done = {
            trial.number
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state.is_finished()
            and not checkpoint_files(self._folder(trial), self.settings.checkpoints)
        }

    def apply(self, *, is_over: bool = False) -> None:
        """Delete what has to go.

        Args:
            is_over: Whether the study has ended, and its best trial was evaluated.
        """
        patterns = list(self.settings.checkpoints)
        if not patterns or self.settings.keep == ALL:
            return
        with locked(self.folder):  # another sweep of the study may evaluate its best trial just now
            trials = self.study.get_trials(deepcopy=False)
            gone = discarded(trials, self.settings.keep, objective_of(self.study), is_over=is_over)
            for number in sorted(set(gone) - self._done):
                trial = trials[number]
                self.parent.delete_checkpoint(
                    trial.user_attrs.get(TrialAttrs.RUN_ID),
                    self._folder(trial),
                    patterns,
                    gone[number],
                )
                self._done.add(number)

    def _folder(self, trial: FrozenTrial) -> Path:
        return self.folder / str(trial.number)
