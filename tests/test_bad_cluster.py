"""Clusters and servers that can't be used are one clear error, before trial 0."""

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import optuna
import pytest

from rnnexp.storage.uris import write_problem
from tests.helpers.commands import ROOT, Command
from tests.helpers.dask_cluster import dask_cluster
from tests.helpers.postgres import Postgres
from tests.test_faults import postgres  # noqa: F401

pytestmark = pytest.mark.slow
DASK = "hydra/launcher=dask"


@contextmanager
def silent_server(*, drops: bool) -> Iterator[str]:
    """A server that never answers, or whose machine drops the packets of new connections."""
    with socket.socket() as server, socket.socket() as first:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        host, port = server.getsockname()
        if drops:
            first.connect((host, port))  # which fills the queue
        yield f"{host}:{port}"


def assert_one_problem(
    app: Command, path: Path, arguments: list[str], problem: str, left: set[str] | None = None
) -> None:
    ended = app("-m", *arguments, path=path)
    assert ended.code == 1
    assert "1 problem in the input, nothing was started" in ended.err
    assert problem in ended.err
    assert "Traceback" not in ended.err
    assert ended.files() == (left or set())


@pytest.mark.parametrize("drops", [False, True])
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            [DASK, "hydra.launcher.address=tcp://SERVER"],
            "hydra.launcher.address=tcp://SERVER: no scheduler of Dask answers there",
        ),
        (
            ["hydra.sweeper.storage=postgresql+psycopg://me@SERVER/db"],
            "hydra.sweeper.storage: postgresql+psycopg://me@SERVER/db can't be opened: ",
        ),
        (
            ["hydra.sweeper.tracking.uri=http://SERVER"],
            "http://SERVER does not answer within 8 seconds",
        ),
    ],
)
def test_a_server_that_does_not_answer(
    app: Command, tmp_path: Path, drops: bool, arguments: list[str], problem: str
) -> None:
    with silent_server(drops=drops) as server:
        given = [text.replace("SERVER", server) for text in arguments]
        assert_one_problem(app, tmp_path, given, problem.replace("SERVER", server))


def test_a_wrong_password_and_where_the_right_one_is_looked_up(
    app: Command,
    tmp_path: Path,
    postgres: Postgres,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(f"{postgres.url.replace('+psycopg', '')}/optuna") as connection:
        connection.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    access = postgres.folder / "data" / "pg_hba.conf"
    access.write_text(f"host all locked 127.0.0.1/32 scram-sha-256\n{access.read_text()}")
    postgres.call("pg_ctl", "-D", "data", "reload")
    url = f"postgresql+psycopg://locked@127.0.0.1:{postgres.port}/optuna"
    monkeypatch.setenv("PGPASSWORD", "wrong")
    problem = 'password authentication failed for user "locked"'
    assert_one_problem(app, tmp_path, [f"hydra.sweeper.storage={url}"], problem)
    monkeypatch.setenv("PGPASSWORD", "right")
    assert write_problem(url) is None
    monkeypatch.delenv("PGPASSWORD")
    file = tmp_path / "pgpass"
    file.write_text("127.0.0.1:*:*:locked:right")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert write_problem(url) is None


def test_tables_of_a_newer_optuna(app: Command, tmp_path: Path) -> None:
    file = tmp_path / "optuna.db"
    optuna.create_study(study_name="s", storage=f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
        connection.execute("UPDATE version_info SET schema_version = 99, library_version = '99.0'")
    problem = "hydra.sweeper.storage: sqlite:///"
    assert_one_problem(app, tmp_path, [], problem, {"optuna.db"})
    resume = ["hydra.sweeper.resume=s"]
    assert_one_problem(app, tmp_path, resume, problem, {"optuna.db"})


def test_clusters_without_a_worker_that_suits(
    app: Command, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    packages = tmp_path_factory.mktemp("packages")
    (packages / "keras-9.9.dist-info").mkdir()
    (packages / "keras-9.9.dist-info" / "METADATA").write_text("Name: keras\nVersion: 9.9\n")
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        address = [DASK, f"hydra.launcher.address={cluster.address}"]
        problem = "the scheduler has no worker; start some with `dask worker`"
        assert_one_problem(app, tmp_path, address, problem)
        cluster.start_worker("a", PYTHONPATH=f"{packages}:{ROOT}")
        problem = "has keras 9.9, but this sweep has keras 3"
        assert_one_problem(app, tmp_path, address, problem)
        address.append("+hydra.launcher.resources={GPU:1}")
        problem = "resources={'GPU': 1.0}: no worker has them, the workers have none"
        assert_one_problem(app, tmp_path, address, problem)
