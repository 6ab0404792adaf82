"""Jobs of a sweep: one Hydra job, and how the study hands it to a launcher.

This project's launchers ``open`` jobs to which one more can be submitted as soon as a slot is
free. Hydra's other launchers only have the blocking ``launch``; `Batches` gives them the same
face and runs what was submitted batch by batch.
"""

import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import cloudpickle
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, configure_log, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, SCMode, open_dict

from rnnexp.errors import RnnexpError
from rnnexp.execution import stop
from rnnexp.execution.composer import Composer
from rnnexp.execution.executors import InProcessExecutor, WorkerExecutor, available_cores

T = TypeVar("T")
Held = tuple[Sequence[str], int, Future[JobReturn]]  # overrides, job number, what comes out
OUTPUT = "output.log"  # in a job's folder, beside Hydra's own log


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

    def __init__(self, executor: DictConfig, n_jobs: int | None, common: "Common") -> None:
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
        stop.ask()  # a job in this process
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
        stop.ask()


def _consecutive(held: Sequence[Held]) -> Iterator[list[Held]]:
    """Jobs in batches whose numbers follow one another, as ``launch`` counts them.

    Trials that are taken up again, and those of another sweep of the study, leave gaps.
    """
    ordered = enumerate(sorted(held, key=lambda job: job[1]))
    for _, batch in groupby(ordered, key=lambda pair: pair[1][1] - pair[0]):
        yield [job for _, job in batch]


@dataclass(frozen=True)
class Common:
    """What all jobs of a sweep have in common.

    Attributes:
        context: Hydra's, to compose a job's config.
        config: Hydra's composed config of the sweep.
        task_function: What a job runs.
    """

    context: HydraContext
    config: DictConfig
    task_function: TaskFunction

    @cached_property
    def composer(self) -> Composer:
        """Composes the configs of the jobs."""
        return Composer(self.context.config_loader, self.config)

    def pack(self) -> bytes:
        """For another process; by value, since Hydra's decorator hides the task function."""
        packed: bytes = cloudpickle.dumps(
            (cloudpickle.dumps(Singleton.get_state()), cloudpickle.dumps(self))
        )
        return packed


@lru_cache(maxsize=1)
def _unpack(packed: bytes) -> Common:
    state, common = pickle.loads(packed)  # noqa: S301
    # First, since Hydra then imports its plugins anew: configs made before would be of classes
    # that are no more.
    Singleton.set_state(pickle.loads(state))  # noqa: S301
    loaded: Common = pickle.loads(common)  # noqa: S301
    return loaded


def run_packed(packed: bytes, overrides: Sequence[str], number: int) -> JobReturn:
    """`run` in another process; see `Common.pack`."""
    setup_globals()
    common = _unpack(packed)
    config = _compose(common, overrides, number)
    with _output_to(Path(config.hydra.sweep.dir, config.hydra.sweep.subdir)):
        return _picklable(_run(common, config))


def run(common: Common, overrides: Sequence[str], number: int) -> JobReturn:
    """Run one Hydra job, with its own folder, log and config, as Hydra's launchers do.

    Args:
        common: What it has in common with the other jobs.
        overrides: The job's overrides.
        number: Its job number, which names its folder.
    """
    setup_globals()
    returned = _run(common, _compose(common, overrides, number))
    hydra = common.config.hydra
    configure_log(hydra.hydra_logging, hydra.verbose)
    return returned


def _compose(common: Common, overrides: Sequence[str], number: int) -> DictConfig:
    config = common.composer.compose(overrides)
    with open_dict(config):
        config.hydra.job.id = f"{config.hydra.job.name}_{number}"
        config.hydra.job.num = number
    return config


def _run(common: Common, config: DictConfig) -> JobReturn:
    return run_job(
        hydra_context=common.context,
        task_function=common.task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def call(function: Callable[..., T], *args: Any) -> T:
    """Call a function with configs, which may need Hydra's resolvers."""
    setup_globals()
    return function(*args)


def _picklable(returned: JobReturn) -> JobReturn:
    """What can't be sent back is left out: the classes of a config, then the outcome itself."""
    if _pickling_fault(returned):
        # A dataclass of the application's script is another one in the sweep's process.
        plain = OmegaConf.to_container(returned.cfg, structured_config_mode=SCMode.DICT)
        returned.cfg = DictConfig(plain)
    if fault := _pickling_fault(returned):
        lost = returned._return_value
        returned.return_value = RnnexpError(f"{type(lost).__name__}: {lost} (not sent: {fault})")
        returned.status = JobStatus.FAILED
    return returned


def _pickling_fault(value: object) -> Exception | None:
    try:
        pickle.loads(pickle.dumps(value))  # noqa: S301
    except Exception as error:
        return error
    return None


@contextmanager
def _output_to(folder: Path) -> Iterator[None]:
    """In a worker, what a job and its libraries print goes to a file in the job's folder."""
    if multiprocessing.parent_process() is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    terminal = os.dup(1), os.dup(2)
    with (folder / OUTPUT).open("ab", buffering=0) as output:
        _connect(output.fileno(), output.fileno())
    try:
        yield
    finally:
        _connect(*terminal)
        for descriptor in terminal:
            os.close(descriptor)


def _connect(out: int, err: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)
