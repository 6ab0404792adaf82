"""Sweeps on a Dask cluster of real processes, which are killed: nothing is lost or doubled."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import optuna
import psutil
import pytest

from rnnexp.storage.schema import StudyAttrs
from rnnexp.sweep.audit import audit
from tests.helpers.cluster_parts import ClusterParts, cluster_parts
from tests.helpers.commands import EAGER, ROOT, TINY, Command
from tests.helpers.dask_cluster import DaskCluster, dask_cluster
from tests.helpers.processes import wait_until
from tests.test_faults import APP as SLOW_APP
from tests.test_faults import (  # noqa: F401
    OnServer,
    Start,
    assert_all_accounted_for,
    load_study,
    start,
    wait_for_a_trial,
)
from tests.test_pausing_faults import APP, assert_nothing_lost_or_doubled

pytestmark = pytest.mark.slow
LIMIT = 300


def on(cluster: DaskCluster) -> tuple[str, str]:
    return "hydra/launcher=dask", f"hydra.launcher.address={cluster.address}"


def alive(cluster: DaskCluster) -> set[int]:
    """The process ids of the trials' processes; a worker keeps its tracker of resources."""
    workers = [psutil.Process(process.pid) for process in cluster.workers.values()]
    found = set()
    for child in [each for worker in workers for each in worker.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            if "spawn_main" in str(child.cmdline()):
                found.add(child.pid)
    return found


def test_the_project_trains_on_a_cluster(
    command: Command, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with dask_cluster(tmp_path_factory.mktemp("dask"), "a", "b") as cluster:
        before = alive(cluster)
        ended = command(
            "-m", *on(cluster), *TINY, EAGER, "hydra.sweeper.study_name=s",
            "hydra.sweeper.n_trials=3", "hydra.sweeper.pausing=null",
        )  # fmt: skip
        assert ended.code == 0, ended.err
        deadline = time.monotonic() + 30
        while alive(cluster) != before and time.monotonic() < deadline:
            time.sleep(0.1)
        assert alive(cluster) == before  # the trials' processes have ended with the sweep
    assert list(map(str, audit(ended.study("s"), ended.client))) == []
    assert all((ended.path / "multirun/s" / str(n) / "sweep.log").exists() for n in range(3))


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask"), "a", "b") as cluster:
        yield cluster


@pytest.fixture
def sweep(start: Start, tmp_path: Path, cluster: DaskCluster) -> "subprocess.Popen[str]":  # noqa: F811
    """A sweep on the cluster, of which trials have begun."""
    process = start(*on(cluster), "hydra.sweeper.study_name=s", command=APP)
    wait_for_a_trial(tmp_path, process)
    return process


def assert_it_ends_well(sweep: "subprocess.Popen[str]", folder: Path) -> None:
    try:
        out, _ = sweep.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        sweep.send_signal(signal.SIGABRT)  # Python says where each thread is
        pytest.fail(f"the sweep has not ended: {sweep.communicate()[0]}")
    assert sweep.returncode == 0, out
    assert_nothing_lost_or_doubled(folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_workers_die_and_others_join(
    cluster: DaskCluster,
    sweep: "subprocess.Popen[str]",
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    for old, new in (("a", "c"), ("b", "d")):
        time.sleep(2)
        cluster.kill_worker(old, number)
        cluster.start_worker(new)
    assert_it_ends_well(sweep, tmp_path)


def test_a_job_that_dies_before_it_stores_its_run_goes_on_in_that_run(
    command: Command, cluster: DaskCluster, tmp_path: Path
) -> None:
    """Dask gives the job to another worker, and the sweep learns nothing of it."""
    ended = command(
        "-m", *on(cluster), f"+mark={tmp_path / 'mark'}", "hydra.sweeper.study_name=s",
        "hydra.sweeper.n_trials=2", "hydra.sweeper.tracking.experiment=rnnexp", tiny=False,
        path=tmp_path, script=ROOT / "tests" / "helpers" / "dying_app.py",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert (tmp_path / "mark").exists()
    _, *runs = ended.runs()
    assert [run.data.tags["trial"] for run in runs] == ["0", "1"]
    assert sorted(run.data.tags.get("attempt", "0") for run in runs) == ["0", "1"]
    assert list(map(str, audit(ended.study("s"), ended.client))) == []


def test_the_scheduler_is_restarted(
    cluster: DaskCluster, sweep: "subprocess.Popen[str]", tmp_path: Path
) -> None:
    time.sleep(2)
    cluster.kill_scheduler()
    cluster.start_scheduler()
    cluster.start_worker("a")
    cluster.start_worker("b")
    assert_it_ends_well(sweep, tmp_path)


def test_a_sweep_that_is_killed_is_resumed(
    cluster: DaskCluster,
    sweep: "subprocess.Popen[str]",
    start: Start,  # noqa: F811
    tmp_path: Path,
) -> None:
    time.sleep(1)
    sweep.kill()
    sweep.communicate()
    again = start(*on(cluster), "hydra.sweeper.resume=s", command=APP)
    assert_it_ends_well(again, tmp_path)


@pytest.fixture(scope="module")
def started_parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterParts]:
    with cluster_parts(tmp_path_factory.mktemp("parts")) as parts:
        yield parts


@pytest.fixture
def parts(started_parts: ClusterParts) -> Iterator[ClusterParts]:
    yield started_parts
    started_parts.forget()


def sweeps_of(study: optuna.Study) -> list[str]:
    return [name for name in study.user_attrs if name.startswith(StudyAttrs.HEARTBEAT)]


def n_ended(study: optuna.Study) -> int:
    return sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def has_more_than(number: int, study: optuna.Study) -> bool:
    return n_ended(study) > number


def kill_a_worker(parts: ClusterParts) -> None:
    parts.dask.kill_worker("a", signal.SIGKILL)
    parts.dask.start_worker("a")


def terminate_a_worker(parts: ClusterParts) -> None:
    parts.dask.kill_worker("b", signal.SIGTERM)
    parts.dask.start_worker("b")


def restart_the_scheduler(parts: ClusterParts) -> None:
    parts.dask.kill_scheduler()
    parts.dask.start_scheduler()
    for name in WORKERS:
        parts.dask.start_worker(name)


def restart_the_database(parts: ClusterParts) -> None:
    parts.postgres.stop()
    time.sleep(5)
    parts.postgres.start()


def restart_mlflow(parts: ClusterParts) -> None:
    parts.mlflow.stop()
    time.sleep(20)
    parts.mlflow.start()


WORKERS = ("a", "b", "c")
FAULTS = (
    kill_a_worker, terminate_a_worker, restart_the_scheduler, restart_the_database, restart_mlflow,
)  # fmt: skip


@pytest.mark.parametrize("faults", [(), FAULTS], ids=["none", "every"])
def test_two_sweeps_and_three_workers_through_faults(
    parts: ClusterParts,
    start: Start,  # noqa: F811
    tmp_path: Path,
    faults: Sequence[Callable[[ClusterParts], None]],
) -> None:
    n_trials = 30
    command = [*SLOW_APP, *parts.overrides, f"hydra.sweeper.n_trials={n_trials}"]
    command += ["hydra.sweeper.n_jobs=null", f"+seconds={1 if faults else 0.3}"]
    for name in WORKERS:
        parts.dask.start_worker(name)
    storage = parts.postgres.here("optuna")
    sweeps = [start("hydra.sweeper.study_name=s", command=command)]
    wait_for_a_trial(tmp_path, sweeps[0], storage)
    sweeps.append(start("hydra.sweeper.resume=s", command=command))
    study = load_study(storage)
    wait_until(lambda: len(sweeps_of(study)) == 2)
    for fault in faults:
        fault(parts)
        wait_until(partial(has_more_than, n_ended(study), study))
        assert [sweep.communicate()[0] for sweep in sweeps if sweep.poll() is not None] == []
    for sweep in sweeps:
        out, _ = sweep.communicate(timeout=LIMIT)
        assert sweep.returncode == 0, out
    assert len(sweeps_of(study)) == 2
    assert_all_accounted_for(
        tmp_path, n_trials, ended=OnServer(tmp_path, 0, out, "", parts.postgres)
    )


def test_bad_input_is_one_error_before_trial_0(command: Command) -> None:
    ended = command("-m", *TINY, "hydra/launcher=dask", "hydra.launcher.address=tcp://127.0.0.1:1")
    assert ended.code == 1
    assert "1 problem in the input, nothing was started" in ended.err
    assert "no scheduler of Dask answers there" in ended.err
    assert ended.files() == set()


def test_a_local_cluster_of_the_command_line(tmp_path: Path) -> None:
    arguments = [
        "hydra/launcher=dask", "hydra.launcher.local_workers=2", "hydra.sweeper.study_name=s",
    ]  # fmt: skip
    ended = subprocess.run(
        [*APP, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "distributed" not in ended.stdout + ended.stderr
    assert_nothing_lost_or_doubled(tmp_path)
