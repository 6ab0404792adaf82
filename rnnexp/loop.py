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
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGTERM

import optuna
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.utils import JobReturn
from omegaconf import DictConfig
from optuna.trial import FrozenTrial, Trial, TrialState

from rnnexp import report, stop
from rnnexp.budget import Budget
from rnnexp.current import ATTEMPT, RESULT, RUN_ID, open_trial
from rnnexp.display import Display
from rnnexp.errors import SweepError
from rnnexp.jobs import Jobs
from rnnexp.owner import OWNER, Owner, orphans
from rnnexp.patience import is_full, patiently, wait_for_room
from rnnexp.result import Result, State
from rnnexp.retention import Retention
from rnnexp.sampling import OtherSeeds, ask, settings_of
from rnnexp.space import Space
from rnnexp.stores import locked
from rnnexp.task import to_result
from rnnexp.tracking import Run, Tracker

log = logging.getLogger(__name__)

FAILURE_WINDOW, FEWEST_FAILURES = 20, 5
DIED = "its worker process died"
FULL = "the disk was full"
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
    _asked_to_end: bool = False

    def run(self, display: Display) -> None:
        """Run trials until there is a reason to stop, which is left in ``stopped``.

        Raises:
            SweepError: If too many failed.
            KeyboardInterrupt: On Ctrl-C or SIGTERM. At the first the trials that run end after
                their epoch, at the second at once; both can be taken up again.
        """
        began = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        stop.forget()
        with _signals(self._on_signal):
            try:
                while True:
                    self._fill_slots(began)
                    patiently(self.retention.apply)()  # after, since a slot may not wait for it
                    if not self._running:
                        break
                    for future in wait(
                        self._running, timeout=display.every, return_when=FIRST_COMPLETED
                    ).done:
                        self._end(future, display)
                    patiently(display.show)()
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

    def _fill_slots(self, began: float) -> None:
        while len(self._running) < self.jobs.n_jobs and not self._asked_to_end:
            wait_for_room(self.folder)
            with locked(self.folder):  # by other sweeps of this study
                number = taken_up = self._take_orphan()
                if number is None:
                    self.stopped = self._reason_to_stop(time.monotonic() - began)
                    if self.stopped:
                        break
                    number = self._ask()
            if taken_up is None or not self._told_already(number):
                self._submit(number)
        self.jobs.flush()

    @patiently
    def _ask(self) -> int:
        trial = ask(self.study, self.space)
        trial.set_user_attr(OWNER, self.owner.id)
        if self.seeds:
            self._note_repeat(trial)
        return trial.number

    @patiently
    def _take_orphan(self) -> int | None:
        """A trial whose sweep has died, or was interrupted."""
        for number in orphans(self.study):
            trial = open_trial(self.settings, number)
            if not self.space.holds(trial.params):
                # Its sweep died before the whole setting was stored.
                self._tell(number, Result(State.FAIL, reason="its sweep died as it began"))
                continue
            trial.set_user_attr(OWNER, self.owner.id)
            trial.set_user_attr(ATTEMPT, trial.user_attrs.get(ATTEMPT, 0) + 1)
            return number
        return None

    def _told_already(self, number: int) -> bool:
        """Whether a trial taken up has its result, of which its sweep had no time to be told."""
        stored = self._trial(number).user_attrs.get(RESULT)
        if stored:
            self._tell(number, Result(**stored | {"state": State(stored["state"])}))
        return bool(stored)

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

    @patiently
    def _trial(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    @patiently
    def _reason_to_stop(self, seconds: float) -> str:
        running = self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING])
        if reason := self.budget.spent(report.results(self.study), len(running), seconds):
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
        result = ending(future)
        if result is None:  # interrupted: it stays as it is, to be taken up again
            return
        if result.reason in (DIED, FULL) and self._try_again(number, result.reason):
            return
        self._tell(number, result)
        self._ended.append(result.state)
        self._show_end(number, result, display)

    @patiently
    def _show_end(self, number: int, result: Result, display: Display) -> None:
        ended = sum(trial.state.is_finished() for trial in self.study.get_trials(deepcopy=False))
        self.parent.log_batch(metrics=report.progress(self.study), step=ended)
        display.ended(number, result)

    def _try_again(self, number: int, reason: str) -> bool:
        trial = open_trial(self.settings, number)
        attempt = trial.user_attrs.get(ATTEMPT, 0) + 1
        if self._asked_to_end or (reason == DIED and attempt > self.settings.retries):
            return False
        log.warning("trial %s: %s; it is tried again", number, reason)
        wait_for_room(self.folder)
        patiently(trial.set_user_attr)(ATTEMPT, attempt)
        if not self._told_already(number):
            self._submit(number)
        return True

    @patiently
    def _tell(self, number: int, result: Result) -> None:
        trial = open_trial(self.settings, number)
        if result.best_epoch is not None:
            trial.set_user_attr(report.BEST_EPOCH, result.best_epoch)
        if result.reason:
            trial.set_user_attr(report.REASON, result.reason)
        # Optuna itself gives a pruned trial its last reported value, and wants none.
        value = result.value if result.state == State.COMPLETE else None
        told = self.study.tell(number, value, state=TrialState[result.state])
        if result.reason == DIED and (run_id := told.user_attrs.get(RUN_ID)):
            # Nobody else is left to end its run.
            tags = {"state": State.FAIL, "reason": DIED}
            self.tracker.end(run_id, "FAILED", tags, epochs=len(told.intermediate_values))

    def _stop_if_too_many_failed(self) -> None:
        states, rate = self._ended, self.settings.max_failure_rate
        if too_many_failed(states, rate):
            recent = states[-FAILURE_WINDOW:]
            raise SweepError(
                f"stopped after {len(states)} trials: {recent.count(State.FAIL)} of the last "
                f"{len(recent)} failed, more than max_failure_rate={rate}; the "
                "traceback of each is in its MLflow run"
            )


def ending(future: Future[JobReturn]) -> Result | None:
    """How a job ended; None if it was interrupted."""
    try:
        return to_result(future.result().return_value)
    except KeyboardInterrupt:
        return None
    except BrokenExecutor:
        return Result(State.FAIL, reason=DIED)
    except Exception as error:
        if is_full(error):
            return Result(State.FAIL, reason=FULL)
        return Result(State.FAIL, reason=f"{type(error).__name__}: {error}")


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
