"""Deadlines of running trials: ``hydra.sweeper.trial_timeout``."""

import logging
import time
from concurrent.futures import Future
from typing import Any

from rnnexp.execution.job_result import Died
from rnnexp.execution.launching import Jobs
from rnnexp.result import Result, State

log = logging.getLogger(__name__)

KILL_AGAIN = 10.0  # seconds, since a worker that still starts can't be killed yet


class Deadlines:
    """The moments at which running jobs are killed.

    Args:
        jobs: Runs the jobs, and kills them.
        timeout: Seconds after which a job is killed; None for no limit.
    """

    def __init__(self, jobs: Jobs, timeout: float | None) -> None:
        self._jobs = jobs
        self._timeout = timeout
        self._deadlines: dict[Future[Any], float] = {}
        self._killed: set[Future[Any]] = set()

    def begin(self, future: Future[Any]) -> None:
        """Take note of a job that begins."""
        if self._timeout is not None:
            self._deadlines[future] = time.monotonic() + self._timeout

    def end(self, future: Future[Any], result: Result | None) -> Result | None:
        """Forget a job that has ended.

        Args:
            future: The job's future.
            result: The job's result.

        Returns:
            The result; of a job that was killed, with the reason.
        """
        self._deadlines.pop(future, None)
        is_killed = future in self._killed
        self._killed.discard(future)
        if is_killed and isinstance(result, Died):
            return Died(State.FAIL, reason=self._reason)
        return result

    def seconds_left(self) -> list[float]:
        """Return the seconds until the next deadline, if there is one."""
        if not self._deadlines:
            return []
        return [max(min(self._deadlines.values()) - time.monotonic(), 0.0)]

    def kill_overdue(self) -> None:
        """Kill the jobs whose deadline is over, so that their futures end."""
        now = time.monotonic()
        for future, deadline in self._deadlines.items():
            if now >= deadline:
                log.warning("killing the worker of a trial: %s", self._reason)
                self._jobs.kill(future)
                self._killed.add(future)
                self._deadlines[future] = now + KILL_AGAIN

    @property
    def _reason(self) -> str:
        return f"it ran for more than {self._timeout:g} seconds (trial_timeout)"
