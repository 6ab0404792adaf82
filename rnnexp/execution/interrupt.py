"""The wish that running trials end after their epoch: set by a signal, heeded by `report`."""

import threading

_requested = threading.Event()


def request() -> None:
    """Let the job that runs in this process end when it reports next."""
    _requested.set()


def clear() -> None:
    """A new job begins, which nobody wants to end yet."""
    _requested.clear()


def is_requested() -> bool:
    """Whether the job is to end."""
    return _requested.is_set()
