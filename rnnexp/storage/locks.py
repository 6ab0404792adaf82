"""Locks of folders and files, which the processes of one machine share.

A folder's lock is held for the holder's own reads and writes only, never while it waits for another
process: one folder may be that of a study and of both stores. Whatever lasts longer locks a file of
its own, as a job does (`rnnexp.storage.trial_folder`).

Some mounted drives have no `flock`, or none for folders, as NFS. There a file on this machine's own
disk is locked in place of the folder, while SQLite has its locks by `fcntl`. Where these are
missing as well, or a lock is given to everybody, nothing is stored: two processes would write at
once.
"""

import errno
import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from rnnexp.errors import StoreError

# Answers of file systems that have no locks, or none for folders, as NFS.
_NO_LOCKS = {
    errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL, errno.EBADF,
}  # fmt: skip

# Not in TMPDIR, which may differ between two processes of one study.
_STAND_INS = Path("/tmp/rnnexp-locks")  # noqa: S108

_held = threading.local()  # the paths whose lock this thread has


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a folder or a file, which leaves no file behind.

    The lock of a process that dies is free. Another thread of the same process waits as well; a
    thread that has the lock already goes on, since a sweep's folder may also hold its stores.

    Args:
        path: The folder, or the file, which has to exist.
        wait: Whether to wait for the lock; else the block learns whether it has the lock.

    Yields:
        Whether the lock is held; always True with ``wait``.

    Raises:
        OSError: If the folder or the file is missing, or can't be opened.
        StoreError: If the file system has no locks of any kind.
    """
    mine: set[Path] = vars(_held).setdefault("paths", set())
    path = path.resolve()
    if path in mine:
        yield True
        return
    descriptor = _lock(path, wait=wait)
    if descriptor is None:
        yield False
        return
    mine.add(path)
    try:
        yield True
    finally:
        mine.discard(path)
        os.close(descriptor)


def lock_problem(folder: Path) -> str | None:
    """Return why nothing can be locked in a folder; None if locks hold. Nothing is left there.

    Args:
        folder: The folder; if it is missing, the nearest one above it is asked.
    """
    folder = folder.resolve()
    folder = next(path for path in (folder, *folder.parents) if path.is_dir())
    try:
        if _is_given_to_everybody(folder):
            return _no_locks(folder, "they are given to everybody")
    except StoreError as error:
        return str(error)
    return _sqlite_problem(folder)


@lru_cache
def _sqlite_problem(folder: Path) -> str | None:
    """Return why SQLite, which locks by ``fcntl``, can't lock the files of a folder."""
    try:
        # Other checks report a folder that can't be written.
        with suppress(PermissionError), tempfile.TemporaryFile(dir=folder) as file:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return _no_locks(folder, os.strerror(error.errno))
    return None


def _is_given_to_everybody(folder: Path) -> bool:
    descriptors = [_lock(folder, wait=False) for _ in range(2)]
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)
    return None not in descriptors


def _lock(path: Path, *, wait: bool) -> int | None:
    """Lock a folder or a file, or what stands in for it where there is no flock.

    Returns:
        The open descriptor, which has the lock until it is closed; None if another one has it.
    """
    # Network file systems lock only what is open for writing, which a folder can't be.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        return _with_lock(descriptor, wait)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        if problem := _sqlite_problem(path if path.is_dir() else path.parent):
            raise StoreError(problem) from error
        return _with_lock(_stand_in(path), wait)


def _with_lock(descriptor: int, wait: bool) -> int | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException as error:  # Ctrl-C as well
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def _stand_in(path: Path) -> int:
    """Open the file of this machine's own disk that stands in for a folder or a file."""
    _STAND_INS.mkdir(exist_ok=True)
    with suppress(PermissionError):  # of another user, who has done it
        _STAND_INS.chmod(0o1777)
    file = _STAND_INS / hashlib.sha256(os.fsencode(path)).hexdigest()
    try:
        return os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CREAT, 0o644)


def _no_locks(path: Path, reason: str) -> str:
    return (
        f"the file system of {path} has no locks ({reason}), without which two processes would "
        "write at once: keep the databases and the folder of the sweep on a local disk, and copy "
        "them from there (docs/howto/colab.md)"
    )
