"""The loop of a study: ask Optuna for a trial, run it, tell Optuna what came out.

+-> ask -> overrides -> submit -> result -> tell --+
|         (as many at once as there are slots)     |
+---------------- until the budget is spent -------+
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGTERM

import optuna
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn
from omegaconf import DictConfig
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from rnnexp.errors import SweepError
from rnnexp.execution import interrupt
from rnnexp.execution.job_result import DISK_FULL, WORKER_DIED, result_of
from rnnexp.execution.launching import Jobs
from rnnexp.result import Result, State
from rnnexp.search.sampling import OtherSeeds, ask, complete, settings_of
from rnnexp.search.space import Space
from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_run import Run
from rnnexp.storage.mlflow_store import Tracker
from rnnexp.storage.optuna_store import open_storage, open_trial, results, stored_result
from rnnexp.storage.retry import retry_transient, wait_for_disk_space
from rnnexp.storage.schema import Files, Tags, TrialAttrs
from rnnexp.storage.uris import absolute_uri
from rnnexp.sweep import summary
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.display import Display
from rnnexp.sweep.heartbeat import OWNER, Owner, stale_trials
from rnnexp.sweep.retention import Retention

log = logging.getLogger(__name__)

FAILURE_WINDOW, FEWEST_FAILURES = 20, 5
REPEAT = "repeat"  # user attribute of a trial that repeats a setting: its seed's override


@dataclass
class Loop:
    """Trials of a study, until its budget is spent; a free slot gets its next trial at once.

    Attributes:
        study: The study in Optuna.
        space: What is searched.
        budget: What it may spend.
        settings: ``hydra.sweeper``.
        jobs: Where trials run.
        tracker: Where their runs are.
        parent: The study's run.
        owner: Signs the trials.
        folder: Hydra's folder of the sweep.
        retention: Deletes the checkpoints that are not kept.
        seeds: How a setting is repeated; None if it never is.
        stopped: Why no further trial began.
    """

    study: optuna.Study
    space: Space
    budget: Budget
    settings: DictConfig
    jobs: Jobs
    tracker: Tracker
    parent: Run
    owner: Owner
    folder: Path
    retention: Retention
    seeds: OtherSeeds | None = None
    stopped: str = ""
    _running: dict[Future[JobReturn], int] = field(default_factory=dict)
    _ended: list[State] = field(default_factory=list)
    _noted: int | None = None  # of `_ended`, when the study's run was brought up to date
    _asked_to_end: bool = False

    @property
    def _storage(self) -> BaseStorage:
        return open_storage(absolute_uri(self.settings.storage))

    def run(self, display: Display) -> None:
        """Run trials until there is a reason to stop, which is left in ``stopped``.

        Raises:
            SweepError: If too many failed.
            KeyboardInterrupt: On Ctrl-C or SIGTERM. At the first the trials that run end after
                their epoch, at the second at once; both can be taken up again.
        """
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        interrupt.clear()
        with _signals(self._on_signal):
            try:
                while True:
                    self._fill_slots(began, display)
                    # After, since no slot may wait for these.
                    self._note_progress()
                    retry_transient(self.retention.apply)()
                    if not self._running:
                        break
                    for future in wait(
                        self._running, timeout=display.every, return_when=FIRST_COMPLETED
                    ).done:
                        self._end(future, display)
                    retry_transient(display.show)()
                    self._stop_if_too_many_failed()
            except BaseException:
                self.jobs.interrupt(at_once=True)
                wait(self._running)
                raise
        if self._asked_to_end:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: object) -> None:  # noqa: ARG002
        if self._asked_to_end:
            raise KeyboardInterrupt
        self._asked_to_end = True
        self.stopped = f"of {signal.Signals(number).name}"
        log.warning("running trials end after their epoch; once more ends them at once")
        self.jobs.interrupt(at_once=False)

    def _fill_slots(self, began: float, display: Display) -> None:
        while len(self._running) < self.jobs.n_jobs and not self._asked_to_end:
            wait_for_disk_space(self.folder)
            with locked(self.folder):  # by other sweeps of this study
                number = taken_up = self._take_orphan()
                if number is None:
                    self.stopped = self._reason_to_stop(time.monotonic() - began)
                    if self.stopped:
                        break
                    number = self._ask()
            if taken_up is not None and (result := self._stored_result(number)):
                self._finish(number, result, display)
            else:
                self._submit(number)
        self.jobs.flush()

    @retry_transient
    def _ask(self) -> int:
        trial = ask(self.study, self.space)
        self._sign(trial)
        return trial.number

    @retry_transient
    def _take_orphan(self) -> int | None:
        """A trial whose sweep has died, or was interrupted."""
        for number in stale_trials(self.study):
            trial = open_trial(self.study, self._storage, number)
            complete(trial, self.space)  # its sweep may have died as it began
            self._sign(trial)
            trial.set_user_attr(TrialAttrs.ATTEMPT, trial.user_attrs.get(TrialAttrs.ATTEMPT, 0) + 1)
            return number
        return None

    def _sign(self, trial: Trial) -> None:
        if self.seeds and REPEAT not in trial.user_attrs:
            self._note_repeat(trial)
        trial.set_user_attr(OWNER, self.owner.id)

    def _stored_result(self, number: int) -> Result | None:
        """What came out of a trial whose process could store it, but not tell its sweep."""
        return stored_result(self._trial(number))

    def _submit(self, number: int) -> None:
        # A job composes its own config, and these have the time in them.
        name = QuotedString(self.study.study_name, Quote.single).with_quotes()
        folder = QuotedString(str(self.folder), Quote.single).with_quotes()
        overrides = [
            *self.overrides_of(self._trial(number)),
            f"hydra.sweeper.study_name={name}",
            f"hydra.sweep.dir={folder}",
        ]
        self._running[self.jobs.submit(overrides, number)] = number

    @retry_transient
    def _trial(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    @retry_transient
    def _reason_to_stop(self, seconds: float) -> str:
        running = self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        if reason := self.budget.spent(results(self.study), len(running), seconds):
            return reason
        size = self.space.size
        if self.seeds or size is None or len(self.study.get_trials(deepcopy=False)) < size:
            return ""
        # Of a trial whose sweep died as it began there may be a part only.
        whole = (setting for setting in settings_of(self.study) if self.space.holds(setting))
        tried = {frozenset(setting.items()) for setting in whole}
        return f"all {size} settings have been tried" if len(tried) >= size else ""

    def _note_repeat(self, trial: Trial) -> None:
        repeats = list(settings_of(self.study, trial.number)).count(trial.params)
        if self.seeds and repeats:
            trial.set_user_attr(REPEAT, self.seeds.override(repeats))

    def overrides_of(self, trial: FrozenTrial) -> list[str]:
        """The overrides that a trial was, or will be, run with."""
        repeat = trial.user_attrs.get(REPEAT)
        return [*self.space.overrides(trial.params), *([repeat] if repeat else [])]

    def _end(self, future: Future[JobReturn], display: Display) -> None:
        number = self._running.pop(future)
        result = result_of(future)
        if result is None:  # interrupted: it stays as it is, to be taken up again
            return
        if result.reason in (WORKER_DIED, DISK_FULL):
            if stored := self._stored_result(number):
                result = stored
            elif self._asked_to_end or self._try_again(number, result.reason):
                return  # taken up again: by a resume, or at once
        if result.reason == WORKER_DIED:
            self._end_run(number)
        self._finish(number, result, display)

    def _finish(self, number: int, result: Result, display: Display) -> None:
        self._tell(number, result)
        (self.folder / str(number) / Files.BACKUP).unlink(missing_ok=True)
        self._ended.append(result.state)
        retry_transient(display.ended)(number, result)

    @retry_transient
    def _note_progress(self) -> None:
        """Bring the study's run up to date: at first, as a sweep that died may have had no time to.

        Afterwards only if trials have ended, for the loop comes by at every refresh of the display.
        """
        if self._noted == len(self._ended):
            return
        if ended := len(results(self.study)):
            self.parent.log_batch(metrics=summary.progress(self.study), step=ended)
        self._noted = len(self._ended)

    def _try_again(self, number: int, reason: str) -> bool:
        trial = retry_transient(open_trial)(self.study, self._storage, number)
        attempt = trial.user_attrs.get(TrialAttrs.ATTEMPT, 0) + 1
        if reason == WORKER_DIED and attempt > self.settings.retries:
            return False
        log.warning("trial %s: %s; it is tried again", number, reason)
        wait_for_disk_space(self.folder)
        retry_transient(trial.set_user_attr)(TrialAttrs.ATTEMPT, attempt)
        self._submit(number)
        return True

    def _end_run(self, number: int) -> None:
        """Nobody else is left to do it; before the study is told, so that a resume sees to it."""
        trial = self._trial(number)
        known = {Tags.STUDY: self.study.study_name, Tags.TRIAL: number}
        run_id = trial.user_attrs.get(TrialAttrs.RUN_ID) or self.tracker.find(known, self.parent.id)
        if run_id:
            outbox = self.folder / str(number) / Files.OUTBOX
            tags = {Tags.STATE: State.FAIL, Tags.REASON: WORKER_DIED}
            self.tracker.end_failed(run_id, tags, outbox, len(trial.intermediate_values))

    @retry_transient
    def _tell(self, number: int, result: Result) -> None:
        trial = self._trial(number)
        if trial.state.is_finished():
            return  # it was told, but the answer was lost with the connection
        if TrialAttrs.RESULT not in trial.user_attrs:  # its job broke, and could not store it
            open_trial(self.study, self._storage, number).set_user_attr(
                TrialAttrs.RESULT, result.to_json()
            )
        # Optuna itself gives a pruned trial its last reported value, and wants none.
        value = result.value if result.state == State.COMPLETE else None
        self.study.tell(number, value, state=TrialState[result.state])

    def _stop_if_too_many_failed(self) -> None:
        states, rate = self._ended, self.settings.max_failure_rate
        if too_many_failed(states, rate):
            self._note_progress()
            recent = states[-FAILURE_WINDOW:]
            raise SweepError(
                f"stopped after {len(states)} trials: {recent.count(State.FAIL)} of the last "
                f"{len(recent)} failed, more than max_failure_rate={rate}; the "
                "traceback of each is in its MLflow run"
            )


@contextmanager
def _signals(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Handle Ctrl-C, and the SIGTERM of a cluster's scheduler, for a while."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (SIGINT, SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def too_many_failed(ended: Sequence[State], max_failure_rate: float) -> bool:
    """Whether a sweep should stop: of its last 20 trials, too large a share and at least 5 failed.

    Args:
        ended: How its trials ended, in that order.
        max_failure_rate: The largest share that is still borne.
    """
    recent = ended[-FAILURE_WINDOW:]
    failures = recent.count(State.FAIL)
    return failures >= FEWEST_FAILURES and failures / len(recent) > max_failure_rate
