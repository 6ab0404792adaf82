"""Folder locks, which the processes of one machine share."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held = threading.local()  # the folders whose lock this thread has


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder's lock, which leaves no file behind.

    The lock of a process that dies is free. Another thread of the same process waits as well; a
    thread that has the lock already goes on, since a sweep's folder may also hold its stores.

    Args:
        folder: The folder.
        wait: Whether to wait for the lock; else the block learns whether it has the lock.

    Yields:
        Whether the lock is held; always True with ``wait``.
    """
    mine: set[Path] = vars(_held).setdefault("folders", set())
    path = folder.resolve()
    if path in mine:
        yield True
        return
    descriptor = os.open(path, os.O_RDONLY)
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
