"""Calls that tests run on Dask workers, whose processes import this module and little else."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

from rnnexp.execution import interrupt

SECONDS = 300.0  # for whatever has to happen, also on a machine with much other work


def where() -> tuple[int, int | None, dict[str, str]]:
    parent = multiprocessing.parent_process()
    time.sleep(0.5)
    return os.getpid(), parent and parent.pid, dict(os.environ)


def hang(file: str) -> None:
    Path(file).touch()
    time.sleep(SECONDS)


def report(file: str) -> str:
    """As a trial does: look whether the sweep is stopping."""
    Path(file).touch()
    while not interrupt.is_requested():
        time.sleep(0.05)
    return "stopped after its epoch"


def die(file: str) -> str:
    """Die at the first call."""
    if Path(file).exists():
        return "alive"
    Path(file).touch()
    os.kill(os.getpid(), signal.SIGKILL)
    return ""


class Unreadable:
    """A result that the process of a test can't read, though Dask's worker can."""

    def __init__(self, error: Exception, process: int) -> None:
        self._arguments = error, process

    def __reduce__(self) -> tuple[object, ...]:
        return _read, self._arguments


def _read(error: Exception, process: int) -> Unreadable:
    if os.getpid() == process:
        raise error
    return Unreadable(error, process)
