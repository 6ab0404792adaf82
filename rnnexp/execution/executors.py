"""PEP 3148 executors behind the launchers: they decide in which process a function runs.

    sweep's process                              one warm process a slot
    submit(function) -> least loaded slot ---->  runs one call after the other
              Future <-------------------------  its result, or its exception

A slot is a process pool with a single worker, so that a worker that dies takes no call with it but
its own; the next call to the slot starts a new worker.

A worker ends its call when the sweep asks for it, see `rnnexp.execution.interrupt`. Any other
signal to end, such as a SIGTERM of the system when memory runs out, ends the worker.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import wait
from typing import Any, ParamSpec, TypeVar

from rnnexp import gpus
from rnnexp.cores import WORKER, available_cores
from rnnexp.execution import interrupt
from rnnexp.library_defaults import set_library_defaults
from rnnexp.quick_imports import quick_imports

P = ParamSpec("P")
T = TypeVar("T")

# Seconds for which a worker that gets a signal waits for the sweep's request: a scheduler may send
# the signal to all processes of a sweep at the same moment.
ANNOUNCEMENT = 2.0


class InProcessExecutor(Executor):
    """Run a call at once, in this process: for tests and debugging."""

    def __init__(self, max_workers: int = 1) -> None:
        """Accept the argument of every executor; a call runs at once, whatever it is."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn``.

        Returns:
            A future that is done.
        """
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except (Exception, KeyboardInterrupt) as error:  # as from a worker
            future.set_exception(error)
        return future


class WorkerExecutor(Executor):
    """Warm worker processes, each with its own share of the cores.

    Args:
        max_workers: The number of workers, which share the cores as equally as possible.
        max_tasks_per_worker: The number of calls after which a worker is replaced, since
            TensorFlow doesn't free all memory.
        threads: The number of the backend's threads in a worker; None for one a core of its share.
        gpus_per_trial: Where there are GPUs, how many a worker sees, or the share of one; 0 for
            none.
    """

    def __init__(
        self,
        max_workers: int,
        max_tasks_per_worker: int = 100,
        threads: int | None = None,
        gpus_per_trial: float = 1.0,
    ) -> None:
        cores, found = available_cores(), gpus.visible_gpus()
        self._slots = []
        for number in range(max_workers):
            share = cores[number::max_workers] or cores
            own = gpus.gpus_of_slot(number, gpus_per_trial, found) if gpus_per_trial else []
            place = Place(
                tuple(share[:threads]),
                threads or len(share),
                {WORKER: str(number), **(gpus.environment(own) if found else {})},
            )
            self._slots.append(Slot(place, max_tasks_per_worker))

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` in the least loaded worker.

        Returns:
            The future of the call; it raises BrokenExecutor if the worker dies.
        """
        slot = min(self._slots, key=lambda slot: slot.load)
        return slot.submit(fn, *args, **kwargs)

    def warm_up(self, modules: Sequence[str], most: int | None = None) -> None:
        """Let workers without a call import modules; those that have not started start.

        Args:
            modules: What the calls will import; one that can't be imported is ignored.
            most: The number of workers at most; None for all.
        """
        for slot in [slot for slot in self._slots if not slot.load][:most]:
            slot.warm_up(modules)

    def interrupt(self, *, at_once: bool) -> None:
        """Stop the running calls.

        Args:
            at_once: Whether to raise KeyboardInterrupt in them; else a call ends when it next
                reads `rnnexp.execution.interrupt`.
        """
        for slot in self._slots:
            slot.interrupt(at_once=at_once)

    def kill(self, future: Future[Any]) -> None:
        """Kill the worker that runs a call, so that the call's future raises BrokenExecutor."""
        for slot in self._slots:
            slot.kill(future)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, after the running calls."""
        for slot in self._slots:
            slot.shutdown(wait, cancel_futures)


@dataclass(frozen=True)
class Place:
    """What of its machine a worker process may use.

    Attributes:
        cores: The numbers of the cores.
        threads: The number of the backend's threads.
        environment: Environment variables, such as that of the GPUs that the process sees.
    """

    cores: tuple[int, ...]
    threads: int
    environment: Mapping[str, str] = field(default_factory=dict)


class Slot:
    """A worker process that runs one call after the other, and is replaced if it dies.

    Args:
        place: What of its machine the process may use.
        max_tasks: The number of calls after which the process is replaced.
    """

    def __init__(self, place: Place, max_tasks: int = 100) -> None:
        self._place = place
        self._max_tasks = max_tasks
        self._calls = 0  # of all workers of this slot
        self._last_call = 0  # after which the worker is replaced
        self._running: list[Future[Any]] = []
        self._pool: ProcessPoolExecutor | None = None
        self._context = multiprocessing.get_context("spawn")
        self._asked: MutableSequence[int] = self._context.RawArray("q", 3)

    @property
    def load(self) -> int:
        """The number of calls that run or wait."""
        self._running = [future for future in self._running if not future.done()]
        return len(self._running)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run ``fn`` after the earlier calls.

        Returns:
            The future of the call; it raises BrokenExecutor if the process dies.
        """
        used_up = self._calls >= self._last_call
        pool = self._start() if self._pool is None or used_up else self._pool
        self._calls += 1
        future = self._submit(pool, _interruptible, self._calls, fn, *args, **kwargs)
        self._running.append(future)
        return future

    def warm_up(self, modules: Sequence[str]) -> None:
        """Start the process, if there is none, and let it import modules before its next call."""
        self._submit(self._pool or self._start(), import_modules, modules)

    def _submit(
        self, pool: ProcessPoolExecutor, fn: Callable[..., T], *args: Any, **kwargs: Any
    ) -> Future[T]:
        try:
            return pool.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            return self._start().submit(fn, *args, **kwargs)

    def _start(self) -> ProcessPoolExecutor:
        self.shutdown(wait=False, cancel_futures=False)
        self._last_call = self._calls + self._max_tasks
        self._asked[interrupt.PID] = 0
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=self._context,
            initializer=_begin,
            initargs=(self._place, self._asked),
        )
        return self._pool

    def interrupt(self, *, at_once: bool) -> None:
        """Stop the running call; see `WorkerExecutor.interrupt`."""
        self._asked[interrupt.AFTER_EPOCH] = self._calls
        if at_once:
            self._asked[interrupt.AT_ONCE] = self._calls
            self._signal(signal.SIGINT)

    def kill(self, future: Future[Any]) -> None:
        """Kill the process, if it runs a call."""
        if future in self._running:
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        pid = self._asked[interrupt.PID]  # 0 while the worker starts, which reads requests later
        if self.load and pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def shutdown(self, wait: bool, cancel_futures: bool) -> None:
        """End the process, after the running call."""
        if self._pool:
            self._pool.shutdown(wait, cancel_futures=cancel_futures)


