"""Jobs of a sweep: one Hydra job, and how the study hands it to a launcher.

This project's launchers ``open`` jobs to which one more can be submitted as soon as a slot is
free. Hydra's other launchers only have the blocking ``launch``; `Batches` gives them the same
face and runs what was submitted batch by batch.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import groupby
from typing import Any, Protocol, Self, TypeVar

from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnexp.cores import available_cores
from rnnexp.execution import interrupt
from rnnexp.execution.executors import InProcessExecutor, WorkerExecutor
from rnnexp.execution.hydra_job import Common, call, run, run_packed

T = TypeVar("T")
Held = tuple[Sequence[str], int, Future[JobReturn]]  # overrides, job number, what comes out


class Jobs(Protocol):
    """Where a study runs its jobs; a context manager, whose end is the end of the workers."""

    n_jobs: int

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
        """Run the job with these overrides and this job number."""

    def call(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run a function where jobs run, in a process that may have TensorFlow already."""

    def flush(self) -> None:
        """Nothing more is submitted for now: begin what was held back."""

    def interrupt(self, *, at_once: bool) -> None:
        """Let the jobs that are running end: at once, or when they report next."""


def jobs_of(launcher: Launcher, n_jobs: int | None) -> Jobs:
    """A launcher's own jobs if it can submit, else batches of ``n_jobs``."""
    jobs: Jobs = getattr(launcher, "jobs", None) or Batches(launcher, n_jobs)
    return jobs


class ExecutorJobs:
    """Jobs on an executor: each begins as soon as a slot is free.

    Args:
        executor: ``_target_`` of a PEP 3148 executor, with its arguments but for
            ``max_workers``.
        n_jobs: How many jobs at once; None for one a core.
        common: What all jobs have in common.
    """

    def __init__(self, executor: DictConfig, n_jobs: int | None, common: Common) -> None:
        self.n_jobs = n_jobs or len(available_cores())
        self._executor: Executor = instantiate(executor, max_workers=self.n_jobs)
        self._common = common
        self._packed: bytes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
        """Run the job with these overrides and this job number."""
        if isinstance(self._executor, InProcessExecutor):
            return self._executor.submit(run, self._common, overrides, number)
        self._packed = self._packed or self._common.pack()
        return self._executor.submit(run_packed, self._packed, overrides, number)

    def call(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run a function in a worker."""
        return self._executor.submit(call, function, *args)

    def flush(self) -> None:
        """Do nothing: nothing was held back."""

    def interrupt(self, *, at_once: bool) -> None:
        """Let the jobs that are running end: at once, or when they report next."""
        interrupt.request()  # a job in this process
        if isinstance(self._executor, WorkerExecutor):
            self._executor.interrupt(at_once=at_once)


class Batches:
    """The same for a launcher of Hydra's, which only knows ``launch``: batch by batch.

    Args:
        launcher: Any Hydra launcher.
        n_jobs: How many jobs make a batch.
    """

    def __init__(self, launcher: Launcher, n_jobs: int | None) -> None:
        self.n_jobs = n_jobs or 1
        self._launcher = launcher
        self._held: list[Held] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to end."""

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
        """Hold the job back until `flush`."""
        future: Future[JobReturn] = Future()
        self._held.append((overrides, number, future))
        return future

    def call(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Call it here."""
        return InProcessExecutor().submit(function, *args)

    def flush(self) -> None:
        """Launch the jobs held back, and wait for them."""
        held, self._held = self._held, []
        try:
            for batch in _consecutive(held):
                overrides = [overrides for overrides, _, _ in batch]
                returned = self._launcher.launch(overrides, batch[0][1])
                for (_, _, future), job in zip(batch, returned, strict=True):
                    future.set_result(job)
        except (Exception, KeyboardInterrupt) as error:  # nobody may wait for these in vain
            for _, _, future in held:
                if not future.done():
                    future.set_exception(error)

    def interrupt(self, *, at_once: bool) -> None:  # noqa: ARG002
        """A job in this process ends when it reports next; others are the launcher's."""
        interrupt.request()


def _consecutive(held: Sequence[Held]) -> Iterator[list[Held]]:
    """Jobs in batches whose numbers follow one another, as ``launch`` counts them.

    Trials that are taken up again, and those of another sweep of the study, leave gaps.
    """
    ordered = enumerate(sorted(held, key=lambda job: job[1]))
    for _, batch in groupby(ordered, key=lambda pair: pair[1][1] - pair[0]):
        yield [job for _, job in batch]
