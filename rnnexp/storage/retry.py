"""Retry on transient errors, such as an unreachable store or a full disk.

Which errors are transient is decided in rnnexp/storage/error_kinds.py.
"""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError
from tenacity import (
    RetryCallState,
    retry,
    retry_base,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential,
)

from rnnexp.errors import one_line
from rnnexp.full_disk import has_disk_space
from rnnexp.storage.connections import advice
from rnnexp.storage.error_kinds import ErrorKind, kind_of

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

FIRST_PAUSE = 2.0  # seconds between two attempts, which double
LONGEST_PAUSE = 32.0
TIMEOUT = 600.0  # seconds after which the last error is raised


def is_transient(error: BaseException) -> bool:
    """Return whether a call failed for a reason that may pass, so that a retry can succeed."""
    return kind_of(error) is ErrorKind.TRANSIENT


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome and state.outcome.exception()
    if error:
        where = "Optuna's storage: " if isinstance(error, StorageInternalError) else ""
        problem = one_line(error.__cause__ or error)
        log.warning(
            "retrying in %g seconds: %s%s%s",
            state.upcoming_sleep, where, problem, advice(problem),
        )  # fmt: skip


def _retry(condition: retry_base) -> Callable[[Callable[P, T]], Callable[P, T]]:
    return retry(
        retry=condition,
        wait=wait_exponential(FIRST_PAUSE, max=LONGEST_PAUSE),
        stop=stop_after_delay(TIMEOUT),
        before_sleep=_log_retry,
        reraise=True,
    )


retry_transient = _retry(retry_if_exception(is_transient))
"""Decorate a function that needs an answer: retry it on transient errors, for ten minutes."""

retry_on_disk = _retry(retry_if_exception_type(OSError))
"""Decorate a function that writes a file that must not be lost: retry it for ten minutes."""

retry_connection = _retry(retry_if_exception_type(OSError))
"""Decorate a function that needs a connection to a cluster: retry it for ten minutes."""


@retry_transient
def wait_for_disk_space(folder: Path) -> None:
    """Wait until the disk of a folder has room for a trial.

    Raises:
        OSError: If the disk is still full after ten minutes.
    """
    if not has_disk_space(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
