import errno
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from optuna.exceptions import StorageInternalError

from rnnexp.storage.retry import is_disk_full, wait_for_disk_space

NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MlflowException("gone"), False),
        (MlflowException("(sqlite3.OperationalError) database or disk is full"), True),
        (ConnectionRefusedError("no"), False),
        (NO_SPACE, True),
        (OSError("[Errno 28] Can't write data (No space left on device)"), True),
        (StorageInternalError("database or disk is full"), True),
        (ValueError("disk is full"), False),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (RuntimeError("write failed: Disk quota exceeded"), True),
        (OSError(errno.EFBIG, "File too large"), False),
    ],
)
def test_which_errors_are_of_a_full_disk(error: Exception, full: bool) -> None:
    assert is_disk_full(error) == full


def test_there_is_disk_space(tmp_path: Path) -> None:
    wait_for_disk_space(tmp_path)
