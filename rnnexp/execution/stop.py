"""The wish that running trials end after their epoch: set by a signal, heeded by `report`."""

import threading

_asked = threading.Event()


def ask() -> None:
    """Let the job that runs in this process end when it reports next."""
    _asked.set()


def forget() -> None:
    """A new job begins, which nobody wants to end yet."""
    _asked.clear()


def is_asked() -> bool:
    """Whether the job is to end."""
    return _asked.is_set()
