"""Where the files that a config names are on this machine.

A config, and whatever is stored of it, has the paths of the machine where the sweep was started. On
another machine a file that was sent there has a path of its own, which only `path_here` knows.
"""

from collections.abc import Mapping
from pathlib import Path

from hydra.utils import to_absolute_path

_start: list[Path] = []  # where the sweep was started, in a process on a machine of its workers
_places: dict[str, str] = {}  # the path on this machine, by the path on the sweep's


def learn(start: str, places: Mapping[str, str]) -> None:
    """Let this process know where the files of a sweep on another machine are.

    Args:
        start: The folder that the sweep was started in, where relative paths begin.
        places: The files that were sent: their paths here, by their absolute paths there.
    """
    _start[:] = [Path(start)]
    _places.clear()
    _places.update(places)


def absolute_path(path: str) -> str:
    """Return the absolute path of a file that a config names, on the sweep's machine."""
    return str(_start[0] / path) if _start else str(to_absolute_path(path))


def path_here(path: str) -> Path:
    """Return where a file that a config names is on this machine.

    Args:
        path: The path in the config; a relative one begins where the sweep was started.
    """
    absolute = absolute_path(path)
    return Path(_places.get(absolute, absolute))
