"""Launching of jobs: submit one job as soon as a slot is free, or batch by batch.

This project's launchers have ``jobs``, to which another job can be submitted as soon as a slot is
free. Hydra's other launchers only have the blocking ``launch``; `Batches` gives them the same
interface and launches the submitted jobs batch by batch.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.utils import instantiate
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from rnnexp import gpus
from rnnexp.cores import available_cores
from rnnexp.execution import interrupt
from rnnexp.execution.composer import Composer
from rnnexp.execution.executors import InProcessExecutor, WorkerExecutor
from rnnexp.execution.hydra_job import Common, call, run, run_packed
from rnnexp.passwords import remembered

T = TypeVar("T")
STOP_TIMEOUT = 20.0  # seconds after which a job that does not stop is killed
Held = tuple[Sequence[str], int, Future[JobReturn]]  # overrides, job number, future result


class Jobs(Protocol):
    """Runs the jobs of a study; a context manager, at whose end the workers end."""

    n_jobs: int

    @property
    def can_kill(self) -> bool:
        """Whether a job can be killed alone."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def problems(self) -> list[str]:
        """Return why jobs can't run; empty if nothing is wrong."""

    def unseen(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Look for files on the other machines that jobs run on.

        Args:
            paths: The files, absolute.

        Returns:
            The files that are not there, by machine; empty if all jobs run on this machine.
        """

    def send(self, paths: Sequence[str]) -> Collection[str]:
        """Send files to the other machines that jobs run on, if that was asked for.

        Args:
            paths: The files, absolute.

        Returns:
            The files that are on all machines now; those of machines that join later get them too.

        Raises:
            ConfigError: If the files can't be sent.
        """

    def share(self, folder: Path) -> None:
        """Let jobs work in the sweep's folder, or elsewhere on a machine that can't see it."""

    def warm_up(self, modules: Sequence[str], most: int | None = None) -> None:
        """Let workers without a job import modules; those that have not started start.

        Args:
            modules: What the jobs will import.
            most: The number of workers at most; None for all.
        """

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
        """Run the job with these overrides and this job number."""

    def call(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run a function where jobs run, in a process that may have imported TensorFlow."""

    def flush(self) -> None:
        """Begin the jobs that were held back, since nothing more is submitted for now."""

    def interrupt(self, *, at_once: bool) -> None:
        """Stop the running jobs: at once, or at their next report."""

    def kill(self, future: Future[Any]) -> None:
        """Kill the process of a job, if that can be done."""


def stop(jobs: Jobs, running: Collection[Future[JobReturn]]) -> None:
    """Stop jobs at once, and kill those that do not stop, such as a job that hangs."""
    jobs.interrupt(at_once=True)
    for future in wait(running, STOP_TIMEOUT).not_done:
        jobs.kill(future)
    wait(running)


def jobs_of(launcher: Launcher, n_jobs: int | None) -> Jobs:
    """Return a launcher's own ``jobs`` if it has them, else batches of ``n_jobs``."""
    jobs: Jobs = getattr(launcher, "jobs", None) or Batches(launcher, n_jobs)
    return jobs


class ExecutorJobs:
    """Jobs on an executor: each begins as soon as a slot is free.

    Args:
        executor: ``_target_`` and the arguments of a PEP 3148 executor, without ``max_workers``.
        n_jobs: The number of jobs that run at once; None for as many as there is room for on the
            GPUs, or one a core where there are none, or no job sees one.
        common: What all jobs have in common.
        gpus_per_trial: The number of GPUs that a job sees, or the share of one; None if jobs don't
            share them.
    """

    def __init__(
        self,
        executor: DictConfig,
        n_jobs: int | None,
        common: Common,
        gpus_per_trial: float | None = None,
    ) -> None:
        self._gpus_per_trial = gpus_per_trial
        self._room = gpus.room(gpus_per_trial)
        self.n_jobs = n_jobs or self._room or len(available_cores())
        # A number below 1 is refused later, with the other problems of the sweep.
        self._executor: Executor = instantiate(executor, max_workers=max(1, self.n_jobs))
        self._common = common
        self._packed: bytes | None = None

    @property
    def composer(self) -> Composer:
        """The composer of the jobs' configs, of which the workers know what it has read."""
        return self._common.composer

    @property
    def can_kill(self) -> bool:
        """Whether a job can be killed alone."""
        return isinstance(self._executor, WorkerExecutor)

    def problems(self) -> list[str]:
        """Return why there is no room for the jobs on the GPUs, if there are any."""
        key = "hydra.launcher.gpus_per_trial"
        if not self._gpus_per_trial:
            return []
        if problems := gpus.problems(key, self._gpus_per_trial):
            return problems
        if self._room is None or self.n_jobs <= self._room:
            return []
        return [
            f"hydra.launcher.n_jobs={self.n_jobs}: there is room for {self._room} on the "
            f"{len(gpus.visible_gpus())} GPUs of this machine with {key}={self._gpus_per_trial:g}; "
            "give a smaller share of a GPU, fewer jobs, or 0 to train on cores"
        ]

    def unseen(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:  # noqa: ARG002
        """Return that no job runs on another machine."""
        return {}

    def send(self, paths: Sequence[str]) -> Collection[str]:  # noqa: ARG002
        """Send nothing."""
        return ()

    def share(self, folder: Path) -> None:
        """Do nothing, since all jobs see the folder."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def warm_up(self, modules: Sequence[str], most: int | None = None) -> None:
        """Start workers, if there are any, and let them import modules meanwhile."""
        if isinstance(self._executor, WorkerExecutor):
            self._executor.warm_up(modules, most)

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
        """Run the job with these overrides and this job number."""
        if isinstance(self._executor, InProcessExecutor):
            return self._executor.submit(run, self._common, overrides, number)
        if not self._packed:
            with contextlib.suppress(HydraException, OmegaConfBaseException):  # the job says why
                self.composer.compose(overrides)  # which the workers need not do then
            self._packed = self._common.pack()
        return self._executor.submit(run_packed, self._packed, overrides, number)

    def call(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run a function in a worker."""
        return self._executor.submit(call, remembered(), function, *args)

    def flush(self) -> None:
        """Do nothing, since no job is held back."""

    def interrupt(self, *, at_once: bool) -> None:
        """Stop the running jobs: at once, or at their next report."""
        interrupt.request()  # of a job in this process
        if isinstance(self._executor, WorkerExecutor):
            self._executor.interrupt(at_once=at_once)

    def kill(self, future: Future[Any]) -> None:
        """Kill the worker of a job."""
        if isinstance(self._executor, WorkerExecutor):
            self._executor.kill(future)


class Batches:
    """Jobs on any other Hydra launcher, which only has ``launch``: batch by batch.

    Args:
        launcher: The launcher.
        n_jobs: The number of jobs in a batch.
    """

    def __init__(self, launcher: Launcher, n_jobs: int | None) -> None:
        self.n_jobs = n_jobs or 1
        self._launcher = launcher
        self._held: list[Held] = []
        self.can_kill = False

    def problems(self) -> list[str]:
        """Return no problem, since the launcher checks its own settings."""
        return []

    def unseen(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:  # noqa: ARG002
        """Return no machine: where a launcher runs its jobs is not known."""
        return {}

    def send(self, paths: Sequence[str]) -> Collection[str]:  # noqa: ARG002
        """Send nothing."""
        return ()

    def share(self, folder: Path) -> None:
        """Do nothing: where a launcher runs its jobs is not known."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing, since the launcher has no workers to end."""

    def warm_up(self, modules: Sequence[str], most: int | None = None) -> None:
        """Do nothing, since the launcher starts its processes."""

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
        """Hold the job back until `flush`."""
        future: Future[JobReturn] = Future()
        self._held.append((overrides, number, future))
        return future

    def call(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call the function in this process."""
        return InProcessExecutor().submit(function, *args)

    def flush(self) -> None:
        """Launch the jobs that were held back, and wait for them."""
        held, self._held = self._held, []
        try:
            for batch in _consecutive(held):
                overrides = [overrides for overrides, _, _ in batch]
                returned = self._launcher.launch(overrides, batch[0][1])
                for (_, _, future), job in zip(batch, returned, strict=True):
                    future.set_result(job)
        except (Exception, KeyboardInterrupt) as error:  # or the loop would wait for ever
            for _, _, future in held:
                if not future.done():
                    future.set_exception(error)

    def interrupt(self, *, at_once: bool) -> None:  # noqa: ARG002
        """Let a job in this process end at its next report; the launcher stops other processes."""
        interrupt.request()

    def kill(self, future: Future[Any]) -> None:
        """Do nothing, since the launcher's processes are its own."""


def _consecutive(held: Sequence[Held]) -> Iterator[list[Held]]:
    """Group jobs into batches with consecutive numbers, as ``launch`` counts them.

    Retried trials, and trials of another sweep of the study, leave gaps.
    """
    ordered = enumerate(sorted(held, key=lambda job: job[1]))
    for _, batch in groupby(ordered, key=lambda pair: pair[1][1] - pair[0]):
        yield [job for _, job in batch]
