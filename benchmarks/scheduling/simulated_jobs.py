"""Jobs that replay recorded curves on a simulated clock, in place of jobs that train."""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from hydra.core.utils import JobReturn, JobStatus

from rnnexp.execution.current_trial import StudyTrial
from rnnexp.execution.executors import InProcessExecutor
from rnnexp.objective import Objective
from rnnexp.pausing import Pausing
from rnnexp.result import Result, State
from rnnexp.storage.optuna_store import open_trial
from rnnexp.sweep.trial_ledger import TrialLedger

OBJECTIVE = Objective("value", "min")


class Moment(NamedTuple):
    """What a study has reached after an epoch.

    Attributes:
        seconds: The time on the simulated clock.
        best: The best value of all trials so far, paused and pruned ones included.
    """

    seconds: float
    best: float


@dataclass
class _Job:
    trial: StudyTrial
    curve: Sequence[float]
    began: float
    next: float  # when the next epoch ends
    future: Future[JobReturn] = field(default_factory=Future)


@dataclass
class SimulatedJobs:
    """Workers on a simulated clock.

    The loop calls `flush` after it has filled the free slots, and then waits for the first job to
    end. So `flush` moves the clock until a job ends.

    Attributes:
        ledger: The ledger, whose study the trials belong to.
        curve_of: Returns the curve that a trial replays, by the trial's number.
        pausing: The settings of pausing; None if trials are pruned for good.
        n_jobs: The number of workers.
        thaw: The seconds that it takes to let a paused trial go on.
        epoch: The seconds that an epoch takes.
        thaws: How often a paused trial went on.
        moments: What the study has reached after each epoch.
    """

    ledger: TrialLedger
    curve_of: Callable[[int], Sequence[float]]
    pausing: Pausing | None
    n_jobs: int = 1
    thaw: float = 0.3
    epoch: float = 1.0
    thaws: int = 0
    moments: list[Moment] = field(default_factory=list)
    can_kill: bool = False
    _now: float = 0.0
    _seconds: dict[int, float] = field(default_factory=dict)  # of earlier slices, by trial
    _running: list[_Job] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing."""

    def warm_up(self, modules: Sequence[str], most: int | None = None) -> None:
        """Do nothing."""

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:  # noqa: ARG002
        """Begin a trial, or let it go on, when the clock moves on."""
        trial = open_trial(self.ledger.study, self.ledger.storage, number)
        current = StudyTrial(trial, pausing=self.pausing)
        goes_on = number in self._seconds
        self.thaws += goes_on
        begins = self._now + (self.thaw if goes_on else 0.0)
        job = _Job(current, self.curve_of(number), self._now, begins + self.epoch)
        self._running.append(job)
        return job.future

    def call(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Run a function at once."""
        return InProcessExecutor().submit(function, *args)

    def flush(self) -> None:
        """Move the clock until a job ends."""
        while self._running:
            job = min(self._running, key=lambda each: each.next)
            self._now = job.next
            if result := self._epoch(job):
                self._running.remove(job)
                returned = JobReturn(overrides=[], status=JobStatus.COMPLETED)
                returned.return_value = result
                job.future.set_result(returned)
                return

    def _epoch(self, job: _Job) -> Result | None:
        """Report the next epoch of a job.

        Returns:
            The result of the job; None if it goes on.
        """
        trial = job.trial
        epoch = max(trial.reported, default=-1) + 1
        value = job.curve[epoch]
        trial.report(value, epoch, metric=None)
        before = self.moments[-1].best if self.moments else math.inf
        self.moments.append(Moment(self._now, value if value < before else before))
        job.next += self.epoch
        is_last = epoch + 1 == len(job.curve)
        stops = trial.should_prune(is_last=is_last)
        return self._result(job, is_last=is_last) if stops or is_last else None

    def _result(self, job: _Job, *, is_last: bool) -> Result:
        trial = job.trial
        number = trial.number or 0
        seconds = self._seconds.get(number, 0.0) + self._now - job.began
        self._seconds[number] = seconds
        state, reason = State.PRUNED, str(trial.verdict)
        if is_last:
            state, reason = State.COMPLETE, ""
        elif trial.pause:
            state, reason = State.PAUSED, trial.pause
        epoch, value = OBJECTIVE.best(trial.reported) or (None, None)
        if value is None:  # NaN from the first epoch on
            state, reason = State.FAIL, "no value is a number"
        return Result(state, value, epoch, reason, seconds, epoch_seconds=self.epoch)

    def interrupt(self, *, at_once: bool) -> None:  # noqa: ARG002
        """End all jobs, since the clock stands still once the loop has ended by an error."""
        for job in self._running:
            job.future.set_exception(KeyboardInterrupt())
        self._running.clear()

    def kill(self, future: Future[Any]) -> None:
        """Do nothing."""