def _begin(place: Place, asked: MutableSequence[int]) -> None:
    """Set up a worker process, before anything imports TensorFlow or JAX."""
    # Both size their thread pools by the process's cores, or by these variables: NPROC is JAX's.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, place.cores)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "NPROC"):
        os.environ[name] = str(place.threads)
    os.environ.update(place.environment)
    set_library_defaults()
    interrupt.listen(asked)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
    # The sweep handles Ctrl-C; in a process group of its own a worker gets none from the terminal.
    os.setpgrp()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    atexit.register(_exit_at_once)  # as the first, so that it is called last
    asked[interrupt.PID] = os.getpid()


def import_modules(modules: Sequence[str]) -> None:
    """Import modules, so that a later call finds them; one that can't be imported is ignored."""
    with quick_imports():
        for module in modules:
            with contextlib.suppress(Exception):  # whatever the module raises, its call does again
                import_module(module)


def _on_signal(number: int, frame: object) -> None:  # noqa: ARG001
    """Obey the sweep; end this process on a signal that the sweep has not announced."""
    deadline = time.monotonic() + ANNOUNCEMENT
    while not interrupt.is_announced(at_once=False):
        if time.monotonic() >= deadline:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        time.sleep(0.02)
    is_stop = number == signal.SIGINT and interrupt.is_announced(at_once=True)
    if is_stop and interrupt.is_busy():
        raise KeyboardInterrupt


def _exit_at_once() -> None:
    """End this process without freeing TensorFlow's objects one by one, which takes a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)


def _interruptible(number: int, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call a function as the call with a number, which `WorkerExecutor.interrupt` can end."""
    with interrupt.call(number):
        return fn(*args, **kwargs)
