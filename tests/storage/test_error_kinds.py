"""Each error of the stores as it comes, and its kind."""

import errno
import sqlite3
from http.client import BadStatusLine, IncompleteRead

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_DOES_NOT_EXIST,
    TEMPORARILY_UNAVAILABLE,
)
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InterfaceError,
    NoSuchTableError,
    OperationalError,
    PendingRollbackError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from rnnexp.storage.error_kinds import ErrorKind, http_status, kind_of

TRANSIENT, PERMANENT, FATAL = ErrorKind


def answered(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} Error", response=response)


def in_text(status: int) -> MlflowException:
    return MlflowException(f"API request to endpoint /x failed with error code {status} != 200")


def wrapped(error: Exception, outer: Exception) -> Exception:
    outer.__cause__ = error
    return outer


def within_mlflow(error: Exception) -> Exception:
    """Wrap an error as `mlflow.utils.rest_utils.http_request` does, without naming its cause."""
    outer = MlflowException(f"API request to x failed with exception {error}")
    outer.__context__ = error
    return outer


class Psycopg(Exception):  # noqa: N818
    """An error of a driver that has a SQLSTATE."""

    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("no")
        self.sqlstate = sqlstate


class Botocore(Exception):  # noqa: N818
    """An error of the library of S3."""

    def __init__(self, status: int) -> None:
        super().__init__("An error occurred (AccessDenied) when calling the PutObject operation")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


class Google(Exception):  # noqa: N818
    """An error of the library of Google Cloud Storage."""

    code = 403


def sqlite(code: int) -> OperationalError:
    error = sqlite3.OperationalError("no")
    error.sqlite_errorcode = code
    return OperationalError("INSERT", {}, error)


