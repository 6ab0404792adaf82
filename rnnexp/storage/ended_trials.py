"""The trials of a study that have ended: counted, ranked, and in the order in which they ended."""

from bisect import bisect, insort
from datetime import datetime
from typing import TYPE_CHECKING, Self

from rnnexp.result import Result, State
from rnnexp.storage.optuna_store import (
    best_epoch,
    best_of,
    best_unfinished,
    front,
    is_paused,
    objectives_of,
    paused_result,
    rank,
    ranked,
    replaced,
    stored_result,
    value_of,
    values_of,
)
from rnnexp.storage.schema import TrialAttrs
from rnnexp.trial_reader import TrialReader

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial


class EndedTrials:
    """The trials of a study that have ended, and those that have not, as of the last `read`.

    Args:
        study: The study, which is read.

    Attributes:
        study: The study.
        objectives: What the study optimizes.
        counts: The number of trials by state, the paused trials included.
        ranked: The complete trials, the best first; see `rnnexp.storage.optuna_store.ranked`.
        others: The pruned and the failed trials.
        results: The results in the order in which the trials ended.
    """

    def __init__(self, study: "optuna.Study") -> None:
        self.study = study
        self.objectives = objectives_of(study)
        self.counts = dict.fromkeys(State, 0)
        self.ranked: list[FrozenTrial] = []
        self.others: list[FrozenTrial] = []
        self.results: list[Result] = []
        self._replaced: set[int] = set()
        self._epochs = 0  # of the trials that have ended
        self._core_seconds = 0.0  # of the same
        self._ended: list[tuple[datetime, int]] = []  # of each result: when, and which trial
        self._reader = TrialReader(study)
        self.read()

    @property
    def best(self) -> "FrozenTrial | None":
        """The complete trial that wins; None if none is complete and meets the constraints."""
        return best_of(self.ranked, self.objectives)

    @property
    def front(self) -> "list[FrozenTrial]":
        """The complete trials on the Pareto front, the winner first."""
        return front(self.ranked, self.objectives)

    @property
    def running(self) -> "list[FrozenTrial]":
        """The running trials by number."""
        unfinished = self._reader.unfinished
        return [t for t in unfinished if t.state.name == "RUNNING" and not is_paused(t)]

    @property
    def paused(self) -> "list[FrozenTrial]":
        """The paused trials by number."""
        return [trial for trial in self._reader.unfinished if is_paused(trial)]

    @property
    def leader(self) -> "tuple[FrozenTrial, Result] | None":
        """The best trial that is complete, paused, or goes on after a pause, and its result."""
        best = self.best
        found = best_unfinished(self._reader.unfinished, self.objectives, best)
        return found or ((best, _result(best, State.COMPLETE)) if best else None)

    @property
    def paused_results(self) -> list[Result]:
        """The results so far of the paused trials, by number."""
        return [result for trial in self.paused if (result := paused_result(trial))]

    @property
    def begun(self) -> int:
        """The number of trials that have begun."""
        return len(self.results) + len(self.running) + len(self.paused)

    @property
    def best_value(self) -> float | None:
        """The best value of the first objective, paused trials included; None without any.

        Trials that break a constraint don't count.
        """
        paused = [
            paused_result(trial)
            for trial in self.paused
            if self.objectives.is_feasible(values_of(trial, self.objectives))
        ]
        # The winner may be worse, if it is better by another objective.
        front = self.ranked[:1] if self.objectives.is_plain else self.front
        complete = map(value_of, front)
        values = [*(result.value for result in paused if result), *complete, None]
        return min(values, key=self.objectives.first.sort_key)

    @property
    def epochs(self) -> int:
        """The number of epochs that all trials have reported."""
        return self._epochs + sum(len(t.intermediate_values) for t in self._reader.unfinished)

    @property
    def lengths(self) -> list[int]:
        """The number of epochs of each complete trial."""
        return [len(trial.intermediate_values) for trial in self.ranked]

    @property
    def core_hours(self) -> float:
        """The core-hours that all trials took until they ended, or were last paused."""
        return (self._core_seconds + sum(map(core_seconds, self._reader.unfinished))) / 3600

    def read(self) -> Self:
        """Read what has ended since the last time, and return this object."""
        new = self._reader.newly_ended()
        for trial in new:
            state = State[trial.state.name]
            self.counts[state] += 1
            self._epochs += len(trial.intermediate_values)
            self._core_seconds += core_seconds(trial)
            if state == State.COMPLETE:
                insort(self.ranked, trial, key=lambda each: rank(each, self.objectives.first))
            else:
                self.others.append(trial)
            ended = trial.datetime_complete or datetime.max, trial.number
            place = bisect(self._ended, ended)  # another process may have ended it earlier
            self._ended.insert(place, ended)
            self.results.insert(place, _result(trial, state))
        for number in replaced([*new, *self._reader.unfinished]) - self._replaced:
            self._leave_out(number)
        self.counts[State.PAUSED] = len(self.paused)
        if new and not self.objectives.is_plain:
            self.ranked = ranked(self.ranked, self.objectives)
        return self

    def _leave_out(self, number: int) -> None:
        """Leave out a trial in whose place another goes on."""
        self._replaced.add(number)
        for trials in (self.ranked, self.others):
            for trial in [each for each in trials if each.number == number]:
                trials.remove(trial)
                self.counts[State[trial.state.name]] -= 1
                self._epochs -= len(trial.intermediate_values)
                self._core_seconds -= core_seconds(trial)
        for place, (_, each) in enumerate(self._ended):
            if each == number:
                del self._ended[place], self.results[place]
                return


def _result(trial: "FrozenTrial", state: State) -> Result:
    stored = stored_result(trial)
    measures = stored.measures if stored else {}
    return Result(state, value_of(trial), best_epoch(trial), measures=measures)


def core_seconds(trial: "FrozenTrial") -> float:
    """Return the core-seconds that a trial took until it ended, or was last paused.

    Args:
        trial: The trial; of one whose process has died, no more is known than its start and end.
    """
    result = stored_result(trial) or paused_result(trial)
    if result and result.seconds is not None:
        seconds = result.seconds
    elif trial.duration:
        seconds = trial.duration.total_seconds()
    else:
        slices = trial.user_attrs.get(TrialAttrs.SLICES, [])
        times = [[datetime.fromisoformat(time) for time in each] for each in slices]
        seconds = sum((end - start).total_seconds() for start, end in times)
    return float(seconds * trial.user_attrs.get(TrialAttrs.CORES, 0))
