"""Locks of folders and files, which the processes of one machine share.

A folder's lock is held for the holder's own reads and writes only, never while it waits for another
process: one folder may be that of a study and of both stores. Whatever lasts longer locks a file of
its own, as a job does (`rnnexp.storage.trial_folder`).
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
    """
    mine: set[Path] = vars(_held).setdefault("paths", set())
    path = path.resolve()
    if path in mine:
        yield True
        return
    # Network file systems lock only what is open for writing, which a folder can't be.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        has_lock = _lock(descriptor, wait)
        if has_lock:
            mine.add(path)
        yield has_lock
    finally:
        mine.discard(path)
        os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
