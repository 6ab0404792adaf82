"""PEP 3148 executors behind the launchers: they decide in which process a function runs.

    sweep's process                              one warm process a slot
    submit(function) -> least loaded slot ---->  runs one call after the other
              Future <-------------------------  its result, or its exception

A slot is a process pool with a single worker, so that a worker that dies takes no call with it but
its own; the next call to the slot starts a new worker.
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
from rnnexp.library_defaults import set_library_defaults

P = ParamSpec("P")
T = TypeVar("T")


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
        threads: The number of TensorFlow's threads in a worker; None for one a core of its share.
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

        Returns:
            The future of the call; it raises BrokenExecutor if the worker dies.
        """
        slot = min(self._slots, key=lambda slot: slot.load)
        return slot.submit(fn, *args, **kwargs)

    def interrupt(self, *, at_once: bool) -> None:
        """Stop the running calls.

        Args:
            at_once: Whether to raise KeyboardInterrupt in them; else a call ends when it next
                reads `rnnexp.execution.interrupt`.
        """
        for slot in self._slots:
            slot.interrupt(signal.SIGINT if at_once else signal.SIGTERM)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers, after the running calls."""
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
    """Set up a worker process, before anything imports TensorFlow."""
    # TensorFlow sizes its thread pools by its cores, or by these variables.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        os.environ[name] = str(threads)
    set_library_defaults()
    # The sweep handles Ctrl-C; in a process group of its own a worker gets none from the terminal.
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
    """Call a function that `WorkerExecutor.interrupt` can stop; an idle worker ignores it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return fn(*args, **kwargs)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
