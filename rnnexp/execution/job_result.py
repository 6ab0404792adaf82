"""The result of a job, from what its function returned or how its future ended."""

import math
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

from rnnexp.full_disk import is_disk_full
from rnnexp.passwords import without_password
from rnnexp.result import Result, State

WORKER_DIED = "its worker process died"
LOST = "the connection to the cluster was lost"
INTERRUPTED = "it was interrupted, but not by the sweep"
DISK_FULL = "the disk was full"


@dataclass(frozen=True)
class Died(Result):
    """The failure of a job whose process died, so that the job stored nothing; a retry may heal."""


@dataclass(frozen=True)
class Lost(Died):
    """The failure of a job of which nothing is known any more; the job itself is not to blame."""


class LostError(BrokenExecutor):
    """The error of a future of which nothing is known any more."""


@dataclass(frozen=True)
class DiskFull(Result):
    """The failure of a job on a full disk, which a retry may heal.

    Attributes:
        path: The file that could not be written; None if the error does not name it.
    """

    path: str | None = None

    def __post_init__(self) -> None:
        reason = f"{DISK_FULL}: {self.path}" if self.path else DISK_FULL
        object.__setattr__(self, "reason", reason)


def to_result(returned: Any, others: Sequence[str] = ()) -> Result:
    """Return a job's return value as a result; a finite number is the value of a complete trial.

    Args:
        returned: What the job returned: a result, a number, or with several objectives a list of
            a number for each.
        others: The names of the objectives but for the first.
    """
    if isinstance(returned, Result):
        return returned
    if others and isinstance(returned, tuple | list) and len(returned) == 1 + len(others):
        parts = [to_result(each) for each in returned]
        if failed := next((part for part in parts if part.state == State.FAIL), None):
            return failed
        values = [part.value or 0.0 for part in parts[1:]]
        return replace(parts[0], measures=dict(zip(others, values, strict=True)))
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
    except LostError:
        return Lost(State.FAIL, reason=LOST)
    except BrokenExecutor:
        return Died(State.FAIL, reason=WORKER_DIED)
    except Exception as error:
        if is_disk_full(error):
            return DiskFull(State.FAIL, path=getattr(error, "filename", None))
        return Result(State.FAIL, reason=without_password(f"{type(error).__name__}: {error}"))


def _returned(job: JobReturn) -> Any:
    """Return what a job returned, or raise what it raised.

    `JobReturn.return_value` does the same, but also prints the job's overrides.
    """
    if job.status == JobStatus.FAILED:
        raise job._return_value
    return job.return_value
