"""Worker processes for real: begun, shared out, killed and ended."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future
from pathlib import Path

import pytest

from rnnexp.cores import available_cores
from rnnexp.execution import interrupt
from rnnexp.execution.executors import InProcessExecutor, WorkerExecutor
from tests.helpers.processes import wait_until


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerExecutor]:
    with WorkerExecutor(2) as executor:
        yield executor


def fail() -> None:
    raise ValueError("no")


def cores_and_threads() -> tuple[list[int], str]:
    return available_cores(), os.environ["TF_NUM_INTRAOP_THREADS"]


def both_imported() -> tuple[bool, bool]:
    time.sleep(0.2)
    return is_imported("wave"), is_imported("colorsys")


def is_imported(module: str) -> bool:
    return module in sys.modules


def test_a_worker_starts_and_imports_modules_before_its_first_call() -> None:
    with WorkerExecutor(1, max_tasks_per_worker=1) as executor:
        assert not executor.submit(is_imported, "wave").result()
    with WorkerExecutor(1, max_tasks_per_worker=1) as executor:
        executor.warm_up(["no_such_module", "wave"])
        assert executor.submit(is_imported, "wave").result()


def test_workers_import_more_between_their_calls() -> None:
    with WorkerExecutor(2) as executor:
        executor.warm_up(["wave"], most=1)
        sleeps = executor.submit(time.sleep, 0.5)
        executor.warm_up(["colorsys"])  # the other worker, since the first has a call
        calls = [executor.submit(both_imported) for _ in range(2)]
        assert sorted(call.result() for call in calls) == [(False, True), (True, False)]
        sleeps.result()
        executor.warm_up(["wave", "colorsys"])
        calls = [executor.submit(both_imported) for _ in range(2)]
        assert [call.result() for call in calls] == 2 * [(True, True)]


def test_in_process() -> None:
    executor = InProcessExecutor()
    assert executor.submit(os.getpid).result() == os.getpid()
    with pytest.raises(ValueError, match="no"):
        executor.submit(fail).result()


def test_two_calls_run_in_two_processes_that_stay(workers: WorkerExecutor) -> None:
    first = [workers.submit(time.sleep, 0.2) for _ in range(2)]
    pids = {workers.submit(os.getpid).result() for _ in range(6)}
    for future in first:
        future.result()
    assert len(pids) <= 2
    assert os.getpid() not in pids
    with pytest.raises(ValueError, match="no"):
        workers.submit(fail).result()
    assert workers.submit(os.getpid).result() in pids


def test_a_worker_with_more_threads_than_there_are_cores() -> None:
    cores = available_cores()
    with WorkerExecutor(1, threads=len(cores) + 1) as executor:
        found = executor.submit(cores_and_threads).result()
    assert found == (cores, str(len(cores) + 1))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can't be assigned here")
def test_a_worker_with_a_thread_has_a_core() -> None:
    with WorkerExecutor(1, threads=1) as executor:
        cores, threads = executor.submit(cores_and_threads).result()
    assert (len(cores), threads) == (1, "1")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores can't be assigned here")
def test_workers_share_the_cores(workers: WorkerExecutor) -> None:
    blocked = workers.submit(time.sleep, 0.5)
    shares = [workers.submit(cores_and_threads), workers.submit(cores_and_threads)]
    blocked.result()
    cores = available_cores()
    for future in shares:
        share, threads = future.result()
        assert set(share) <= set(cores)
        assert len(share) == max(1, len(cores) // 2)
        assert threads == str(len(share))


def test_a_worker_that_dies_takes_only_its_own_call(workers: WorkerExecutor) -> None:
    other = workers.submit(time.sleep, 1)
    killed = workers.submit(os.kill, 0, signal.SIGKILL)  # its own process group
    with pytest.raises(BrokenExecutor):
        killed.result(timeout=30)
    assert other.result(timeout=30) is None
    pids = {workers.submit(os.getpid).result(timeout=30) for _ in range(4)}
    assert pids


def test_a_call_can_be_interrupted_and_an_idle_worker_lives_on(workers: WorkerExecutor) -> None:
    pid = workers.submit(os.getpid).result()
    sleeping = [workers.submit(time.sleep, 60) for _ in range(2)]
    time.sleep(0.5)
    workers.interrupt(at_once=True)
    for future in sleeping:
        assert isinstance(future.exception(timeout=30), KeyboardInterrupt)
    workers.interrupt(at_once=True)  # nobody is busy
    assert pid in {workers.submit(os.getpid).result(timeout=30) for _ in range(4)}


def wait_for_the_end(flag: str) -> bool:
    """A call that ends when it is asked to, as `report` does; it leaves a file when it begins."""
    Path(flag).touch()
    while not interrupt.is_requested():
        time.sleep(0.02)
    return True


def begun(executor: WorkerExecutor, flag: Path) -> Future[bool]:
    future = executor.submit(wait_for_the_end, str(flag))
    while not flag.exists():
        time.sleep(0.02)
    return future


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_dies_of_a_signal_that_the_sweep_has_not_announced(
    tmp_path: Path, number: signal.Signals
) -> None:
    with WorkerExecutor(1) as executor:
        pid = executor.submit(os.getpid).result()
        future = begun(executor, tmp_path / "a")
        os.kill(pid, number)
        with pytest.raises(BrokenExecutor):
            future.result(timeout=30)
        assert executor.submit(os.getpid).result() != pid
        future = begun(executor, tmp_path / "b")  # the new worker is not interrupted
        time.sleep(0.2)
        assert not future.done()
        executor.interrupt(at_once=False)
        assert future.result(timeout=30)


def test_a_signal_to_all_processes_of_a_sweep_lets_a_call_end_as_it_is_asked_to(
    tmp_path: Path,
) -> None:
    with WorkerExecutor(1) as executor:
        pid = executor.submit(os.getpid).result()
        future = begun(executor, tmp_path / "a")
        os.kill(pid, signal.SIGTERM)  # the worker gets it first
        time.sleep(0.3)
        executor.interrupt(at_once=False)
        assert future.result(timeout=30)
        assert executor.submit(os.getpid).result() == pid


@pytest.mark.parametrize("at_once", [True, False])
def test_a_call_that_was_submitted_before_the_request_does_not_begin(at_once: bool) -> None:
    with WorkerExecutor(1) as executor:
        first = executor.submit(time.sleep, 60 if at_once else 1)  # its worker has yet to start
        second = executor.submit(os.getpid)
        executor.interrupt(at_once=at_once)
        for future in (first, second):
            assert isinstance(future.exception(timeout=30), KeyboardInterrupt)
        assert executor.submit(os.getpid).result(timeout=30) != os.getpid()


def hang() -> None:
    """Hang in C, where no signal is handled."""
    ctypes.PyDLL(None).sleep(600)


def test_a_call_that_hangs_is_killed(tmp_path: Path) -> None:
    with WorkerExecutor(2) as executor:
        pid = executor.submit(os.getpid).result()
        hanging, other = executor.submit(hang), begun(executor, tmp_path / "a")
        executor.kill(hanging)
        with pytest.raises(BrokenExecutor):
            hanging.result(timeout=30)
        assert not other.done()
        executor.kill(hanging)  # no longer there
        executor.interrupt(at_once=False)
        assert other.result(timeout=30)
        wait_until(lambda: not _lives(pid))


def test_a_worker_is_replaced_after_its_share_of_calls() -> None:
    with WorkerExecutor(1, max_tasks_per_worker=2) as executor:
        pids = [executor.submit(os.getpid).result() for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from rnnexp.execution.executors import WorkerExecutor\n"
        "if __name__ == '__main__':\n"
        "    executor = WorkerExecutor(1)\n"
        "    print(executor.submit(os.getpid).result(), flush=True)\n"
        "    executor.submit(time.sleep, 600)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not _lives(worker))


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
