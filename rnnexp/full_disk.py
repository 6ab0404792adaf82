"""Full disks: which errors say that a disk has no room, and which disk it is."""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FREE_BYTES = 2_000_000  # on the disk, that it takes to begin a trial
# Words of libraries whose errors have no number; those of NumPy say that a write came to an end.
_WORDS = {
    "database or disk is full": errno.ENOSPC,
    os.strerror(errno.ENOSPC): errno.ENOSPC,
    os.strerror(errno.EDQUOT): errno.EDQUOT,
}
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")


def is_disk_full(error: BaseException) -> bool:
    """Return whether a call failed because a disk, or the user's share of it, was full.

    Many libraries raise an error of their own, with the system's words in it.
    """
    return _number(error) is not None


def _number(error: BaseException) -> int | None:
    """Return the number that the system has for an error on a full disk; None for other errors."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error.errno
    words = f"{error} {error.__cause__}"
    if isinstance(error, OSError) and _CUT_SHORT.search(words):
        return errno.ENOSPC
    return next((number for text, number in _WORDS.items() if text in words), None)


def has_disk_space(path: Path) -> bool:
    """Return whether the disk of a file or folder has room for a trial, in bytes and in files.

    Args:
        path: The path, which may not exist yet.
    """
    folder = next(part for part in (path, *path.absolute().parents) if part.is_dir())
    disk = os.statvfs(folder)
    has_files = disk.f_favail > 0 or disk.f_files == 0  # some file systems have no limit
    return shutil.disk_usage(folder).free >= FREE_BYTES and has_files


@contextmanager
def named_if_full(path: Path) -> Iterator[None]:
    """Name what the block writes in the block's error, if its disk is full.

    The system names a file that it can't open, but none whose disk is full while it is written.

    Args:
        path: The file or folder.

    Raises:
        OSError: If the disk is full, with the path as ``filename``.
    """
    try:
        yield
    except Exception as error:
        number = _number(error)
        if number is None or getattr(error, "filename", None):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
