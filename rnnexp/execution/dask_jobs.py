"""Jobs on a Dask cluster: each goes to a worker as soon as one is free.

    sweep's process        Dask's scheduler             Dask worker         a process a trial
    submit(job) ---------> first worker that is free -> run_in_slot ------> run_packed
           Future <------- result, or error <---------- result, or error <- result, or error

Dask runs a task once more on another worker if its worker has died or left. A trial goes on from
its backup then, as after a resume.
"""

import contextlib
import logging
import sys
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Self, TypeVar

from distributed import Client
from distributed import Future as Task
from distributed.scheduler import KilledWorker
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.utils import to_absolute_path
from omegaconf.errors import OmegaConfBaseException

from rnnexp.errors import ConfigError
from rnnexp.execution.application_code import Code
from rnnexp.execution.composer import Composer
from rnnexp.execution.dask_connection import Connection, is_gone, workers_of
from rnnexp.execution.dask_gpus import gpu_problems
from rnnexp.execution.dask_settings import DaskSettings
from rnnexp.execution.dask_slots import (
    StoppedError,
    TrialSlots,
    files_of,
    interrupt_slots,
    kill_call,
    look_for,
    run_in_slot,
    warm_up_slots,
)
from rnnexp.execution.dask_versions import version_problems
from rnnexp.execution.hydra_job import Common, call, run_packed
from rnnexp.execution.job_result import LostError
from rnnexp.execution.sent_files import offer, size_problem, withdraw
from rnnexp.machine import this_machine
from rnnexp.passwords import Sealed, remembered
from rnnexp.storage.retry import retry_connection
from rnnexp.storage.schema import Files

T = TypeVar("T")
log = logging.getLogger(__name__)


