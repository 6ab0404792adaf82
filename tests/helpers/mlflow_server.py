"""MLflow's own server, which tests start and stop."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.helpers.ports import free_port
from tests.helpers.processes import WITH_PYTEST, Processes, wait_until


@dataclass
class MlflowServer:
    """A server of runs and artifacts.

    Attributes:
        path: The folder of the artifacts.
        port: The server's port.
        host: The address that the server listens at.
        store: The store's URI; None for the one that a sweep in the folder uses by default.
        within: The command that runs the server on another host.
    """

    path: Path
    port: int = field(default_factory=free_port)
    host: str = "127.0.0.1"
    store: str | None = None
    within: Sequence[str] = ()

    def __post_init__(self) -> None:
        self._processes = Processes(self.path)

    @property
    def uri(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        server = self._processes.start(
            "mlflow", *self.within, *WITH_PYTEST, sys.executable, "-m", "mlflow", "server",
            "--host", self.host, "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", self.store or f"sqlite:///{self.path}/mlflow.db",
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",  # six more processes, which do nothing here
        )  # fmt: skip

        def is_up() -> bool:
            log = self._processes.log("mlflow")
            assert server.poll() is None, log
            return "Uvicorn running on" in log

        wait_until(is_up, lambda: self._processes.log("mlflow"))

    def stop(self) -> None:
        """Stop the server as if its machine had crashed."""
        self._processes.stop()


@contextmanager
def mlflow_server(path: Path, port: int) -> Iterator[None]:
    """Serve the store that a sweep in the folder uses by default, while the block runs."""
    server = MlflowServer(path, port)
    try:
        server.start()
        yield
    finally:
        server.stop()
