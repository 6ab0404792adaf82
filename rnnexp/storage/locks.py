"""Folder locks, which the processes of one machine share."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_held = threading.local()  # folders whose lock this thread has


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder's lock, which the processes of a machine share; it leaves nothing behind.

    The lock of a process that dies is free. Another thread of the same process waits as well; one
    that has the lock already goes on, for a sweep's folder may be that of its stores.

    Args:
        folder: The folder.
        wait: Whether to wait for it; else the block is told whether it has the lock.
    """
    mine: set[Path] = vars(_held).setdefault("folders", set())
    path = folder.resolve()
    if path in mine:
        yield True
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        has_it = _lock(descriptor, wait)
        if has_it:
            mine.add(path)
        yield has_it
    finally:
        mine.discard(path)
        os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
