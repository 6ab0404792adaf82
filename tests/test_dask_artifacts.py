"""A sweep whose machines share no file system: workers in mount namespaces of their own."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from rnnexp.storage.schema import Artifacts, Files, Tags
from rnnexp.sweep.audit import audit
from tests.helpers.commands import Ended, metrics
from tests.helpers.dask_cluster import DaskCluster, dask_cluster
from tests.helpers.mlflow_server import mlflow_server
from tests.helpers.network import ELSEWHERE
from tests.helpers.ports import free_port
from tests.helpers.postgres import Postgres
from tests.test_faults import (  # noqa: F401
    SWEEP,
    Start,
    load_study,
    postgres,
    start,
)
from tests.test_pausing_faults import APP, assert_nothing_lost_or_doubled

pytestmark = pytest.mark.slow
LIMIT, EPOCHS = 900, 10


@dataclass
class OnServers(Ended):
    """A sweep whose study is on a database server, and whose runs are on MLflow's."""

    url: str
    server: str

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.server)

    def study(self, name: str | None = None) -> optuna.Study:  # noqa: ARG002
        return load_study(self.url)

    @property
    def port(self) -> int:
        return int(self.server.rpartition(":")[2])

    def on(self, cluster: DaskCluster, tracking: str) -> list[str]:
        """The overrides of a sweep on a cluster, with its stores on these servers.

        Args:
            cluster: The cluster.
            tracking: The key of MLflow's settings in the sweep's config.
        """
        return [
            "hydra/launcher=dask", f"hydra.launcher.address={cluster.address}",
            f"hydra.sweeper.storage={self.url}", f"{tracking}.uri={self.server}",
            "hydra.sweeper.study_name=s",
        ]  # fmt: skip

    @property
    def trial_run(self) -> Run | None:
        """The run of trial 0, once there is one."""
        try:
            return next(iter(self.runs()[1:]), None)
        except (AttributeError, IndexError):  # the experiment is not there yet
            return None


@pytest.fixture
def cluster(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A cluster whose workers a and b see nothing of the sweep's folder, unlike another one."""
    within = {name: [*ELSEWHERE, str(tmp_path), name] for name in "ab"}
    if subprocess.run([*within["a"], "true"], check=False, capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here")
    with dask_cluster(tmp_path_factory.mktemp("dask"), "a", within=within) as cluster:
        yield cluster


@pytest.fixture
def ended(tmp_path: Path, postgres: Postgres) -> OnServers:  # noqa: F811
    server = f"http://127.0.0.1:{free_port()}"
    return OnServers(tmp_path, 0, "", "", f"{postgres.url}/optuna", server)


def wait_until(condition: Callable[[], bool], sweep: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert sweep.poll() is None, sweep.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_trial_goes_on_from_machine_to_machine(
    start: Start,  # noqa: F811
    tmp_path: Path,
    ended: OnServers,
    cluster: DaskCluster,
) -> None:
    def has_uploaded(n_epochs: int) -> bool:
        run = ended.trial_run
        if run is None or Tags.BACKUP not in run.data.tags:
            return False
        return len(metrics(ended, run, "val_loss")) >= n_epochs

    with mlflow_server(tmp_path, ended.port):
        sweep = start(
            *ended.on(cluster, "tracking"), "hydra.launcher.backup.seconds=0",
            "hydra.sweeper.n_trials=1",
            "hydra.sweeper.pausing=null", "hydra.sweeper.n_jobs=1", f"fit.epochs={EPOCHS}",
            "callbacks.slow.seconds=1.5", "callbacks=[model_checkpoint,csv_logger]",
        )  # fmt: skip
        for old, new, n_epochs in (("a", "same", 2), ("same", "b", 5)):
            wait_until(lambda n_epochs=n_epochs: has_uploaded(n_epochs), sweep)
            cluster.start_worker(new)
            cluster.kill_worker(old)
        out, _ = sweep.communicate(timeout=LIMIT)
        assert sweep.returncode == 0, out
        assert list(map(str, audit(ended.study(), ended.client))) == []
        (trial,), (_, run) = ended.study().trials, ended.runs()
        values = metrics(ended, run, "val_loss")
        artifacts = {file.path for file in ended.client.list_artifacts(run.info.run_id)}
        log, table = (
            Path(ended.client.download_artifacts(run.info.run_id, name, str(tmp_path))).read_text()
            for name in ("sweep.log", "epochs.csv")
        )
    assert f"a can't see {tmp_path}/multirun/s: trials upload their backups to MLflow" in out
    assert [step for step, _ in values] == list(range(EPOCHS))
    assert trial.intermediate_values == pytest.approx(dict(values))
    assert "test loss" in out  # of the best checkpoint
    assert Artifacts.BACKUP not in artifacts
    for host in ("a", socket.gethostname()):
        assert f"the backup of {host} was fetched" in log
    assert log.count("resumed after epoch") == 2
    assert [row.split(",")[0] for row in table.splitlines()] == ["epoch", *map(str, range(EPOCHS))]
    assert list((tmp_path / "multirun" / "s").glob(f"*.{Files.MARK}")) == []
    assert folders_of_trials(cluster) == []


def folders_of_trials(cluster: DaskCluster) -> list[Path]:
    found = cluster.folder.rglob("rnnexp-*")
    return [folder for folder in found if not folder.name.startswith("rnnexp-code-")]


def test_trials_pause_and_go_on_while_mlflow_is_away(
    start: Start,  # noqa: F811
    tmp_path: Path,
    ended: OnServers,
    cluster: DaskCluster,
) -> None:
    cluster.start_worker("b")
    with mlflow_server(tmp_path, ended.port):
        sweep = start(
            *ended.on(cluster, "hydra.sweeper.tracking"), "hydra.sweeper.pausing.epochs=3",
            command=APP,
        )  # fmt: skip
        wait_until(
            lambda: (run := ended.trial_run) is not None and Tags.BACKUP in run.data.tags, sweep
        )
    time.sleep(15)
    with mlflow_server(tmp_path, ended.port):
        out, _ = sweep.communicate(timeout=LIMIT)
        assert sweep.returncode == 0, out
        assert_nothing_lost_or_doubled(tmp_path, ended)
    assert folders_of_trials(cluster) == []
    assert {file.name for file in (tmp_path / "multirun" / "s").iterdir()} <= {
        "optimization_results.yaml", Files.REPORT,
    }  # fmt: skip
