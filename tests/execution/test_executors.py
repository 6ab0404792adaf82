"""Worker processes for real: begun, shared out, killed and ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest

from rnnexp.cores import available_cores
from rnnexp.execution.executors import InProcessExecutor, WorkerExecutor


@pytest.fixture(scope="module")
def workers() -> Iterator[WorkerExecutor]:
    with WorkerExecutor(2) as executor:
        yield executor


def fail() -> None:
    raise ValueError("no")


def cores_and_threads() -> tuple[list[int], str]:
    return available_cores(), os.environ["TF_NUM_INTRAOP_THREADS"]


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
    deadline = time.monotonic() + 10
    while _lives(worker) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _lives(worker)


def _lives(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
