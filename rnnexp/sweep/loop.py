"""The loop of a study: fill the free slots with trials, wait for one to end, store its result.

+-> next trial -> job overrides -> submit -> result -> finish --+
|            (as many at once as there are slots)               |
+------------------- until the budget is spent ------------------+
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGINT, SIGTERM

from hydra.core.utils import JobReturn

from rnnexp.errors import SweepError
from rnnexp.execution import interrupt
from rnnexp.execution.job_result import INTERRUPTED, Died, DiskFull, result_of
from rnnexp.execution.launching import Jobs, stop
from rnnexp.full_disk import has_disk_space, is_disk_full
from rnnexp.result import Result, State
from rnnexp.storage.retry import wait_for_disk_space
from rnnexp.sweep.budget import Budget, too_many_failed
from rnnexp.sweep.deadlines import Deadlines
from rnnexp.sweep.disk_retries import DiskRetries
from rnnexp.sweep.loop_callbacks import Callback, Calls
from rnnexp.sweep.rest import LOOK, Rest
from rnnexp.sweep.trial_ledger import TrialLedger

log = logging.getLogger(__name__)

STOPPING = "stopping: running trials finish their current epoch (press Ctrl-C again to stop now)"


@dataclass
class Loop:
    """Slots and futures: a free slot gets its next trial at once.

    Attributes:
        jobs: Runs the trials.
        ledger: Stores what becomes of them.
        budget: What the study may spend.
        max_failure_rate: The largest share of failed trials that is accepted.
        callbacks: Called as trials end, and while the loop waits.
        trial_timeout: Seconds after which an attempt of a trial is killed; None for no limit.
        stopped: Why no further trial began.
    """

    jobs: Jobs
    ledger: TrialLedger
    budget: Budget
    max_failure_rate: float = 1.0
    callbacks: Sequence[Callback] = ()
    trial_timeout: float | None = None
    stopped: str = ""
    _running: dict[Future[JobReturn], int] = field(default_factory=dict)
    _ended: list[State] = field(default_factory=list)
    _is_stopping: bool = False

    def __post_init__(self) -> None:
        self._disk_retries = DiskRetries(self.ledger.folder)
        self._deadlines = Deadlines(self.jobs, self.trial_timeout)
        self._rest = Rest(self.ledger.study.study_name)
        self._calls = Calls(self.callbacks)

    def run(self) -> None:
        """Run trials until there is a reason to stop, which is left in ``stopped``.

        Raises:
            SweepError: If too many trials failed.
            KeyboardInterrupt: On Ctrl-C or SIGTERM. At the first, running trials finish their
                current epoch; at the second they stop at once. Both can be resumed.
        """
        self.ledger.folder.mkdir(parents=True, exist_ok=True)
        interrupt.clear()
        with signals(self._on_signal):
            try:
                self._calls.call(lambda callback: callback.on_start())
                self._run()
            except BaseException:
                stop(self.jobs, self._running)
                raise
            finally:
                self._calls.end()
        if self._is_stopping:
            raise KeyboardInterrupt

    def _run(self) -> None:
        while True:
            for number in () if self._rest.is_on else self._disk_retries.due(time.monotonic()):
                self._submit(number)
            self._fill_slots()
            self._calls.tell_of_ends()  # no slot waits for what they do with the end of a trial
            self._calls.call(lambda callback: callback.on_idle())
            if self._is_stopping or self._rest.is_over:
                self._disk_retries.clear()  # a resume tries these trials again
            is_resting = self._rest.is_on and not self._is_stopping
            if not (self._running or self._disk_retries or is_resting):
                return
            for future in self._wait():
                self._end(future)
            self._deadlines.kill_overdue()
            if problem := too_many_failed(self._ended, self.max_failure_rate):
                self._calls.tell_of_ends()
                raise SweepError(problem)

    def _wait(self) -> Collection[Future[JobReturn]]:
        """Wait for one job to end, or until there is something else to do."""
        if not self._running:
            time.sleep(LOOK)  # trials wait for room on a disk, or a user has paused the study
            return ()
        intervals = [c.interval for c in self.callbacks if c.interval is not None]
        is_due = self._disk_retries or self._rest.is_on
        intervals += [*self._deadlines.seconds_left(), *([LOOK] if is_due else [])]
        return wait(self._running, min(intervals, default=None), FIRST_COMPLETED).done

    def _fill_slots(self) -> None:
        while not self._is_stopping:
            if self.jobs.n_jobs <= len(self._running) + len(self._disk_retries):
                break
            _wait_for_disk_space(self.ledger.folder)
            number, reason, result, order = self.ledger.next_trial(self.budget, self._rest.seconds)
            self._rest.note(order)
            if number is None:
                self.stopped = self.stopped if self._is_stopping else reason
                break
            if result:
                self._finish(number, result)
            else:
                self._submit(number)
        self.jobs.flush()

    def _submit(self, number: int) -> None:
        """Submit a trial; a trial that comes too late for Ctrl-C is left to a resume."""
        overrides = self.ledger.job_overrides(number)
        if self._is_stopping:
            return
        future = self.jobs.submit(overrides, number)
        self._running[future] = number
        self._deadlines.begin(future)
        if self._is_stopping:  # by a signal that came while the job was submitted
            self.jobs.interrupt(at_once=False)

    def _end(self, future: Future[JobReturn]) -> None:
        number = self._running.pop(future)
        result = self._deadlines.end(future, result_of(future))
        if not self.ledger.owns(number):
            return
        if result is None and not self._is_stopping:  # an interruption that nobody has asked for
            result = Died(State.FAIL, reason=INTERRUPTED)
        if result is None or isinstance(result, Died | DiskFull):
            if stored := self.ledger.stored_result(number):
                result = stored
            elif self._is_stopping:
                return  # the trial stays as it is, and a resume retries it
        if isinstance(result, DiskFull):
            self._retry_later(number, _with_path(result, self.ledger.folder))
        elif isinstance(result, Died) and self.ledger.retry(number, result):
            self._submit(number)
        elif result:
            self._finish(number, result)

    def _retry_later(self, number: int, result: DiskFull) -> None:
        epochs = self.ledger.n_reported(number)
        pause = self._disk_retries.wait(number, result.path, epochs, time.monotonic())
        if pause is None:
            self._finish(number, Result(State.FAIL, reason=f"{result.reason}, and stayed full"))
            return
        log.warning("trial %s: %s; retrying in %g seconds", number, result.reason, pause)
        self.ledger.retry(number, result)

    def _finish(self, number: int, result: Result) -> None:
        self.ledger.finish(number, result)
        self._ended.append(result.state)
        self._calls.note(number, result)
        if self._is_stopping:  # a second signal may come at any moment
            self._calls.tell_of_ends()

    def _on_signal(self, number: int, frame: object) -> None:  # noqa: ARG002
        if self._is_stopping:
            raise KeyboardInterrupt
        self._is_stopping = True
        self.stopped = f"received {signal.Signals(number).name}"
        log.warning(STOPPING)
        self.jobs.interrupt(at_once=False)


def _with_path(result: DiskFull, folder: Path) -> DiskFull:
    """Name the folder as what is full if it is, where the error of a library names no file."""
    if result.path or has_disk_space(folder):
        return result
    return replace(result, path=str(folder))


def _wait_for_disk_space(folder: Path) -> None:
    try:
        wait_for_disk_space(folder)
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise SweepError(f"the disk of {folder} stays full") from error


@contextmanager
def signals(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Handle Ctrl-C, and the SIGTERM of a cluster's scheduler, while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in (SIGINT, SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
