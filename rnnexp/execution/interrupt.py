"""The request that running trials end after their epoch: set by a signal, read by `report`."""

import threading

_requested = threading.Event()


def request() -> None:
    """Let the job that runs in this process end at its next report."""
    _requested.set()


def clear() -> None:
    """Forget the request, since a new sweep or a new job begins."""
    _requested.clear()


def is_requested() -> bool:
    """Return whether the job is to end."""
    return _requested.is_set()
