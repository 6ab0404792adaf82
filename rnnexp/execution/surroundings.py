"""What a call of a sweep finds in a process on another machine: the application's modules, files.

The process imports this module with its first call, so that the module imports nothing of Dask's.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from rnnexp import config_files

T = TypeVar("T")


@dataclass(frozen=True)
class Surroundings:
    """What a call finds in its process.

    Attributes:
        modules: The folder of the application's modules.
        start: The folder that the sweep was started in, which may be another machine's.
        places: The files that were sent; see `rnnexp.config_files.learn`.
    """

    modules: str
    start: str
    places: Mapping[str, str]


def call_within(around: Surroundings, fn: Callable[..., T], /, *args: Any) -> T:
    """Call a function in a process that finds the application's modules, and its files."""
    if around.modules not in sys.path:
        sys.path.insert(0, around.modules)
    with suppress(OSError):  # another machine's folder
        os.chdir(around.start)
    config_files.learn(around.start, around.places)
    return fn(*args)
