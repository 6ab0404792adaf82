"""Processes that tests start, none of which outlives its test."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import psutil

from tests.helpers.calls import SECONDS
from tests.helpers.commands import ROOT

Process = subprocess.Popen[bytes]

# Linux kills a process that is started with this if pytest is killed, which can clean up nothing.
WITH_PYTEST = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()


@dataclass
class Processes:
    """Processes, and those that they start in turn, which have a mark in their environment.

    Attributes:
        folder: Where the processes run, and have their logs.
    """

    folder: Path
    _started: list[Process] = field(default_factory=list)
    _mark: str = field(default_factory=lambda: f"RNNEXP_TEST_{uuid4().hex}")

    def start(self, name: str, *command: str, **environment: str) -> Process:
        """Start a process, whose log has its name, in place of an earlier one of that name."""
        own = {**os.environ, "PYTHONPATH": str(ROOT), self._mark: "1", **environment}
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=own)
        self._started.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def kill(self) -> None:
        """Kill the processes that were started here, but not those that they have started."""
        for process in self._started:
            process.kill()
        for process in self._started:
            process.wait(SECONDS)

    def left(self) -> list[psutil.Process]:
        """Return the processes that are alive."""
        return [each for each in psutil.process_iter() if self._is_marked(each)]

    def stop(self) -> None:
        """Kill every process."""
        self.kill()
        for process in self.left():
            process.kill()

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return self._mark in process.environ() and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):  # ended a moment ago, or another user's
            return False


def wait_until(condition: Callable[[], object], problem: Callable[[], object] = str) -> None:
    """Wait until a condition holds, or fail with what the problem is."""
    deadline = monotonic() + SECONDS
    while not condition():
        assert monotonic() < deadline, problem()
        sleep(0.1)