class DaskJobs:
    """Jobs on a Dask cluster.

    Reason for its size: a method for each of `rnnexp.execution.launching.Jobs`, on one connection.

    Args:
        settings: The launcher's settings.
        common: What all jobs have in common.
    """

    can_kill = True

    def __init__(self, settings: DaskSettings, common: Common) -> None:
        self._settings = settings
        self._common = common
        self._name = f"rnnexp-{uuid.uuid4().hex[:12]}"  # by which tasks find the sweep's slots
        self._connection = Connection(settings.address, settings.local_workers)
        self._packed, self._n_known = b"", 0
        self._mark: str | None = None
        self._tasks: dict[Future[Any], Task[Any]] = {}
        self._lock = threading.RLock()  # Ctrl-C may come while this thread has it

    @property
    def composer(self) -> Composer:
        """The composer of the jobs' configs, which workers get what it has read from."""
        return self._common.composer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._mark:
            Path(self._mark).unlink(missing_ok=True)
        self._connection.close()

    def problems(self) -> list[str]:
        """Connect to the cluster, and return why jobs can't run there."""
        if problems := self._settings.problems():
            return problems
        if problem := self._connection.problem():
            return [problem]
        client = self._connection.open()
        address = self._connection.address
        if problems := (
            self._settings.worker_problems(workers_of(client), str(address))
            or version_problems(client)
            or gpu_problems(client, self._settings.resources)
        ):
            return problems
        try:
            code = Code.of(_folder())
        except ConfigError as error:
            return list(error.problems)
        slots = TrialSlots(self._name, self._settings.needs, code, to_absolute_path("."))
        self._connection.install(
            partial(Client.register_plugin, plugin=slots),
            partial(Client.unregister_worker_plugin, name=self._name),
        )
        running = "Dask's scheduler at %s: %d trials at once; dashboard: %s"
        log.info(running, address, self.n_jobs, _dashboard(client) or "none")
        return []

    def unseen(self, paths: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Look for files on the other machines of the cluster; see `Jobs.unseen`."""
        found = self._connection.client().run(look_for, list(paths), this_machine())
        return {host: missing for host, missing in found.values() if host}

    def send(self, paths: Sequence[str]) -> Collection[str]:
        """Send files to the machines of the cluster, if that was asked for; see `Jobs.send`."""
        if not self._settings.send_data:
            return ()
        if problem := size_problem(paths):
            raise ConfigError([problem])
        name = files_of(self._name)
        self._connection.install(
            partial(offer, name=name, paths=paths), partial(withdraw, name=name)
        )
        return paths

    def share(self, folder: Path) -> None:
        """Let each machine find out whether it sees the sweep's folder; see `Jobs.share`."""
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder / f"{self._name}.{Files.MARK}"
        mark.touch()
        self._mark = str(mark)

    @property
    def n_jobs(self) -> int:
        """The number of jobs that run at once, at least 1: workers may join and leave."""
        try:
            slots = sum(map(self._settings.n_slots, self._connection.workers().values()))
        except OSError:
            slots = 1
        return max(1, min(slots, self._settings.n_jobs or slots))

    def warm_up(self, modules: Sequence[str], most: int | None = None) -> None:  # noqa: ARG002
        """Start the processes of the slots, once there are some, and let them import modules.

        Those of workers that join later start with their first jobs.
        """
        if not self._connection.is_open:
            return
        with contextlib.suppress(OSError):
            neighbors = self._settings.neighbors(self._connection.workers())
            self._connection.client().run(
                warm_up_slots, self._name, neighbors, list(modules), on_error="ignore"
            )

    def submit(self, overrides: Sequence[str], number: int) -> Future[JobReturn]:
        """Run the job with these overrides and this job number."""
        with contextlib.suppress(HydraException, OmegaConfBaseException):  # the job says why
            self.composer.compose(overrides)  # workers may not have the config's files
        if not self._packed or self.composer.n_known != self._n_known:
            self._packed, self._n_known = self._common.pack(), self.composer.n_known
        return self._submit(self._mark, run_packed, self._packed, list(overrides), number)

    def call(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run a function in a slot of a worker."""
        return self._submit(None, call, remembered(), function, *args)

    def flush(self) -> None:
        """Do nothing, since no job is held back."""

    def interrupt(self, *, at_once: bool) -> None:
        """Stop the running jobs: at once, or at their next report; others do not begin."""
        running = set[str]()
        with self._lock:
            keys = [task.key for task in self._tasks.values()]
        with contextlib.suppress(OSError):
            client = self._connection.client()
            every = client.run(
                interrupt_slots, self._name, keys, at_once=at_once, on_error="ignore"
            )
            running = {key for keys in every.values() for key in keys or ()}
        with self._lock:
            waiting = [pair for pair in self._tasks.items() if pair[1].key not in running]
        for future, task in waiting:
            self._end(future, partial(_raise, KeyboardInterrupt("the sweep is stopping")))
            task.cancel()

    def kill(self, future: Future[Any]) -> None:
        """Kill the process of a job."""
        with self._lock:
            task = self._tasks.get(future)
        if task:
            with contextlib.suppress(OSError):
                self._connection.client().run(kill_call, self._name, task.key, on_error="ignore")

    def _submit(self, mark: str | None, function: Callable[..., T], *args: Any) -> Future[T]:
        client, future = retry_connection(self._connection.client)(), Future[T]()
        key = f"{self._name}-{uuid.uuid4().hex}"
        task = client.submit(
            run_in_slot,
            self._name,
            key,
            self._settings.neighbors(self._connection.workers()),
            mark,
            Sealed((function, args)),
            key=key,
            resources=self._settings.needs or None,
            pure=False,
        )
        with self._lock:
            self._tasks[future] = task
        task.add_done_callback(lambda done: self._end(future, partial(_result_of, done)))
        if is_gone(client):  # while the task was submitted, so that nobody knows of the task
            self._end(future, partial(_raise, LostError(client.status)))
        return future

    def _end(self, future: Future[Any], result: Callable[[], Any]) -> None:
        """End a future, once, with what a function returns or raises."""
        with self._lock:
            if self._tasks.pop(future, None) is None:
                return
        try:
            future.set_result(result())
        except BaseException as error:
            future.set_exception(error)


def _raise(error: BaseException) -> NoReturn:
    raise error


def _result_of(task: Task[Any]) -> Any:
    """Return the result of a task that has ended, or raise its error.

    Raises:
        LostError: If the scheduler is gone, also while the result is on its way.
    """
    error = task.exception() if task.status == "error" else None
    if isinstance(error, StoppedError):
        raise KeyboardInterrupt(str(error))
    if error:
        raise BrokenExecutor(str(error)) if isinstance(error, KilledWorker) else error
    try:
        return task.result()
    except (CancelledError, OSError) as gone:
        raise LostError(str(gone)) from gone


def _dashboard(client: Client) -> str | None:
    with contextlib.suppress(KeyError):  # a scheduler without a dashboard
        return str(client.dashboard_link)
    return None


def _folder() -> Path:
    """Return the folder of the application's script."""
    return Path(sys.argv[0]).resolve().parent
