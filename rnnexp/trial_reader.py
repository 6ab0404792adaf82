"""The trials of an Optuna study, read step by step, so that a long study costs no more a trial."""

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


class TrialReader:
    """Reads which trials of a study have ended since the last time: those never change again.

    Args:
        study: The study.

    Attributes:
        unfinished: The trials that had not ended when the study was last read, by number.
    """

    def __init__(self, study: "optuna.Study") -> None:
        self.unfinished: list[FrozenTrial] = []
        self._study = study
        self._first = 0  # the number below which all trials have ended and were read
        self._read: set[int] = set()  # the others that have ended and were read

    def newly_ended(self) -> "list[FrozenTrial]":
        """Return the trials that have ended since the last call, by number; at first, all."""
        trials = self._study.get_trials(deepcopy=False)
        later = trials[bisect_left(trials, self._first, key=lambda trial: trial.number) :]
        new, self.unfinished = [], []
        for trial in later:
            if not trial.state.is_finished():
                self.unfinished.append(trial)
            elif trial.number not in self._read:
                new.append(trial)
        if later:
            self._first = (self.unfinished or [later[-1]])[0].number + (not self.unfinished)
        self._read.update(trial.number for trial in new)
        self._read = {number for number in self._read if number >= self._first}
        return new
