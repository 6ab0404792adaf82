"""A Dask cluster of real processes: a scheduler and workers, which tests start and kill."""

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.ports import free_port
from tests.helpers.processes import SECONDS, WITH_PYTEST, Process, Processes, wait_until


@dataclass
class DaskCluster:
    """A scheduler on a port of this machine, and its workers by name.

    Attributes:
        folder: Where the processes run, and have their logs.
        host: The scheduler's address.
        within: By the name of a process, the command that runs it on another host.
    """

    folder: Path
    host: str = "127.0.0.1"
    within: dict[str, Sequence[str]] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    workers: dict[str, Process] = field(default_factory=dict)
    scheduler: Process | None = None

    def __post_init__(self) -> None:
        self._processes = Processes(self.folder)

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    def start_scheduler(self) -> None:
        options = ["--host", self.host, "--port", str(self.port), "--no-dashboard"]
        self.scheduler = self._start("scheduler", "scheduler", *options)
        self._wait_for("Scheduler at:", "scheduler")

    def start_worker(self, name: str, *options: str, **environment: str) -> None:
        """Start a worker that is one process, with one thread unless an option asks for more."""
        usual = ["--no-nanny", "--no-dashboard", "--name", name]
        scratch = ["--local-directory", str(self.folder)]
        self.workers[name] = self._start(
            name,
            "worker",
            self.address,
            *usual,
            *scratch,
            *(options or ("--nthreads", "1")),
            **environment,
        )

    def wait_for_workers(self) -> None:
        """Wait until the workers have joined, which takes long on a machine with other work."""
        for name in self.workers:
            self._wait_for("Registered to:", name)

    def kill_worker(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        process = self.workers.pop(name)
        process.send_signal(number)
        process.wait(SECONDS)

    def kill_scheduler(self) -> None:
        """Kill the scheduler, and wait for Dask's workers, which end without it."""
        assert self.scheduler
        self.wait_for_workers()  # one that has not joined would wait for the next scheduler
        self.scheduler.kill()
        for process in [self.scheduler, *self.workers.values()]:
            process.wait(SECONDS)

    def stop(self) -> None:
        """Kill the processes, and expect of those of the trials that they end with their workers.

        Raises:
            AssertionError: If a process is left, which is killed then.
        """
        self._processes.kill()
        try:
            wait_until(lambda: not self._processes.left(), self._processes.left)
        finally:
            self._processes.stop()

    def log(self, name: str) -> str:
        return self._processes.log(name)

    def _wait_for(self, text: str, name: str) -> None:
        wait_until(lambda: text in self.log(name), lambda: self.log(name))

    def _start(self, name: str, *command: str, **environment: str) -> Process:
        within = [*self.within.get(name, ()), *WITH_PYTEST]
        return self._processes.start(
            name, *within, sys.executable, "-m", "dask", *command, **environment
        )


@contextmanager
def dask_cluster(
    folder: Path, *workers: str, within: Mapping[str, Sequence[str]] | None = None
) -> Iterator[DaskCluster]:
    """Start a scheduler and workers, and end them with the block."""
    cluster = DaskCluster(folder, within=dict(within or {}))
    try:
        cluster.start_scheduler()
        for name in workers:
            cluster.start_worker(name)
        cluster.wait_for_workers()
        yield cluster
    finally:
        cluster.stop()
