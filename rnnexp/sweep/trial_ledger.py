"""The ledger of a study's trials: everything that is stored of a trial, in Optuna and MLflow.

ask -> signed with the sweep's id -> running -> told
^                     |       |
+--- retry, claim ----+       +-> paused -> thawed, or told at the end
      (the worker died, or the sweep that ran the trial)
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import starmap
from pathlib import Path
from typing import NamedTuple, Protocol

import optuna
from hydra.core.override_parser.types import Quote, QuotedString
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial

from rnnexp.execution.job_result import Died, Lost
from rnnexp.orders import Order
from rnnexp.result import Result, State
from rnnexp.search.sampling import ask, complete, reason_to_stop
from rnnexp.search.space import Space
from rnnexp.storage.optuna_store import open_trial, paused_result, stored_result, stored_trial
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.schema import Files, Tags, TrialAttrs
from rnnexp.storage.stored_orders import read_orders
from rnnexp.storage.trial_folder import folder_of
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.heartbeat import stale_trials
from rnnexp.sweep.paused_trials import PausedTrials
from rnnexp.sweep.telling import tell

log = logging.getLogger(__name__)

# The result of a trial whose sweep has died before a resume searched another space.
OUTSIDE = Died(
    State.FAIL, reason="its params are outside of the search space, which a resume has changed"
)


class RunStore(Protocol):
    """The runs of trials: a `Tracker`, or a `MemoryTracker`."""

    def find(self, tags: Mapping[str, object], parent: str | None = None) -> str | None:
        """Return the id of the run with these tags, nested under a parent."""

    def end_failed(
        self, run_id: str, tags: Mapping[str, object], outbox: Path, epochs: int
    ) -> None:
        """End a run whose process has died."""


class NextTrial(NamedTuple):
    """What a free slot gets.

    Attributes:
        number: The trial's number; None if no further trial begins.
        reason: Why no further trial begins.
        result: The result that the job of a stale trial had stored before its sweep died.
        order: The order of a user by which none begins: the study is paused, or stops.
    """

    number: int | None
    reason: str = ""
    result: Result | None = None
    order: Order | None = None


@dataclass(frozen=True)
class TrialLedger:
    """What is stored of a study's trials; several sweeps may share a study.

    Attributes:
        study: The study.
        storage: The study's storage.
        space: The search space.
        runs: The runs of trials.
        study_run: Id of the study's run.
        sweep_id: Id of this sweep, which signs the trials that it runs.
        folder: Hydra's folder of the sweep.
        paused: The study's paused trials.
        retries: How often a trial whose worker died is tried again.
    """

    study: optuna.Study
    storage: BaseStorage
    space: Space
    runs: RunStore
    study_run: str
    sweep_id: str
    folder: Path
    paused: PausedTrials
    retries: int = 1

    def next_trial(self, budget: Budget, seconds: float) -> NextTrial:
        """Claim a stale trial, ask for a new one, or let a paused one go on, as the budget lasts.

        Args:
            budget: What the study may spend.
            seconds: How long the sweep has run.

        Returns:
            The trial, or why no further trial begins.
        """
        orders = retry_transient(read_orders)(self.study)
        if order := orders.study:
            return NextTrial(None, str(order), order=order)
        budget = replace(budget, n_trials=orders.n_trials or budget.n_trials)
        with self.paused.lock.held():  # against other sweeps of the study
            retry_transient(self.paused.trials.read)()
            if (number := self.claim_stale()) is not None:
                return NextTrial(number, result=self.stored_result(number))
            over, reason = self.reasons_to_stop(budget, seconds)
            number = None if over else self.paused.thaw(self.sweep_id, can_begin=not reason)
            if number is None and reason:
                return NextTrial(None, over or self.paused.with_reason(reason))
            return NextTrial(self.ask() if number is None else number)

    @retry_transient
    def ask(self) -> int:
        """Begin a new trial, signed by this sweep.

        Returns:
            The trial's number.
        """
        trial = ask(self.study, self.space)
        trial.set_user_attr(TrialAttrs.SWEEP, self.sweep_id)
        return trial.number

    @retry_transient
    def claim_stale(self) -> int | None:
        """Take over a trial whose sweep has died or was interrupted, as of the last reading.

        Returns:
            The trial's number; None if there is no stale trial.
        """
        for number in stale_trials(self.study, self.paused.trials.running):
            trial = open_trial(self.study, self.storage, number)
            if not self.space.admits(trial.params):
                self.finish(number, OUTSIDE)
                self.paused.trials.read()
                continue
            complete(trial, self.space)  # the other sweep may have died while params were drawn
            trial.set_user_attr(TrialAttrs.SWEEP, self.sweep_id)
            _count_attempt(trial)
            return number
        return None

    def retry(self, number: int, result: Result) -> bool:
        """Try a trial again, if its process may die once more.

        Only the attempts whose process died use up ``retries``, not a resume or a full disk.

        Args:
            number: The trial's number.
            result: How its attempt ended.

        Returns:
            Whether the trial is tried again.
        """
        trial = retry_transient(open_trial)(self.study, self.storage, number)
        if isinstance(result, Died) and not isinstance(result, Lost):
            deaths = trial.user_attrs.get(TrialAttrs.DEATHS, 0)
            if deaths >= self.retries:
                return False
            log.warning("trial %s: %s; retrying", number, result.reason)
            retry_transient(trial.set_user_attr)(TrialAttrs.DEATHS, deaths + 1)
        retry_transient(_count_attempt)(trial)
        return True

    def finish(self, number: int, result: Result) -> None:
        """Store the result of a trial that is paused or has ended, which removes its backup."""
        if result.state == State.PAUSED:
            self.paused.pause(number, result)
            return
        if isinstance(result, Died):
            _end_run(self, self._trial(number), result)
        tell(self.study, self.storage, self.folder, number, result)
        self.paused.ended(number, result)

    def stored_result(self, number: int) -> Result | None:
        """Return the result that a trial's job has stored; None if it has not."""
        trial = self._trial(number)
        return stored_result(trial) or paused_result(trial)

    def owns(self, number: int) -> bool:
        """Return whether this sweep runs a trial: another takes it over if this one is cut off."""
        if self._trial(number).user_attrs.get(TrialAttrs.SWEEP) == self.sweep_id:
            return True
        log.warning("trial %s: another sweep has taken the trial over", number)
        return False

    def n_reported(self, number: int) -> int:
        """Return the number of epochs that a trial has reported."""
        return len(self._trial(number).intermediate_values)

    def job_overrides(self, number: int) -> list[str]:
        """Return the overrides of a trial's job: the study and the folder have the time in them."""
        trial = self._trial(number)
        fixed = {"sweeper.study_name": self.study.study_name, "sweep.dir": str(self.folder)}
        if subdir := trial.user_attrs.get(TrialAttrs.FOLDER):  # of the first attempt: the backup's
            fixed["sweep.subdir"] = subdir
        return [*self.space.overrides(trial.params), *starmap(_quoted, fixed.items())]

    @retry_transient
    def reasons_to_stop(self, budget: Budget, seconds: float) -> tuple[str, str]:
        """Return why nothing goes on, not even a paused trial, and why no new trial begins."""
        trials = self.paused.trials
        over = budget.over(seconds, trials.epochs, trials.lengths, trials.core_hours) or ""
        spent = budget.spent([*trials.results, *trials.paused_results], len(trials.running))
        return over, over or spent or reason_to_stop(self.study, self.space)

    @retry_transient
    def _trial(self, number: int) -> FrozenTrial:
        return stored_trial(self.study, self.storage, number)


def _end_run(ledger: TrialLedger, trial: FrozenTrial, result: Died) -> None:
    """End the run of a dead process, before the trial is told: a resume would repeat both."""
    tags = {Tags.STUDY: ledger.study.study_name, Tags.TRIAL: trial.number}
    run_id = trial.user_attrs.get(TrialAttrs.RUN_ID) or ledger.runs.find(tags, ledger.study_run)
    if run_id:
        outbox = folder_of(trial, ledger.folder) / Files.OUTBOX
        outcome = {Tags.STATE: State.FAIL, Tags.REASON: result.reason}
        ledger.runs.end_failed(run_id, outcome, outbox, len(trial.intermediate_values))


def _quoted(key: str, text: str) -> str:
    return f"hydra.{key}={QuotedString(text, Quote.single).with_quotes()}"


def _count_attempt(trial: Trial) -> None:
    trial.set_user_attr(TrialAttrs.ATTEMPT, trial.user_attrs.get(TrialAttrs.ATTEMPT, 0) + 1)
