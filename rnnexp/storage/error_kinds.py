"""Kinds of errors of the stores: which may pass, which are refusals, which are neither.

    transient   the store is away, or busy: the same call may succeed later
    permanent   the store refuses this call, and would refuse it again; others may succeed
    fatal       no store's answer, such as an error in the code

An error is judged by its HTTP status, its SQLSTATE (for SQLite the result code) or its errno.
Libraries wrap errors, so that the first error of the chain that has one of them counts.
"""

import errno
import re
from collections.abc import Iterator
from enum import StrEnum
from http.client import HTTPException

from mlflow.exceptions import ERROR_CODE_TO_HTTP_STATUS, MlflowException
from optuna.exceptions import StorageInternalError
from requests import exceptions as http
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class ErrorKind(StrEnum):
    """What an error says about a later call."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    FATAL = "fatal"


# Of the statuses from 400 on: those below, and all from 500 on but for the second group.
_TRANSIENT_STATUSES = frozenset({408, 423, 425, 429})
_PERMANENT_STATUSES = frozenset({501, 505, 508, 510, 511})
_STATUS_IN_TEXT = re.compile(
    r"failed with error code (\d{3})|too many (\d{3}) error responses"
    r"|(\d{3}) (?:Client|Server) Error"
)
# MLflow's server calls some errors of its database bad requests, and shows SQLAlchemy's code: all
# connections were taken for too long, or one was lost.
_DATABASE_IN_TEXT = re.compile(r"sqlalche\.me/e/\d+/(3o7r|8s2b)")
_ERRNO_IN_TEXT = re.compile(r"\[Errno (\d+)\]")  # where MLflow lists what failed in threads

_PERMANENT_ERRNOS = frozenset(
    {
        errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
        errno.ENAMETOOLONG, errno.ELOOP, errno.EXDEV, errno.EEXIST, errno.EINVAL, errno.EFBIG,
        errno.ENOTEMPTY, errno.ENODEV, errno.EBADF, errno.ENOTSUP, errno.ENOSYS, errno.EILSEQ,
    }
)  # fmt: skip
_PERMANENT_TYPES = (  # without an errno
    PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError,
    http.InvalidURL, http.InvalidSchema, http.MissingSchema, http.InvalidHeader, http.SSLError,
    http.TooManyRedirects,
)  # fmt: skip

# Classes of SQLSTATE: connection, rollback of the transaction, resources (a full disk), operator
# (a shutdown), system; and single states: a lock, a standby that is to take over.
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_TRANSIENT_STATES = ("55P03", "25006")
# SQLite: busy, locked, no memory, interrupted, error of the disk, disk full, can't open, protocol,
# schema changed.
_TRANSIENT_SQLITE = frozenset({5, 6, 7, 9, 10, 13, 14, 15, 17})
# MySQL: too many connections, shutdown, lock wait, deadlock, gone, lost.
_TRANSIENT_MYSQL = frozenset({1040, 1053, 1205, 1213, 2002, 2003, 2006, 2013})

# SQLAlchemy's code of a statement that comes after a lost connection, in the same transaction:
# Optuna asks once more for trials that it could not read.
_LOST_IN_TRANSACTION = "8s2b"


def kind_of(error: BaseException) -> ErrorKind:
    """Return the kind of an error.

    Args:
        error: What a call of MLflow, Optuna, SQLAlchemy or the file system has raised.
    """
    for one in _chain(error):
        if (is_transient := _judged(one)) is not None:
            return ErrorKind.TRANSIENT if is_transient else ErrorKind.PERMANENT
    return ErrorKind.FATAL


def http_status(error: BaseException) -> int | None:
    """Return the HTTP status that an error says it comes from; None if it says none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # of botocore, for S3
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        status = getattr(response, "status_code", None)
    if status is None and not isinstance(error, OSError):  # of Google's and Azure's libraries
        status = getattr(error, "status_code", None) or getattr(error, "code", None)
    if isinstance(status, int) and 400 <= status < 600:
        return status
    if isinstance(error, (MlflowException, http.RequestException)):
        found = _STATUS_IN_TEXT.search(str(error))
        return int(found[1] or found[2] or found[3]) if found else None
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield what an error was made from, the first cause first, where a library wraps errors."""
    inner = error.__cause__
    if inner is None and isinstance(error, MlflowException):
        # `http_request` raises a new error without naming the old error as its cause.
        inner = error.__context__ if "failed with exception" in str(error) else None
    if inner is not None and isinstance(error, (MlflowException, StorageInternalError)):
        yield from _chain(inner)
    yield error


def _judged(error: BaseException) -> bool | None:
    """Return whether an error may pass; None if the error doesn't say."""
    if (status := http_status(error)) is not None:
        return _is_transient_status(status)
    if isinstance(error, SQLAlchemyError):
        return _is_transient_in_database(error)
    if isinstance(error, MlflowException):
        return _is_transient_in_mlflow(error)
    if isinstance(error, OSError):
        if error.errno is not None:
            return error.errno not in _PERMANENT_ERRNOS
        return not isinstance(error, _PERMANENT_TYPES)
    # An answer of HTTP that is cut off has no errno.
    return True if isinstance(error, StorageInternalError | HTTPException) else None


def _is_transient_in_mlflow(error: MlflowException) -> bool:
    if number := _ERRNO_IN_TEXT.search(str(error)):
        return int(number[1]) not in _PERMANENT_ERRNOS
    if _DATABASE_IN_TEXT.search(str(error)):
        return True
    status = ERROR_CODE_TO_HTTP_STATUS.get(error.error_code, 500)
    refused = ("INVALID_STATE", "DATA_LOSS")  # though their status is 500
    return _is_transient_status(status) and error.error_code not in refused


def _is_transient_status(status: int) -> bool:
    return status in _TRANSIENT_STATUSES or (status >= 500 and status not in _PERMANENT_STATUSES)


def _is_transient_in_database(error: SQLAlchemyError) -> bool:
    if not isinstance(error, DBAPIError):
        return isinstance(error, PoolTimeout) or error.code == _LOST_IN_TRANSACTION
    if error.connection_invalidated:
        return True
    driver = error.orig
    state = getattr(driver, "sqlstate", None) or getattr(driver, "pgcode", None)
    if isinstance(state, str):
        return state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES
    code = getattr(driver, "sqlite_errorcode", None)
    if isinstance(code, int):
        return code & 0xFF in _TRANSIENT_SQLITE
    number = driver.args[0] if driver is not None and driver.args else None
    if isinstance(number, int) and number not in _TRANSIENT_MYSQL:
        return False
    # A lost connection has no state.
    return isinstance(error, (OperationalError, InterfaceError))
