"""PEP 3148 executors behind the launchers: where a function runs.

    sweep's process                              one warm process a slot
    submit(function) -> least loaded slot ---->  runs one call after the other
              Future <-------------------------  its result, or its exception

A slot is a process pool of its own with one worker, so that a worker that dies takes its own
call with it and no other; the next call to its slot starts a new one.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any, ParamSpec, TypeVar

from rnnexp.cores import available_cores
from rnnexp.execution import interrupt

P = ParamSpec("P")
T = TypeVar("T")


class InProcessExecutor(Executor):
    """Runs a call at once, in this process: for tests and debugging."""

    def __init__(self, max_workers: int = 1) -> None:
        """Take what every executor takes; a call runs at once, however many there may be."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call ``fn``; the future that is returned has ended."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except (Exception, KeyboardInterrupt) as error:  # as from a worker
            future.set_exception(error)
        return future


class WorkerExecutor(Executor):
    """Warm worker processes, each with its own share of the cores.

    Args:
        max_workers: How many; each has as equal a share of the cores as there can be.
        max_tasks_per_worker: A worker is replaced after so many calls, since TensorFlow
            doesn't give all memory back.
        threads: How many TensorFlow has in each; None for one a core of its share.
    """

    def __init__(
        self, max_workers: int, max_tasks_per_worker: int = 100, threads: int | None = None
    ) -> None:
        cores = available_cores()
        shares = [cores[number::max_workers] or cores for number in range(max_workers)]
        self._slots = [
            _Slot(share[:threads], threads or len(share), max_tasks_per_worker) for share in shares
        ]

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` in the least loaded worker.

        Raises:
            BrokenExecutor: From the future, if the worker died.
        """
        slot = min(self._slots, key=lambda slot: slot.load)
        return slot.submit(fn, *args, **kwargs)

    def interrupt(self, *, at_once: bool) -> None:
        """Let the calls that are running end.

        Args:
            at_once: Whether by a KeyboardInterrupt, wherever they are; else when they next
                look at `rnnexp.execution.interrupt`.
        """
        for slot in self._slots:
            slot.interrupt(signal.SIGINT if at_once else signal.SIGTERM)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, after the calls that are running."""
        for slot in self._slots:
            slot.shutdown(wait, cancel_futures)


class _Slot:
    def __init__(self, cores: Sequence[int], threads: int, max_tasks: int) -> None:
        self._cores = cores
        self._threads = threads
        self._max_tasks = max_tasks
        self._tasks = 0
        self._running: list[Future[Any]] = []
        self._pool: ProcessPoolExecutor | None = None
        self._pid: Future[int] | None = None

    @property
    def load(self) -> int:
        self._running = [future for future in self._running if not future.done()]
        return len(self._running)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        used_up = self._tasks >= self._max_tasks
        pool = self._start() if self._pool is None or used_up else self._pool
        try:
            future = pool.submit(_interruptible, fn, *args, **kwargs)
        except BrokenExecutor:
            future = self._start().submit(_interruptible, fn, *args, **kwargs)
        self._tasks += 1
        self._running.append(future)
        return future

    def _start(self) -> ProcessPoolExecutor:
        self.shutdown(wait=False, cancel_futures=False)
        self._tasks = 0
        self._pool = ProcessPoolExecutor(
            max_workers=1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(tuple(self._cores), self._threads),
        )
        self._pid = self._pool.submit(os.getpid)
        return self._pool

    def interrupt(self, number: signal.Signals) -> None:
        if self.load and self._pid and not self._pid.exception():
            os.kill(self._pid.result(), number)

    def shutdown(self, wait: bool, cancel_futures: bool) -> None:
        if self._pool:
            self._pool.shutdown(wait, cancel_futures=cancel_futures)


def _begin(cores: Sequence[int], threads: int) -> None:
    """What a worker does first, before anything imports TensorFlow."""
    # TensorFlow sizes its thread pools by the cores that it may use, or by these.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
    # Ctrl-C is the sweep's to handle; a group of its own keeps the terminal's from coming here.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: interrupt.request())
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        wait([parent.sentinel])
        os._exit(1)


def _interruptible(fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Let `WorkerExecutor.interrupt` reach a call, but not an idle worker."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return fn(*args, **kwargs)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
