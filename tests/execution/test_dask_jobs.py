"""Jobs on a Dask cluster of real processes: shared out, killed, interrupted, lost."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client
from hydra.types import HydraContext
from omegaconf import OmegaConf

from rnnexp.execution.dask_jobs import DaskJobs
from rnnexp.execution.dask_settings import DaskSettings
from rnnexp.execution.dask_slots import run_in_slot
from rnnexp.execution.hydra_job import Common
from rnnexp.execution.job_result import LostError
from rnnexp.passwords import Sealed
from tests.helpers.calls import SECONDS, Unreadable, die, hang, report, where
from tests.helpers.dask_cluster import DaskCluster, dask_cluster
from tests.helpers.processes import wait_until


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), "a", "b") as cluster:
        yield cluster


@pytest.fixture
def jobs(cluster: DaskCluster) -> Iterator[DaskJobs]:
    with jobs_on(cluster.address) as jobs:
        assert jobs.problems() == []
        wait_until(lambda: jobs.n_jobs == 2)
        yield jobs


def jobs_on(address: str | None, **settings: Any) -> DaskJobs:
    context = HydraContext(config_loader=None, callbacks=None)  # type: ignore[arg-type]
    common = Common(context, OmegaConf.create(), lambda config: config)
    return DaskJobs(DaskSettings(address=address, **settings), common)


def is_trial(process: psutil.Process) -> bool:
    return "spawn_main" in str(process.cmdline())


def begun(jobs: DaskJobs, function: Callable[[str], Any], file: Path) -> Future[Any]:
    future = jobs.call(function, str(file))
    wait_until(file.exists)
    return future


def test_a_call_has_a_process_of_its_own_which_stays_warm(
    cluster: DaskCluster, jobs: DaskJobs
) -> None:
    first = [jobs.call(where).result(SECONDS) for _ in range(1)]
    both = [future.result(SECONDS) for future in [jobs.call(where), jobs.call(where)]]
    assert len({pid for pid, _, _ in both}) == 2
    assert first[0][0] in {pid for pid, _, _ in both}
    assert {parent for _, parent, _ in both} == {p.pid for p in cluster.workers.values()}
    assert {environment["TF_NUM_INTRAOP_THREADS"] for *_, environment in both} == {
        str(max(1, len(os.sched_getaffinity(0)) // 2))
    }


def processes(cluster: DaskCluster) -> set[int]:
    """The processes of the slots."""
    workers = [psutil.Process(worker.pid) for worker in cluster.workers.values()]
    started = [child for worker in workers for child in worker.children(recursive=True)]
    return {child.pid for child in started if is_trial(child)}


def test_processes_start_before_the_first_call(cluster: DaskCluster, jobs: DaskJobs) -> None:
    wait_until(lambda: not processes(cluster))  # those of another test have ended
    jobs.warm_up(["wave"])
    wait_until(lambda: len(processes(cluster)) == 2)
    assert jobs.call(where).result(SECONDS)[0] in processes(cluster)


def test_an_error_is_that_of_the_function(jobs: DaskJobs) -> None:
    error = jobs.call(int, "no number").exception(SECONDS)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("error", "expected"), [(ConnectionError("lost"), LostError), (ValueError("bad"), ValueError)]
)
def test_a_result_that_does_not_arrive_ends_the_call(
    jobs: DaskJobs, error: Exception, expected: type[Exception]
) -> None:
    """The scheduler may die when a call has ended and its result is on its way."""
    future = jobs.call(Unreadable, error, os.getpid())
    assert isinstance(future.exception(SECONDS), expected)
    assert jobs.call(where).result(SECONDS)


def test_a_process_that_dies_takes_no_other_call_with_it(jobs: DaskJobs, tmp_path: Path) -> None:
    other = jobs.call(where)
    assert isinstance(jobs.call(die, str(tmp_path / "died")).exception(SECONDS), BrokenExecutor)
    assert other.result(SECONDS)
    assert jobs.call(die, str(tmp_path / "died")).result(SECONDS) == "alive"


def test_a_call_that_hangs_can_be_killed(jobs: DaskJobs, tmp_path: Path) -> None:
    future = begun(jobs, hang, tmp_path / "begun")
    jobs.kill(future)
    assert isinstance(future.exception(SECONDS), BrokenExecutor)


def test_running_calls_end_after_their_epoch_and_others_do_not_begin(
    jobs: DaskJobs, tmp_path: Path
) -> None:
    running = [begun(jobs, report, tmp_path / name) for name in "ab"]
    waiting = jobs.call(hang, str(tmp_path / "never"))
    jobs.interrupt(at_once=False)
    assert [future.result(SECONDS) for future in running] == ["stopped after its epoch"] * 2
    assert isinstance(waiting.exception(SECONDS), KeyboardInterrupt)
    assert not (tmp_path / "never").exists()


def test_running_calls_end_at_once(jobs: DaskJobs, tmp_path: Path) -> None:
    future = begun(jobs, hang, tmp_path / "begun")
    jobs.interrupt(at_once=True)
    assert isinstance(future.exception(SECONDS), KeyboardInterrupt)


def test_a_process_that_starts_ends_with_its_sweep(cluster: DaskCluster, tmp_path: Path) -> None:
    workers = [psutil.Process(worker.pid) for worker in cluster.workers.values()]
    with jobs_on(cluster.address) as jobs:
        assert jobs.problems() == []
        jobs.call(hang, str(tmp_path / "begun"))
        wait_until(lambda: any(is_trial(each) for worker in workers for each in worker.children()))
        children = [each for worker in workers for each in worker.children() if is_trial(each)]
    assert psutil.wait_procs(children, SECONDS / 2)[1] == []


def test_a_scheduler_that_knows_no_slots(cluster: DaskCluster) -> None:
    """A call may reach a scheduler that was started anew before the slots do."""
    with Client(cluster.address, set_as_default=False) as client:
        task = client.submit(run_in_slot, "rnnexp-unknown", "key", 1, None, Sealed((where, ())))
        assert isinstance(task.exception(SECONDS), LostError)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_call_of_a_worker_that_dies_runs_on_another_worker(
    number: signal.Signals, tmp_path: Path
) -> None:
    with dask_cluster(tmp_path, "a") as cluster, jobs_on(cluster.address) as jobs:
        assert jobs.problems() == []
        future = begun(jobs, hang, tmp_path / "begun")
        (tmp_path / "begun").unlink()
        cluster.kill_worker("a", number)
        assert jobs.n_jobs == 1
        cluster.start_worker("b")
        cluster.start_worker("c")
        wait_until((tmp_path / "begun").exists)
        wait_until(lambda: jobs.n_jobs == 2)
        jobs.kill(future)
        assert isinstance(future.exception(SECONDS), BrokenExecutor)


@pytest.mark.slow
def test_a_scheduler_that_is_started_anew(tmp_path: Path) -> None:
    with (
        dask_cluster(tmp_path, "a") as cluster,
        jobs_on(cluster.address) as jobs,
        ThreadPoolExecutor() as threads,
    ):
        assert jobs.problems() == []
        future = begun(jobs, hang, tmp_path / "begun")
        cluster.kill_scheduler()
        assert isinstance(future.exception(SECONDS), LostError)
        early = threads.submit(jobs.call, where)
        time.sleep(12)  # longer than Dask's client tries to connect again
        cluster.start_scheduler()
        cluster.start_worker("a")
        assert early.result(SECONDS).result(SECONDS)
        assert jobs.call(where).result(SECONDS)


def test_workers_that_are_started_here_inherit_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGPASSWORD", "of the sweep")
    with jobs_on(None, local_workers=1) as jobs:
        assert jobs.problems() == []
        assert jobs.call(os.getenv, "PGPASSWORD").result(SECONDS) == "of the sweep"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"address": None}, "give the address of a scheduler"),
        ({"address": "tcp://127.0.0.1:1", "local_workers": 2}, "give the address of a scheduler"),
        ({"address": None, "local_workers": 0}, "local_workers=0: must be at least 1"),
        (
            {"address": "tcp://127.0.0.1:1", "backup": {"seconds": -1.0, "megabytes": 5.0}},
            "hydra.launcher.backup.seconds=-1.0: must be a number, at least 0",
        ),
        ({"address": "tcp://127.0.0.1:1"}, "no scheduler of Dask answers there"),
        ({"address": "nonsense://x"}, "no scheduler of Dask answers there"),
        ({"address": None, "local_workers": 1, "resources": {"GPU": 1.5}}, "a share of one"),
    ],
)
def test_bad_settings(settings: dict[str, Any], problem: str) -> None:
    with jobs_on(**settings) as jobs:
        (found,) = jobs.problems()
    assert problem in found


def test_no_worker_has_the_resources(cluster: DaskCluster) -> None:
    with jobs_on(cluster.address, resources={"GPU": 1.0}) as jobs:
        (found,) = jobs.problems()
    assert "resources={'GPU': 1.0}: no worker has them, the workers have none" in found


def test_each_call_sees_its_own_gpu(tmp_path: Path) -> None:
    with dask_cluster(tmp_path) as cluster:
        options = "--resources", "GPU=2", "--nthreads", "3"
        cluster.start_worker("a", *options, CUDA_VISIBLE_DEVICES="4,7")
        with jobs_on(cluster.address, resources={"GPU": 1.0}) as jobs:
            assert jobs.problems() == []
            assert jobs.n_jobs == 2
            calls = [jobs.call(where) for _ in range(2)]
            seen = [call.result(SECONDS)[2] for call in calls]
    assert {environment["CUDA_VISIBLE_DEVICES"] for environment in seen} == {"4", "7"}


def test_workers_of_one_machine_with_gpus_of_their_own(tmp_path: Path) -> None:
    with dask_cluster(tmp_path) as cluster:
        for name, gpu in (("a", "0"), ("b", "1")):
            options = "--resources", "GPU=1", "--nthreads", "1"
            cluster.start_worker(name, *options, CUDA_VISIBLE_DEVICES=gpu)
        cluster.wait_for_workers()
        with jobs_on(cluster.address, resources={"GPU": 1.0}) as jobs:
            assert jobs.problems() == []


def test_memory_of_a_gpu_is_taken_as_needed_also_without_resources(cluster: DaskCluster) -> None:
    with jobs_on(cluster.address) as jobs:
        assert jobs.problems() == []
        environment = jobs.call(where).result(SECONDS)[2]
    assert environment["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert environment["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
