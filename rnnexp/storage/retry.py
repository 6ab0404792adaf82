"""Retry on transient errors, such as an unreachable store or a full disk.

Which errors are transient is decided in rnnexp/storage/error_kinds.py.
"""

import errno
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

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
from rnnexp.storage.error_kinds import ErrorKind, kind_of

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

FIRST_PAUSE = 2.0  # seconds between two attempts, which double
LONGEST_PAUSE = 32.0
TIMEOUT = 600.0  # seconds after which the last error is raised
FREE_BYTES = 2_000_000  # on the disk, that it takes to begin a trial


def is_transient(error: BaseException) -> bool:
    """Return whether a call failed for a reason that may pass, so that a retry can succeed."""
    return kind_of(error) is ErrorKind.TRANSIENT


def is_disk_full(error: BaseException) -> bool:
    """Return whether a call failed because a disk, or the user's share of it, was full.

    Many libraries raise an error of their own, with the system's words in it.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    words = f"{error} {error.__cause__}"
    return any(os.strerror(number) in words for number in (errno.ENOSPC, errno.EDQUOT)) or (
        is_transient(error) and "disk is full" in words
    )


def has_disk_space(path: Path) -> bool:
    """Return whether the disk of a file or folder has room for a trial, in bytes and in files.

    Args:
        path: The path, which may not exist yet.
    """
    folder = next(part for part in (path, *path.absolute().parents) if part.is_dir())
    disk = os.statvfs(folder)
    has_files = disk.f_favail > 0 or disk.f_files == 0  # some file systems have no limit
    return shutil.disk_usage(folder).free >= FREE_BYTES and has_files


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome and state.outcome.exception()
    if error:
        log.warning(
            "retrying in %g seconds: %s", state.upcoming_sleep, one_line(error.__cause__ or error)
        )


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


@retry_transient
def wait_for_disk_space(folder: Path) -> None:
    """Wait until the disk of a folder has room for a trial.

    Raises:
        OSError: If the disk is still full after ten minutes.
    """
    if not has_disk_space(folder):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))
