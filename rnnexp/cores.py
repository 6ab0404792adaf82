"""The cores that this process may use: those of its affinity mask, as far as its quota goes."""

import math
import multiprocessing
import os
from contextlib import suppress
from functools import cache
from pathlib import Path

WORKER = "RNNEXP_WORKER"  # environment variable with the name of a worker
GROUPS = Path("/sys/fs/cgroup")  # of Linux, by which containers and schedulers set quotas


def available_cores() -> list[int]:
    """Return the numbers of the cores that this process may use.

    A container or a cluster's scheduler may let a process see all cores, but give it the time of a
    few (Linux's documentation, "Control Group v2", ``cpu.max``). Then only so many are returned.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = sorted(os.sched_getaffinity(0))
    else:
        cores = list(range(os.cpu_count() or 1))
    return cores[: quota()]


@cache
def quota(groups: Path = GROUPS, own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Return the number of cores whose time this process may use, at least 1; None for no limit.

    Args:
        groups: The folder of control groups.
        own: The file that lists the groups of this process.
    """
    limits = [limit for folder in _folders(groups, own) if (limit := _limit(folder)) is not None]
    return max(1, math.floor(min(limits))) if limits else None


def _folders(groups: Path, own: Path) -> list[Path]:
    """Return the folders of the process's groups and of those that contain them."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:  # "0::/PATH" of version 2, "4:cpu,cpuacct:/PATH" of version 1
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = groups / "cpu" if controllers else groups
        group = top / path.lstrip("/")
        # In a container the path may be the host's, which is not there: its own group is the top.
        found += [folder for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return found


def _limit(folder: Path) -> float | None:
    """Return the quota of a group, in cores; None for no limit."""
    with suppress(OSError, ValueError):
        allowed, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return None if allowed == "max" else int(allowed) / int(period)
    with suppress(OSError, ValueError):
        allowed = (folder / "cpu.cfs_quota_us").read_text(encoding="utf-8")
        period = (folder / "cpu.cfs_period_us").read_text(encoding="utf-8")
        return None if int(allowed) < 0 else int(allowed) / int(period)
    return None


def cores_of_all_workers() -> list[int]:
    """Return the cores of the process that has started this worker; else those of this process."""
    parent = multiprocessing.parent_process()
    if parent and parent.pid and hasattr(os, "sched_getaffinity"):
        with suppress(ProcessLookupError):  # it has just died
            return sorted(os.sched_getaffinity(parent.pid))
    return available_cores()
