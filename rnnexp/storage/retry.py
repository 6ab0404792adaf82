"""Problems that pass: a store that is away, a full disk. What failed by them is tried again."""

import errno
import logging
import shutil
from pathlib import Path

from mlflow.exceptions import MlflowException
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import InterfaceError, OperationalError
from tenacity import (
    RetryCallState,
    retry,
    retry_if_exception,
    stop_after_delay,
    wait_fixed,
)

from rnnexp.errors import one_line

log = logging.getLogger(__name__)

PAUSE = 5.0  # seconds between two tries
PATIENCE = 600.0  # for so many seconds
ROOM = 2_000_000  # bytes that have to be free for a trial to begin
LOST = (OperationalError, InterfaceError)  # what a connection raises whose server has gone
PASSING = (OSError, StorageInternalError, *LOST)
# Of MLflow's error codes, those that say that it is away; others are problems of what was written.
AWAY = ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "IO_ERROR", "REQUEST_LIMIT_EXCEEDED")


def is_transient(error: BaseException) -> bool:
    """Whether a call failed for reasons that pass."""
    if isinstance(error, MlflowException) and error.error_code in AWAY:
        return True
    # MLflow takes some of a lost connection's errors for problems of what was written.
    return isinstance(error, PASSING) or isinstance(error.__cause__, LOST)


def is_full(error: BaseException) -> bool:
    """Whether a disk was full."""
    text = f"{error} {error.__cause__}"
    return (isinstance(error, OSError) and error.errno == errno.ENOSPC) or (
        is_transient(error) and ("No space left" in text or "disk is full" in text)
    )


def _tell(state: RetryCallState) -> None:
    error = state.outcome and state.outcome.exception()
    if error:
        log.warning("tried again in %g seconds: %s", PAUSE, one_line(error.__cause__ or error))


retry_transient = retry(
    retry=retry_if_exception(is_transient),
    wait=wait_fixed(PAUSE),
    stop=stop_after_delay(PATIENCE),
    before_sleep=_tell,
    reraise=True,
)
"""Decorates what can't do without an answer: it is tried again while its store is away."""


@retry_transient
def wait_for_disk_space(folder: Path) -> None:
    """Wait while there is no room on a folder's disk.

    Raises:
        OSError: If there is none for ten minutes.
    """
    if shutil.disk_usage(folder).free < ROOM:
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))
