"""The paused trials of a study: how each is stored, goes on, and ends with the study.

Optuna has no such state, so that a paused trial is RUNNING there, with the result so far as an
attribute. Several sweeps may share a study, so that changes are made with the lock of the study.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from rnnexp.orders import Action, Orders
from rnnexp.result import Result, State
from rnnexp.search.space import Space
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.optuna_store import paused_result, set_trial_attr, stored_trial, values_of
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Files, StudyAttrs, Tags, TrialAttrs
from rnnexp.storage.stored_orders import keep_done, read_orders
from rnnexp.storage.study_lock import StudyLock
from rnnexp.storage.trial_folder import folder_of
from rnnexp.sweep.heartbeat import live_sweeps
from rnnexp.sweep.scheduler import PausedTrial, Scheduler
from rnnexp.sweep.telling import tell


class PausedRuns(Protocol):
    """The runs of trials: a `Tracker`, or a `MemoryTracker`."""

    def end_paused(
        self, run_id: str, state: State, tags: Mapping[str, object], outbox: Path
    ) -> None:
        """End the run of a paused trial in another state."""

    def delete_backup(self, run_id: str | None) -> None:
        """Delete the uploaded backup of a trial, if there is one."""


@dataclass(frozen=True)
class PausedTrials:
    """The paused trials of a study.

    Attributes:
        study: The study.
        storage: The study's storage.
        runs: The runs of trials.
        folder: Hydra's folder of the sweep.
        scheduler: Decides which paused trial goes on.
        lock: The study's lock, against other sweeps of the study.
        keep: The number of trials that are paused at most; the least promising are pruned.
        budget: The limits of the sweep by name, stored with the study when it ends.
        space: The search space, outside of which a paused trial rests; None for any params.
    """

    study: optuna.Study
    storage: BaseStorage
    runs: PausedRuns
    folder: Path
    scheduler: Scheduler
    lock: StudyLock
    keep: int = 50
    budget: Mapping[str, float | None] = field(default_factory=dict)
    space: Space | None = None
    # By the number of a trial that went on: before, the study's best value and the trial's epochs.
    _before: dict[int, tuple[float | None, int]] = field(default_factory=dict)
    _since: set[int] = field(default_factory=set)  # trials that paused since a free slot was filled

    @cached_property
    def trials(self) -> EndedTrials:
        """The trials of the study, as of their last `EndedTrials.read`."""
        return EndedTrials(self.study)

    @retry_transient
    def thaw(self, sweep_id: str, *, can_begin: bool) -> int | None:
        """Let a paused trial go on, if the scheduler says so.

        To be called with the lock, after a reading of the trials: what a reading costs, a free slot
        waits for.

        Args:
            sweep_id: Id of the sweep that runs the trial.
            can_begin: Whether a new trial can begin.

        Returns:
            The trial's number; None if no trial goes on.
        """
        self._since.clear()
        orders = self._obey()
        paused, wanted = self._resting(orders), orders.trials_to(Action.RESUME)
        trials = self.trials
        chosen = self.scheduler.next(
            paused, trials.begun, can_begin=can_begin, lengths=trials.lengths, wanted=wanted
        )
        if chosen is None:
            return None
        number = chosen.number
        stored = stored_trial(self.study, self.storage, number)
        self._before[number] = self.trials.best_value, len(stored.intermediate_values)
        first = max(stored.intermediate_values, default=-1) + 1
        # Until the last of these writes the trial is paused; then it is stale if the sweep dies.
        self.set_attr(number, TrialAttrs.SLICE, [first, first + chosen.epochs - 1])
        self.set_attr(number, TrialAttrs.SWEEP, sweep_id)
        self.set_attr(number, TrialAttrs.PAUSED, None)
        if number in wanted:
            keep_done(self.study, number, wanted[number])
        return number

    def pause(self, number: int, result: Result) -> None:
        """Store that a trial is paused; prune the least promising of too many paused trials."""
        trial = retry_transient(stored_trial)(self.study, self.storage, number)
        if not trial.user_attrs.get(TrialAttrs.PAUSED):  # the job broke before it could store it
            self.set_attr(number, TrialAttrs.PAUSED, result.to_json())
        self.set_attr(number, TrialAttrs.SWEEP, None)
        self.ended(number, result)
        self._since.add(number)
        # Those that other sweeps have paused since the last reading are seen the next time.
        if len(self._since.union(trial.number for trial in self.trials.paused)) <= self.keep:
            return
        with self.lock.held():
            self.trials.read()
            self._since.clear()
            resting = self._resting(read_orders(self.study))
            for each in self.scheduler.least_promising(resting, self.keep):
                reason = f"no more than {self.keep} paused trials are kept (keep_paused)"
                _end(self, each, reason, for_good=True)

    def ended(self, number: int, result: Result) -> None:
        """Let the scheduler know what a slice of a trial has brought, if the trial had one."""
        if number not in self._before:
            return
        best, epochs = self._before.pop(number)
        trial = retry_transient(stored_trial)(self.study, self.storage, number)
        self.scheduler.ended(result.value, best, len(trial.intermediate_values) - epochs)

    def with_reason(self, reason: str) -> str:
        """Return why no trial begins, with the reason that no paused trial goes on."""
        own = self.scheduler.reason_to_stop(self.trials.begun, self.trials.lengths)
        return "; ".join(filter(None, [reason, own]))

    def end_all(self, reason: str) -> None:
        """Tell what is still paused: what no trial is better than as complete, the rest as pruned.

        Their backups stay for a resume with another budget, see `rnnexp.sweep.reopening`.

        Args:
            reason: Why no paused trial goes on.
        """
        with self.lock.held():
            self.trials.read()
            budget = dict(self.budget) | self._obey().budget
            retry_transient(self.study.set_user_attr)(StudyAttrs.BUDGET, budget)
            for trial in _left(
                self.trials.read()
            ):  # each of several sweeps that are stopped has its own
                _end(self, trial.number, reason, for_good=False)

    def _resting(self, orders: Orders) -> list[PausedTrial]:
        """Return the paused trials inside of the search space that nobody runs or holds."""
        held = orders.trials_to(Action.PAUSE)
        left = [trial for trial in _left(self.trials) if self.is_inside(trial)]
        return [_as_paused(trial) for trial in left if trial.number not in held]

    def is_inside(self, trial: FrozenTrial) -> bool:
        """Return whether the params of a trial are inside of the search space."""
        return self.space is None or self.space.admits(trial.params)

    def _obey(self) -> Orders:
        """End the paused trials that a user has stopped.

        Returns:
            All orders of the study.
        """
        orders = retry_transient(read_orders)(self.study)
        stopped = orders.trials_to(Action.STOP)
        for trial in _left(self.trials) if stopped else ():
            if order := stopped.get(trial.number):
                _end(self, trial.number, str(order), for_good=True, can_win=False)
        if stopped:
            self.trials.read()
        return orders

    @retry_transient
    def set_attr(self, number: int, name: str, value: object) -> None:
        """Store a user attribute of a trial."""
        set_trial_attr(self.study, self.storage, number, name, value)


def end_run(paused: PausedTrials, trial: FrozenTrial, state: State, reason: str) -> None:
    """End the run of a paused trial in another state, or as paused again."""
    if run_id := trial.user_attrs.get(TrialAttrs.RUN_ID):
        tags = {Tags.TRIAL: trial.number, Tags.STATE: state, Tags.REASON: reason}
        outbox = folder_of(trial, paused.folder) / Files.OUTBOX
        paused.runs.end_paused(run_id, state, tags, outbox)


def _end(
    paused: PausedTrials, number: int, reason: str, *, for_good: bool, can_win: bool = True
) -> None:
    trial = retry_transient(stored_trial)(paused.study, paused.storage, number)
    stored = paused_result(trial)
    if stored is None:
        return
    is_best = can_win and _leads(paused.trials.read(), trial)
    state = State.COMPLETE if is_best else State.PRUNED
    result = replace(stored, state=state, reason=f"{stored.reason}; {reason}")
    end_run(paused, trial, state, result.reason)
    if for_good:
        paused.set_attr(number, TrialAttrs.PAUSED, None)
        paused.runs.delete_backup(trial.user_attrs.get(TrialAttrs.RUN_ID))
    tell(paused.study, paused.storage, paused.folder, number, result, keep_backup=not for_good)


def _leads(trials: EndedTrials, trial: FrozenTrial) -> bool:
    """Return whether no complete or paused trial is better than a trial; equal ones are not."""
    objectives = trials.objectives
    both = {each.number: each for each in [*trials.ranked, *trials.paused, trial]}
    found = {number: values_of(each, objectives) for number, each in both.items()}
    return trial.number in objectives.front(found)


def _left(trials: EndedTrials) -> list[FrozenTrial]:
    """Return the paused trials that were in no sweep's hands at the last reading.

    A job stores that its trial is paused before the job returns. The trial is its sweep's until the
    sweep has seen that, or has died.
    """
    alive = live_sweeps(trials.study)
    return [trial for trial in trials.paused if trial.user_attrs.get(TrialAttrs.SWEEP) not in alive]


def _as_paused(trial: FrozenTrial) -> PausedTrial:
    paused = paused_result(trial)
    seconds = paused.epoch_seconds if paused else None
    return PausedTrial(trial.number, trial.intermediate_values, seconds)
