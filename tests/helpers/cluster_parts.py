"""What a sweep on several machines needs, of real processes: Dask, PostgreSQL, MLflow's server."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from mlflow.tracking import MlflowClient
from optuna.storages import RDBStorage
from sqlalchemy.pool import NullPool

from tests.helpers.dask_cluster import DaskCluster
from tests.helpers.mlflow_server import MlflowServer
from tests.helpers.network import Network
from tests.helpers.postgres import Postgres, postgres_server


@dataclass
class ClusterParts:
    """The parts, which run on the first host of a network, or on this machine.

    Attributes:
        dask: Dask's scheduler and workers.
        postgres: The server of Optuna's storage and of MLflow's runs.
        mlflow: MLflow's server, which also has the artifacts.
    """

    dask: DaskCluster
    postgres: Postgres
    mlflow: MlflowServer

    @property
    def overrides(self) -> tuple[str, ...]:
        """The overrides of a sweep that uses the parts."""
        return (
            "hydra/launcher=dask", f"hydra.launcher.address={self.dask.address}",
            f"hydra.sweeper.storage={self.postgres.url}/optuna",
            f"hydra.sweeper.tracking.uri={self.mlflow.uri}",
        )  # fmt: skip

    def forget(self) -> None:
        """Kill the workers, and forget the study and its runs, so that another can begin."""
        for name in [*self.dask.workers]:
            self.dask.kill_worker(name)
        storage = RDBStorage(self.postgres.here("optuna"), {"poolclass": NullPool})
        for study in storage.get_all_studies():
            storage.delete_study(study._study_id)
        client = MlflowClient(self.postgres.here("mlflow"))
        for experiment in client.search_experiments():
            client.rename_experiment(experiment.experiment_id, uuid4().hex)


@contextmanager
def cluster_parts(folder: Path, network: Network | None = None) -> Iterator[ClusterParts]:
    """Start the parts, but no worker, and end them with the block.

    Args:
        folder: The folder of the logs and of MLflow's artifacts.
        network: The hosts; workers run on the hosts with their names. None for this machine.
    """
    within = {name: network.within(name) for name in network.namespaces} if network else {}
    host = network.address(next(iter(within))) if network else "127.0.0.1"
    first = next(iter(within.values()), ())
    with ExitStack() as stack:
        postgres = stack.enter_context(postgres_server(host, first))
        mlflow = MlflowServer(folder, host=host, store=f"{postgres.url}/mlflow", within=first)
        stack.callback(mlflow.stop)
        mlflow.start()
        dask = DaskCluster(folder, host, {**within, "scheduler": first})
        stack.callback(dask.stop)
        dask.start_scheduler()
        yield ClusterParts(dask, postgres, mlflow)
