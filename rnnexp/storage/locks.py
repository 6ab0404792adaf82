"""Locks of folders and files, which the processes of one machine share.

A folder's lock is held for the holder's own reads and writes only, never while it waits for another
process: one folder may be that of a study and of both stores. Whatever lasts longer locks a file of
its own, as a job does (`rnnexp.storage.trial_folder`).

Some mounted drives have no locks: they refuse one, or give it to everybody. Nothing is stored
there, since SQLite and this module would let two processes write at once.
"""

import errno
import fcntl
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rnnexp.errors import StoreError

# Answers of file systems that have no locks, or none for folders, as NFS.
_NO_LOCKS = {
    errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL, errno.EBADF,
}  # fmt: skip

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
        StoreError: If the file system has no locks.
    """
    mine: set[Path] = vars(_held).setdefault("paths", set())
    path = path.resolve()
    if path in mine:
        yield True
        return
    # Network file systems lock only what is open for writing, which a folder can't be.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        has_lock = _lock(descriptor, path, wait)
        if has_lock:
            mine.add(path)
        yield has_lock
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
    first, second = (os.open(folder, os.O_RDONLY) for _ in range(2))
    try:
        if not _lock(first, folder, wait=False):  # another process has it, so that there are locks
            return None
        if _lock(second, folder, wait=False):
            return _no_locks(folder, "they are given to everybody")
        # As SQLite does; other checks report a folder that can't be written.
        with suppress(PermissionError), tempfile.TemporaryFile(dir=folder) as file, _told(folder):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except StoreError as error:
        return str(error)
    finally:
        os.close(first)
        os.close(second)
    return None


def _lock(descriptor: int, path: Path, wait: bool) -> bool:
    try:
        with _told(path):
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise a StoreError in place of the system's, if a file system has no locks."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise StoreError(_no_locks(path, os.strerror(error.errno))) from error


def _no_locks(path: Path, reason: str) -> str:
    return (
        f"the file system of {path} has no locks ({reason}), without which two processes would "
        "write at once: keep the databases and the folder of the sweep on a local disk, and copy "
        "them from there (docs/howto/colab.md)"
    )
