"""A PostgreSQL server of real processes, which tests start and stop."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.helpers.ports import free_port
from tests.helpers.processes import SECONDS, WITH_PYTEST, Process, wait_until

# PostgreSQL refuses to run as root.
AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups")


class Postgres:
    """A PostgreSQL server of our own, with a database for Optuna and one for MLflow.

    Args:
        folder: The folder of the server, which belongs to its user.
        programs: The folder of PostgreSQL's programs.
        host: The address that the server listens at.
        within: The command that runs the server on another host.
    """

    def __init__(
        self, folder: Path, programs: Path, host: str = "127.0.0.1", within: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.programs = programs
        self.port = free_port()
        self.url = f"postgresql+psycopg://test@{host}:{self.port}"
        self._host, self._within = host, within
        self._process: Process | None = None
        self.call("initdb", "-D", "data", "-U", "test", "-A", "trust", "--no-sync")
        with (folder / "data" / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\n")
        self.start()
        for name in ("optuna", "mlflow"):
            self.call("createdb", "-h", str(folder), "-p", str(self.port), "-U", "test", name)

    def here(self, database: str) -> str:
        """Return the URL of a database on this machine, wherever the server listens."""
        return f"postgresql+psycopg://test@/{database}?host={self.folder}&port={self.port}"

    def call(self, program: str, *arguments: str) -> None:
        command = [*_as_user(), self.programs / program, *arguments]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        command = [*self._within, *_as_user(), *WITH_PYTEST, self.programs / "postgres"]
        options = ["-D", "data", "-p", str(self.port), "-k", self.folder]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *options, "-c", f"listen_addresses={self._host}"],
                cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._is_up, (self.folder / "log").read_text)

    def stop(self) -> None:
        """Stop the server as if it had crashed."""
        if self._process:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(SECONDS)

    def _is_up(self) -> bool:
        asked = [self.programs / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


def _as_user() -> Sequence[str]:
    return AS_POSTGRES if os.geteuid() == 0 else ()


@contextmanager
def postgres_server(host: str = "127.0.0.1", within: Sequence[str] = ()) -> Iterator[Postgres]:
    """Start a server, and end it with the block; the test is skipped where there is none."""
    pytest.importorskip("psycopg")
    found = shutil.which("initdb") or next(
        iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None
    )
    if not found:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory() as name:  # pytest's are closed to other users
        if os.geteuid() == 0:
            try:
                shutil.chown(name, "postgres", "postgres")
            except LookupError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        server = Postgres(Path(name), Path(found).resolve().parent, host, within)
        try:
            yield server
        finally:
            server.stop()
