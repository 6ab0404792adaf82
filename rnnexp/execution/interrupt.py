"""The request of a sweep that running jobs end: made in the sweep's process, read where jobs run.

A job in the sweep's own process reads an event. A worker process shares a few numbers with the
sweep, which writes up to which call of the worker the calls are to end. So a worker can tell the
sweep's request from a signal that somebody else has sent, and a request that is made just before a
call begins is not lost. Shared numbers have no lock, which a killed process could leave locked.
"""

import threading
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager

# Places of the shared numbers.
AFTER_EPOCH, AT_ONCE, PID = range(3)

_requested = threading.Event()


def request() -> None:
    """Let the job that runs in this process end at its next report."""
    _requested.set()


def clear() -> None:
    """Forget the request, since a new sweep begins."""
    _requested.clear()


def is_requested() -> bool:
    """Return whether the running job is to end at its next report."""
    return _requested.is_set() or _worker.is_asked(AFTER_EPOCH)


class _Worker:
    """The calls of this worker process, and what the sweep asks of them.

    Attributes:
        asked: By place, the number of the last call that is to end; 0 for none. And the worker's
            process id.
        call: The number of the running call, or of the last; calls are counted from 1.
        is_busy: Whether the call is running.
    """

    def __init__(self) -> None:
        self.asked: MutableSequence[int] = [0, 0, 0]
        self.call = 0
        self.is_busy = False

    def is_asked(self, place: int) -> bool:
        return 0 < self.asked[place] >= self.call


_worker = _Worker()


def listen(asked: MutableSequence[int]) -> None:
    """Read the sweep's requests to this worker process from shared numbers."""
    _worker.asked = asked


def is_announced(*, at_once: bool) -> bool:
    """Return whether the sweep has asked this worker to end its call."""
    return _worker.is_asked(AT_ONCE if at_once else AFTER_EPOCH)


def is_busy() -> bool:
    """Return whether this worker runs a call."""
    return _worker.is_busy


@contextmanager
def call(number: int) -> Iterator[None]:
    """Mark a call as the running call of this worker while the block runs.

    Raises:
        KeyboardInterrupt: If the sweep has asked for the call's end before it began.
    """
    _worker.call, _worker.is_busy = number, True
    try:
        if is_requested():
            raise KeyboardInterrupt("the sweep is stopping")
        yield
    finally:
        _worker.is_busy = False
