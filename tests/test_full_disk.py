"""Errors on a full disk: known as such, with the file that could not be written."""

import errno
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from optuna.exceptions import StorageInternalError

from rnnexp.atomic import atomic_folder, atomic_write
from rnnexp.full_disk import is_disk_full, named_if_full

BIG = bytes(3_000_000)


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (MlflowException("gone"), False),
        (MlflowException("(sqlite3.OperationalError) database or disk is full"), True),
        (ConnectionRefusedError("no"), False),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError("[Errno 28] Can't write data (No space left on device)"), True),
        (OSError("750000 requested and 4064 written"), True),  # as NumPy words a short write
        (StorageInternalError("database or disk is full"), True),
        (ValueError("disk is full"), False),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (RuntimeError("write failed: Disk quota exceeded"), True),
        (OSError(errno.EFBIG, "File too large"), False),
    ],
)
def test_which_errors_are_of_a_full_disk(error: Exception, full: bool) -> None:
    assert is_disk_full(error) == full


def save_array(folder: Path) -> None:
    with atomic_folder(folder / "x") as draft:
        np.save(draft / "x.npy", np.frombuffer(BIG, "uint8"))


def save_weights(folder: Path) -> None:
    with (
        named_if_full(folder / "x"),
        (folder / "x").open("wb") as stream,
        h5py.File(stream, "w") as file,
    ):
        file["x"] = np.frombuffer(BIG, "uint8")


@pytest.mark.parametrize(
    "write", [lambda folder: atomic_write(folder / "x", BIG), save_array, save_weights],
    ids=["file", "numpy", "h5py"],
)  # fmt: skip
def test_the_error_names_what_was_written(small_disk: Path, write: Callable[[Path], None]) -> None:
    (small_disk / "filler").write_bytes(bytes(41_000_000))
    with pytest.raises(OSError, match="No space left on device") as raised:
        write(small_disk)
    assert raised.value.filename == str(small_disk / "x")
    assert [file.name for file in small_disk.glob("x.*")] == []


def test_another_error_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), named_if_full(tmp_path):
        (tmp_path / "no" / "file").read_bytes()
    with pytest.raises(KeyError), named_if_full(tmp_path):
        raise KeyError("x")
