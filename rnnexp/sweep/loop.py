"""The loop of a study: fill the free slots with trials, wait for one to end, store its result.

+-> next trial -> job overrides -> submit -> result -> finish --+
|            (as many at once as there are slots)               |
+------------------- until the budget is spent ------------------+
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from signal import SIGINT, SIGTERM

from hydra.core.utils import JobReturn

from rnnexp.errors import SweepError
from rnnexp.execution import interrupt
from rnnexp.execution.job_result import DISK_FULL, WORKER_DIED, result_of
from rnnexp.execution.launching import Jobs
from rnnexp.result import Result, State
from rnnexp.storage.retry import retry_transient, wait_for_disk_space
from rnnexp.sweep.budget import Budget, too_many_failed
from rnnexp.sweep.loop_callbacks import Callback
from rnnexp.sweep.trial_ledger import TrialLedger

log = logging.getLogger(__name__)


@dataclass
class Loop:
    """Slots and futures: a free slot gets its next trial at once.

    Attributes:
        jobs: Runs the trials.
        ledger: Stores what becomes of them.
        budget: What the study may spend.
        max_failure_rate: The largest share of failed trials that is accepted.
        callbacks: Called as trials end, and while the loop waits.
        stopped: Why no further trial began.
    """

    jobs: Jobs
    ledger: TrialLedger
    budget: Budget
    max_failure_rate: float = 1.0
    callbacks: Sequence[Callback] = ()
    stopped: str = ""
    _running: dict[Future[JobReturn], int] = field(default_factory=dict)
    _ended: list[State] = field(default_factory=list)
    _is_stopping: bool = False

    def run(self) -> None:
        """Run trials until there is a reason to stop, which is left in ``stopped``.

        Raises:
            SweepError: If too many trials failed.
            KeyboardInterrupt: On Ctrl-C or SIGTERM. At the first, running trials finish their
                current epoch; at the second they stop at once. Both can be resumed.
        """
        self.ledger.folder.mkdir(parents=True, exist_ok=True)
        interrupt.clear()
        with _signals(self._on_signal):
            try:
                self._call(lambda callback: callback.on_start())
                self._run()
            except BaseException:
                self.jobs.interrupt(at_once=True)
                wait(self._running)
                raise
            finally:
                for callback in reversed(self.callbacks):
                    _end_callback(callback)
        if self._is_stopping:
            raise KeyboardInterrupt

    def _run(self) -> None:
        began = time.monotonic()
        intervals = [c.interval for c in self.callbacks if c.interval is not None]
        while True:
            self._fill_slots(began)
            self._call(lambda callback: callback.on_idle())
            if not self._running:
                return
            timeout = min(intervals, default=None)
            for future in wait(self._running, timeout, return_when=FIRST_COMPLETED).done:
                self._end(future)
            self._stop_if_too_many_failed()

    def _fill_slots(self, began: float) -> None:
        while len(self._running) < self.jobs.n_jobs and not self._is_stopping:
            wait_for_disk_space(self.ledger.folder)
            number, reason = self.ledger.next_trial(self.budget, time.monotonic() - began)
            if number is None:
                self.stopped = reason
                break
            # A stale trial's job may have stored its result before its sweep died.
            if result := self.ledger.stored_result(number):
                self._finish(number, result)
            else:
                self._submit(number)
        self.jobs.flush()

    def _submit(self, number: int) -> None:
        self._running[self.jobs.submit(self.ledger.job_overrides(number), number)] = number

    def _end(self, future: Future[JobReturn]) -> None:
        number = self._running.pop(future)
        result = result_of(future)
        if result is None:  # interrupted: the trial stays as it is, for a resume
            return
        if result.reason in (WORKER_DIED, DISK_FULL):
            if stored := self.ledger.stored_result(number):
                result = stored
            elif self._is_stopping:
                return  # a resume retries the trial
            elif self.ledger.retry(number, result.reason):
                self._submit(number)
                return
        self._finish(number, result)

    def _finish(self, number: int, result: Result) -> None:
        self.ledger.finish(number, result)
        self._ended.append(result.state)
        self._call(lambda callback: callback.on_trial_end(number, result))

    def _call(self, method: Callable[[Callback], None]) -> None:
        for callback in self.callbacks:
            retry_transient(method)(callback)

    def _stop_if_too_many_failed(self) -> None:
        if problem := too_many_failed(self._ended, self.max_failure_rate):
            raise SweepError(problem)

    def _on_signal(self, number: int, frame: object) -> None:  # noqa: ARG002
        if self._is_stopping:
            raise KeyboardInterrupt
        self._is_stopping = True
        self.stopped = f"received {signal.Signals(number).name}"
        log.warning(
            "stopping: running trials finish their current epoch (press Ctrl-C again to stop now)"
        )
        self.jobs.interrupt(at_once=False)


def _end_callback(callback: Callback) -> None:
    """End a callback, and log its error, so that the others end and the loop's error stays."""
    try:
        callback.on_end()
    except Exception:
        log.exception("%s could not end", type(callback).__name__)


@contextmanager
def _signals(handler: Callable[[int, object], None]) -> Iterator[None]:
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