def mysql(number: int) -> OperationalError:
    return OperationalError("INSERT", {}, Exception(number, "no"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        # HTTP
        *((answered(status), TRANSIENT) for status in (408, 425, 429, 500, 502, 503, 504, 507)),
        *((answered(status), PERMANENT) for status in (400, 401, 403, 404, 405, 409, 413, 501)),
        *((in_text(status), PERMANENT) for status in (401, 403, 404, 413)),
        *((in_text(status), TRANSIENT) for status in (429, 502, 503)),
        (RestException({"error_code": "PERMISSION_DENIED", "message": "no"}), PERMANENT),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}), PERMANENT),
        (RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "no"}), TRANSIENT),
        (RestException({"error_code": "429", "message": "no"}), TRANSIENT),
        (within_mlflow(requests.ConnectionError("refused")), TRANSIENT),
        (within_mlflow(requests.exceptions.RetryError("too many 500 error responses")), TRANSIENT),
        (within_mlflow(requests.exceptions.SSLError("self-signed")), PERMANENT),
        (wrapped(requests.ReadTimeout("timed out"), MlflowException("timeout")), TRANSIENT),
        (requests.exceptions.InvalidURL("http://:"), PERMANENT),
        (IncompleteRead(b"{"), TRANSIENT),
        (BadStatusLine(""), TRANSIENT),
        (Botocore(403), PERMANENT),
        (Botocore(503), TRANSIENT),
        (Google(), PERMANENT),
        (RestException({"error_code": "BAD_REQUEST", "message": "QueuePool limit of size 5 "
         "overflow 10 reached (Background on this error at: https://sqlalche.me/e/21/3o7r)"}),
         TRANSIENT),
        (RestException({"error_code": "BAD_REQUEST", "message": "UNIQUE constraint failed "
         "(Background on this error at: https://sqlalche.me/e/21/gkpj)"}), PERMANENT),
        # MLflow's own
        (MlflowException("gone"), TRANSIENT),
        (MlflowException("busy", error_code=TEMPORARILY_UNAVAILABLE), TRANSIENT),
        (MlflowException("wrong", error_code=INVALID_PARAMETER_VALUE), PERMANENT),
        (MlflowException("no such run", error_code=RESOURCE_DOES_NOT_EXIST), PERMANENT),
        (MlflowException("deleted", error_code=INVALID_STATE), PERMANENT),
        (MlflowException("failures occurred: 404 Client Error: NOT FOUND for url: x"), PERMANENT),
        (MlflowException("failures occurred: 503 Server Error: x"), TRANSIENT),
        (MlflowException("failures occurred: [Errno 13] Permission denied: '/x'"), PERMANENT),
        (MlflowException("failures occurred: [Errno 28] No space left on device"), TRANSIENT),
        # databases
        *((OperationalError("", {}, Psycopg(state)), TRANSIENT)
          for state in ("08006", "40001", "40P01", "53100", "53300", "55P03", "57P01", "25006")),
        *((ProgrammingError("", {}, Psycopg(state)), PERMANENT)
          for state in ("42P01", "42501", "28P01", "3D000")),
        (DataError("", {}, Psycopg("22001")), PERMANENT),
        (OperationalError("", {}, Psycopg(None)), TRANSIENT),
        (OperationalError("", {}, Exception("server closed the connection")), TRANSIENT),
        (InterfaceError("", {}, Exception("closed")), TRANSIENT),
        (ProgrammingError("", {}, Exception("no")), PERMANENT),
        (ProgrammingError("", {}, Exception("no"), connection_invalidated=True), TRANSIENT),
        (IntegrityError("", {}, Exception("UNIQUE")), PERMANENT),
        (NoSuchTableError("runs"), PERMANENT),
        (PoolTimeout("QueuePool limit"), TRANSIENT),
        (wrapped(PendingRollbackError("can't reconnect", code="8s2b"), StorageInternalError("no")),
         TRANSIENT),
        (PendingRollbackError("a flush has failed", code="7s2a"), PERMANENT),
        *((sqlite(code), TRANSIENT) for code in (5, 261, 6, 10, 778, 13, 14)),
        *((sqlite(code), PERMANENT) for code in (1, 8, 1032, 11, 26)),
        *((mysql(number), TRANSIENT) for number in (1205, 1213, 2006, 2013)),
        (mysql(1142), PERMANENT),
        (wrapped(sqlite(8), MlflowException("readonly", TEMPORARILY_UNAVAILABLE)), PERMANENT),
        (wrapped(InterfaceError("", {}, Exception("")), MlflowException("?", BAD_REQUEST)),
         TRANSIENT),
        (wrapped(sqlite(13), StorageInternalError("full")), TRANSIENT),
        (wrapped(sqlite(8), StorageInternalError("readonly")), PERMANENT),
        (StorageInternalError("no"), TRANSIENT),
        # files
        *((OSError(number, "no"), TRANSIENT)
          for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ECONNREFUSED,
                         errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY, errno.EMFILE)),
        *((OSError(number, "no"), PERMANENT)
          for number in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR,
                         errno.EISDIR, errno.ENAMETOOLONG, errno.EFBIG)),
        (OSError("[Errno 28] Can't write data (No space left on device)"), TRANSIENT),
        (PermissionError("no"), PERMANENT),
        (BlockingIOError("the writes are still queued"), TRANSIENT),
        # neither
        (ValueError("disk is full"), FATAL),
        (TypeError("no"), FATAL),
        (KeyboardInterrupt(), FATAL),
        (wrapped(ConnectionRefusedError("no"), ValueError("in the code")), FATAL),
    ],
    ids=lambda value: repr(value)[:60] if isinstance(value, BaseException) else str(value),
)  # fmt: skip
def test_the_kind_of_an_error(error: BaseException, kind: ErrorKind) -> None:
    assert kind_of(error) is kind


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (answered(413), 413),
        (in_text(413), 413),
        (requests.exceptions.RetryError("too many 503 error responses"), 503),
        (Botocore(403), 403),
        (Google(), 403),
        (OperationalError("", {}, Exception()), None),  # its ``code`` is a text
        (OSError(403, "no"), None),
    ],
)
def test_the_status_of_an_error(error: BaseException, status: int | None) -> None:
    assert http_status(error) == status
