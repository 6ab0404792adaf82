"""Secrets are in nothing that a sweep on a Dask cluster leaves or logs."""

import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.helpers.dask_cluster import DaskCluster, dask_cluster
from tests.helpers.postgres import Postgres
from tests.test_dask_sweep import on
from tests.test_faults import (  # noqa: F401
    Start,
    free_port,
    mlflow_server,
    postgres,
    start,
    wait_for_a_trial,
)
from tests.test_pausing_faults import APP
from tests.test_secrets import SECRET, with_secret

pytestmark = pytest.mark.slow


def kill_a_trial(cluster: DaskCluster) -> None:
    """Kill a trial's process, upon which Dask's worker logs a task that failed."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for worker in cluster.workers.values():
            for child in psutil.Process(worker.pid).children():
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
                    return
        time.sleep(0.1)
    raise TimeoutError("no trial has a process")


def test_no_secret_is_stored_or_logged(
    start: Start,  # noqa: F811
    postgres: Postgres,  # noqa: F811
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    port, logs = free_port(), tmp_path_factory.mktemp("dask")
    storage = f"{postgres.url}/optuna"
    with mlflow_server(tmp_path, port), dask_cluster(logs, "a", "b") as cluster:
        sweep = start(
            *on(cluster), "hydra.sweeper.study_name=s", "hydra.sweeper.n_trials=3",
            f"hydra.sweeper.storage={storage.replace('test@', f'test:{SECRET}@')}",
            f"hydra.sweeper.tracking.uri=http://me:{SECRET}@127.0.0.1:{port}",
            f"+db.password={SECRET}", "hydra.sweeper.pausing=null", "++seconds=1", command=APP,
        )  # fmt: skip
        wait_for_a_trial(tmp_path, sweep, storage)
        kill_a_trial(cluster)
        printed, _ = sweep.communicate(timeout=300)
        assert sweep.returncode == 0, printed
        logged = "".join(map(cluster.log, ("scheduler", "a", "b")))
    dump = [postgres.programs / "pg_dump", "-h", "127.0.0.1", "-p", str(postgres.port)]
    stored = subprocess.run(
        [*dump, "-U", "test", "optuna"], check=True, capture_output=True, text=True
    ).stdout
    assert "mlflow_run_id" in stored
    assert "Compute Failed" in logged
    assert [text for text in (printed, logged, stored) if SECRET in text] == []
    assert with_secret(tmp_path) == []  # MLflow's database and artifacts, and the sweep's folder
    assert with_secret(logs) == []
