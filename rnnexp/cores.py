"""The cores that this process may use."""

import multiprocessing
import os
from contextlib import suppress


def available_cores() -> list[int]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cores_of_all_workers() -> list[int]:
    """Return the cores of the process that has started this worker; else those of this process."""
    parent = multiprocessing.parent_process()
    if parent and parent.pid and hasattr(os, "sched_getaffinity"):
        with suppress(ProcessLookupError):  # it has just died
            return sorted(os.sched_getaffinity(parent.pid))
    return available_cores()
