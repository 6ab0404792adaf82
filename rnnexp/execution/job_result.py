"""The result of a job, from what its function returned or how its future ended."""

import math
from concurrent.futures import BrokenExecutor, Future
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from rnnexp.passwords import without_password
from rnnexp.result import Result, State
from rnnexp.storage.retry import is_disk_full

# Reasons of a failure that a retry may heal.
WORKER_DIED = "its worker process died"
DISK_FULL = "the disk was full"


def to_result(returned: Any) -> Result:
    """Return a job's return value as a result; a finite number is the value of a complete trial."""
    if isinstance(returned, Result):
        return returned
    try:
        number = float(returned)
    except (TypeError, ValueError):
        return Result(State.FAIL, reason=f"the job returned {returned!r}, which is not a number")
    if not math.isfinite(number):
        return Result(State.FAIL, reason=f"the job returned {number}")
    return Result(State.COMPLETE, number)


def result_of(future: Future[JobReturn]) -> Result | None:
    """Return the result of a job that has ended; None if the job was interrupted."""
    try:
        return to_result(_returned(future.result()))
    except KeyboardInterrupt:
        return None
    except BrokenExecutor:
        return Result(State.FAIL, reason=WORKER_DIED)
    except Exception as error:
        if is_disk_full(error):
            return Result(State.FAIL, reason=DISK_FULL)
        return Result(State.FAIL, reason=without_password(f"{type(error).__name__}: {error}"))


def _returned(job: JobReturn) -> Any:
    """Return what a job returned, or raise what it raised.

    `JobReturn.return_value` does the same, but also prints the job's overrides.
    """
    if job.status == JobStatus.FAILED:
        raise job._return_value
    return job.return_value
