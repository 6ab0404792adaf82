import errno
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from rnnexp.storage.retry import is_disk_full, is_transient, wait_for_disk_space

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "transient", "full"),
    [
        (MlflowException("gone"), True, False),
        (MlflowException("busy", error_code=TEMPORARILY_UNAVAILABLE), True, False),
        (MlflowException("wrong", error_code=INVALID_PARAMETER_VALUE), False, False),
        (MlflowException("(sqlite3.OperationalError) database or disk is full"), True, True),
        (ConnectionRefusedError("no"), True, False),
        (NO_SPACE, True, True),
        (OSError("[Errno 28] Can't write data (No space left on device)"), True, True),
        (StorageInternalError("database or disk is full"), True, True),
        (OperationalError("select", {}, Exception("server closed the connection")), True, False),
        (ValueError("disk is full"), False, False),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True, True),
        (RuntimeError("write failed: Disk quota exceeded"), False, True),
        (OSError(errno.EFBIG, "File too large"), True, False),
    ],
)
def test_which_errors_are_transient(error: Exception, transient: bool, full: bool) -> None:
    assert (is_transient(error), is_disk_full(error)) == (transient, full)


def test_there_is_disk_space(tmp_path: Path) -> None:
    wait_for_disk_space(tmp_path)
