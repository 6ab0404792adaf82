"""The slots of a Dask worker: a process of its own for each trial that runs there at once.

Dask runs a task in a thread of its worker. A trial needs a process: its cores and its GPUs are set
before Keras is imported, its output goes to a file, and it can be killed alone.
"""

import multiprocessing
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from distributed import Worker, WorkerPlugin, get_worker

from rnnexp import gpus
from rnnexp.cores import WORKER, available_cores
from rnnexp.execution.application_code import Code
from rnnexp.execution.dask_settings import GPU
from rnnexp.execution.executors import Place, Slot, import_modules
from rnnexp.execution.job_result import LostError
from rnnexp.execution.sent_files import FilesHere
from rnnexp.execution.surroundings import Surroundings, call_within
from rnnexp.machine import this_machine
from rnnexp.passwords import Sealed

T = TypeVar("T")


class StoppedError(Exception):
    """A call that was interrupted; Dask's worker would end with a KeyboardInterrupt."""


class TrialSlots(WorkerPlugin):
    """The slots of a sweep on one worker; Dask makes them on every worker, also on later ones.

    Args:
        name: The plugin's name, by which tasks find the slots of their sweep.
        resources: What a trial needs of the worker's resources.
        code: The application's modules.
        start: The folder that the sweep was started in.
    """

    def __init__(self, name: str, resources: Mapping[str, float], code: Code, start: str) -> None:
        self.name = name
        self._resources = dict(resources)
        self._code = code
        self._start = start

    def setup(self, worker: Worker) -> None:
        """Prepare the slots; a process starts with `warm_up`, or with its first call."""
        _let_this_process_have_children()
        self._lock = threading.Lock()
        self._worker = worker.address
        self._plugins = worker.plugins
        self._running: dict[str, tuple[Future[Any], Slot]] = {}
        self._stopped: set[str] = set()
        self._slots = [_LazySlot(number) for number in range(self._number(worker))]
        self._scratch = Path(worker.local_directory)
        self._modules = str(self._code.unpack(self._scratch))

    def _number(self, worker: Worker) -> int:
        number = int(worker.state.nthreads)
        if per_trial := self._resources.get(GPU):
            has = int(worker.state.total_resources.get(GPU, 0))  # not all workers have GPUs
            number = min(number, gpus.slots_of_gpus(has, per_trial))
        return max(1, number)

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """Kill the processes: the sweep has ended, or the worker ends."""
        with self._lock:
            for future, slot in self._running.values():
                slot.interrupt(at_once=True)  # a process that starts can't be killed yet
                slot.kill(future)
            for lazy in self._slots:
                if lazy.slot:
                    lazy.slot.shutdown(wait=False, cancel_futures=True)

    def run(
        self, key: str, neighbors: int, mark: str | None, fn: Callable[..., T], /, *args: Any
    ) -> T:
        """Call a function in a process that is free.

        Args:
            key: The key of Dask's task.
            neighbors: The number of slots of this machine, which share its cores.
            mark: A file in the sweep's folder; where it can't be seen, the function gets a scratch
                folder as ``sweep_dir``. None for a function that needs no folder.
            fn: The function.
            *args: Its arguments.

        Raises:
            BrokenExecutor: If the process has died.
            StoppedError: If the sweep has interrupted the call.
        """
        with _folder_of_job(mark, self._scratch / key) as folder:
            return self._run(key, neighbors, partial(fn, *args, **folder))

    def _run(self, key: str, neighbors: int, fn: Callable[[], T]) -> T:
        with self._lock:
            if key in self._stopped:
                raise StoppedError("the sweep is stopping")
            busy = [slot for _, slot in self._running.values()]
            free = next(lazy for lazy in self._slots if lazy.slot not in busy or not lazy.slot)
            slot, future = self._submit(free, neighbors, fn)
            self._running[key] = future, slot
        try:
            return future.result()
        except KeyboardInterrupt as error:
            raise StoppedError(str(error)) from None
        finally:
            with self._lock:
                del self._running[key]

    def warm_up(self, neighbors: int, modules: Sequence[str]) -> None:
        """Start the processes that have not started, and let them import modules meanwhile."""
        with self._lock:
            for lazy in [lazy for lazy in self._slots if not lazy.slot]:
                self._submit(lazy, neighbors, partial(import_modules, modules))

    def _submit(
        self, lazy: "_LazySlot", neighbors: int, fn: Callable[[], T]
    ) -> tuple[Slot, Future[T]]:
        lazy.slot = lazy.slot or Slot(self._place(lazy.number, neighbors))
        around = Surroundings(self._modules, self._start, self._places)
        return lazy.slot, lazy.slot.submit(call_within, around, fn)

    @property
    def _places(self) -> Mapping[str, str]:
        """The files that were sent to this machine, by their paths on the sweep's."""
        sent = self._plugins.get(files_of(self.name))
        return cast(FilesHere, sent).places if sent else {}

    def _place(self, slot: int, neighbors: int) -> Place:
        cores = available_cores()
        environment = {WORKER: f"{self._worker} {slot}"}
        if per_trial := self._resources.get(GPU):
            environment |= gpus.environment(gpus.gpus_of_slot(slot, per_trial, gpus.visible_gpus()))
        return Place(tuple(cores), max(1, len(cores) // neighbors), environment)

    def interrupt(self, keys: Sequence[str], *, at_once: bool) -> list[str]:
        """Stop the running calls; see `rnnexp.execution.executors.WorkerExecutor.interrupt`.

        Args:
            keys: The keys of all calls, of which those that are not running here never do.
            at_once: Whether to stop them at once.

        Returns:
            The keys of the running calls.
        """
        with self._lock:
            self._stopped.update(keys)
            for _, slot in self._running.values():
                slot.interrupt(at_once=at_once)
            return list(self._running)

    def kill(self, key: str) -> None:
        """Kill the process of a call, if the call runs here."""
        with self._lock:
            if key in self._running:
                future, slot = self._running[key]
                slot.kill(future)


@dataclass
class _LazySlot:
    number: int
    slot: Slot | None = field(default=None)


def files_of(name: str) -> str:
    """Return the name under which the files of a sweep are sent, by the name of its slots."""
    return f"{name}-files"


@contextmanager
def _folder_of_job(mark: str | None, scratch: Path) -> Iterator[dict[str, Path]]:
    """Give a job a scratch folder if this machine can't see the sweep's; removed with the block."""
    if mark is None or Path(mark).exists():
        yield {}
        return
    try:
        yield {"sweep_dir": scratch}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def run_in_slot(name: str, key: str, neighbors: int, mark: str | None, sealed: Sealed) -> Any:
    """Call a function in a slot of this worker: a task of Dask; see `TrialSlots.run`.

    Dask's worker logs the arguments of a task that fails, such as one whose process has died.
    """
    fn, args = sealed.content
    return slots_of(get_worker(), name).run(key, neighbors, mark, fn, *args)


def slots_of(worker: Worker, name: str) -> TrialSlots:
    """Return the slots of a sweep on a worker.

    Raises:
        LostError: If there are none, since the scheduler was started anew a moment ago.
    """
    if name not in worker.plugins:
        raise LostError(f"{worker.address} has no slots of {name}")
    return cast(TrialSlots, worker.plugins[name])


def interrupt_slots(
    name: str, keys: Sequence[str], *, at_once: bool, dask_worker: Worker
) -> list[str]:
    """Stop the running calls of a sweep on a worker; see `TrialSlots.interrupt`."""
    return slots_of(dask_worker, name).interrupt(keys, at_once=at_once)


def warm_up_slots(
    name: str, neighbors: int, modules: Sequence[str], *, dask_worker: Worker
) -> None:
    """Start the processes of a sweep on a worker; see `TrialSlots.warm_up`."""
    slots_of(dask_worker, name).warm_up(neighbors, modules)


def kill_call(name: str, key: str, *, dask_worker: Worker) -> None:
    """Kill the process of a call, if the call runs on this worker."""
    slots_of(dask_worker, name).kill(key)


def look_for(paths: Sequence[str], sweep: tuple[str, float]) -> tuple[str, list[str]]:
    """Look for files on this machine.

    Args:
        paths: The files.
        sweep: The sweep's machine.

    Returns:
        This machine's name, and the files that are not there; empty on the sweep's machine.
    """
    here = this_machine()
    if here == tuple(sweep):
        return "", []
    return here[0], [path for path in paths if not Path(path).exists()]


def _let_this_process_have_children() -> None:
    """Let a worker start processes, which its nanny forbids it by making it a daemon.

    Dask's setting ``distributed.worker.daemon`` does the same for workers that are yet to start.
    The processes end with the worker, see `rnnexp.execution.executors`.
    """
    vars(multiprocessing.current_process())["_config"]["daemon"] = False
