"""A PostgreSQL server and an MLflow server of real processes, for benchmarks/scale.py."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

USER = "postgres" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
REQUEST = re.compile(r'"[A-Z]+ /api/2.0/mlflow(?:-artifacts)?/\S+ HTTP')


@dataclass(frozen=True)
class Servers:
    """The servers, and what they have done so far.

    Attributes:
        database: The URL of PostgreSQL, without a database.
        tracking: The URL of MLflow's server.
        processes: The first process of each server, by its name.
        log: The log of MLflow's server.
    """

    database: str
    tracking: str
    processes: dict[str, psutil.Process]
    log: Path

    def done(self) -> Counter[str]:
        """Return processor seconds of each server, SQL statements, and HTTP requests so far."""
        done = Counter({name: _seconds(process) for name, process in self.processes.items()})
        query = text(
            "SELECT split_part(datname, '_', 1), sum(calls) FROM pg_stat_statements"
            " JOIN pg_database ON oid = dbid GROUP BY 1"
        )
        engine = create_engine(f"{self.database}/postgres", poolclass=NullPool)
        with engine.connect() as connection:
            for name, calls in connection.execute(query):
                done[f"{name} statements"] = int(calls)
        done["requests"] = len(REQUEST.findall(self.log.read_text(errors="replace")))
        return done

    def new_database(self) -> str:
        """Make a database, and return its URL."""
        engine = create_engine(
            f"{self.database}/postgres", poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        name = f"study_{time.time_ns()}"
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return f"{self.database}/{name}"


def _seconds(first: psutil.Process) -> float:
    """Return the processor seconds of a process and of all that it has started."""
    seconds = 0.0
    for process in [first, *first.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


@contextmanager
def servers(connections: int, tracking_workers: int) -> Iterator[Servers]:
    """Start both servers in a temporary folder, and end them with the block.

    Args:
        connections: The number of connections that PostgreSQL takes.
        tracking_workers: The number of processes of MLflow's server.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if USER:
            shutil.chown(folder, USER, USER)
        database = stack.enter_context(_postgres(folder, connections))
        port = _free_port()
        log = folder / "mlflow.log"
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
            "--backend-store-uri", f"{database}/mlflow", "--workers", str(tracking_workers),
            "--artifacts-destination", str(folder / "artifacts"),
        ]  # fmt: skip
        environment = os.environ | {
            # Without the processes of jobs that no training starts.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            # By default 5, and 10 more: with 100 workers, requests waited for each other.
            "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "40",
            "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "40",
        }
        with log.open("wb") as output:
            server = subprocess.Popen(
                command, cwd=folder, stdout=output, stderr=output, env=environment
            )
        stack.callback(server.wait)
        stack.callback(server.terminate)
        tracking = f"http://127.0.0.1:{port}"
        _wait_for(f"{tracking}/health")
        postmaster = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        processes = {"PostgreSQL": psutil.Process(postmaster), "MLflow": psutil.Process(server.pid)}
        yield Servers(database, tracking, processes, log)


@contextmanager
def _postgres(folder: Path, connections: int) -> Iterator[str]:
    found = shutil.which("initdb") or next(
        iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None
    )
    if not found:
        raise SystemExit("PostgreSQL is not installed")
    programs, port = Path(found).resolve().parent, _free_port()

    def call(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, *arguments], check=True, cwd=folder, user=USER, group=USER,
            extra_groups=[] if USER else None, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    call("initdb", "-D", "data", "-U", "test", "-A", "trust", "--no-sync")
    options = (
        f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c max_connections={connections}"
        " -c shared_preload_libraries=pg_stat_statements"
    )
    call("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")
    try:
        server = "-h", "127.0.0.1", "-p", str(port), "-U", "test"
        call("createdb", *server, "mlflow")
        call("psql", *server, "-q", "-c", "CREATE EXTENSION pg_stat_statements", "postgres")
        yield f"postgresql+psycopg://test@127.0.0.1:{port}"
    finally:
        call("pg_ctl", "-D", "data", "-m", "immediate", "stop")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait_for(url: str) -> None:
    for _ in range(600):
        try:
            with urlopen(url, timeout=1):  # noqa: S310
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit(f"{url} does not answer")
