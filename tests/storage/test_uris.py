import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from rnnexp.storage.locks import locked
from rnnexp.storage.uris import (
    absolute_uri,
    sqlite_file,
    sqlite_problem,
    sqlite_uri,
    write_problem,
)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:///optuna.db", "sqlite:///{cwd}/optuna.db"),
        ("sqlite:///sub/optuna.db", "sqlite:///{cwd}/sub/optuna.db"),
        ("sqlite:////there/optuna.db", "sqlite:////there/optuna.db"),
        ("sqlite:///optuna.db?timeout=60", "sqlite:///{cwd}/optuna.db?timeout=60"),
        ("sqlite:///a b/Ünder #1/o.db", "sqlite:///{cwd}/a b/Ünder #1/o.db"),
        ("sqlite+pysqlite:///o.db", "sqlite+pysqlite:///{cwd}/o.db"),
        ("sqlite://", "sqlite://"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite:///file:o.db?mode=ro&uri=true", "sqlite:///file:o.db?mode=ro&uri=true"),
        ("mlruns", "{cwd}/mlruns"),
        ("file:///there", "file:///there"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("postgresql+psycopg://localhost/db", "postgresql+psycopg://localhost/db"),
    ],
)
def test_absolute_uri(uri: str, expected: str) -> None:
    assert absolute_uri(uri) == expected.format(cwd=Path.cwd())


@pytest.mark.parametrize(
    "name", ["o.db", "a b.db", "100%.db", "%20.db", "who?.db", "a#b.db", "é.db"]
)
@pytest.mark.parametrize("query", ["", "?timeout=60", "?timeout=60&check_same_thread=false"])
def test_the_file_of_a_uri_is_the_one_that_sqlalchemy_opens(
    tmp_path: Path, name: str, query: str
) -> None:
    uri = absolute_uri(sqlite_uri(tmp_path / name) + query)
    assert sqlite_file(uri) == tmp_path / name
    engine = create_engine(uri)
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
    engine.dispose()
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert write_problem(uri) is None


@pytest.mark.parametrize(
    ("uri", "file"),
    [
        ("sqlite:///:memory:", None),
        ("sqlite://", None),
        ("sqlite:///file:/there/o.db?mode=ro&uri=true", "/there/o.db"),
        ("sqlite:///file:/a%2520b/o.db?uri=true", "/a b/o.db"),
        ("sqlite+pysqlite:////there/o.db?timeout=1", "/there/o.db"),
        ("postgresql://localhost/db", None),
        ("http://localhost", None),
    ],
)
def test_the_file_of_a_uri(uri: str, file: str | None) -> None:
    assert sqlite_file(uri) == (Path(file) if file else None)


def test_a_database_of_another_program_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "o.db"
    assert sqlite_problem(file, "studies", "Optuna") is None
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE experiments (a)")
    assert sqlite_problem(file, "experiments", "MLflow") is None
    problem = f"{file} is the database of another program; give the one of Optuna"
    assert sqlite_problem(file, "studies", "Optuna") == problem
    assert "is a folder" in str(sqlite_problem(tmp_path, "studies", "Optuna"))
    file.write_text("certainly not a database, but long enough to be taken for one " * 20)
    assert "not a database" in str(sqlite_problem(file, "studies", "Optuna"))


KILLED_WRITER = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("CREATE TABLE studies (a)")
database.execute("PRAGMA cache_size = 1")  # write before the commit
database.execute("BEGIN")
database.executemany("INSERT INTO studies VALUES (?)", [("long" * 100,)] * 100)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_database_whose_writer_was_killed_is_rolled_back(tmp_path: Path) -> None:
    file = tmp_path / "o.db"
    subprocess.run([sys.executable, "-c", KILLED_WRITER, str(file)], check=False)
    assert Path(f"{file}-journal").stat().st_size
    assert sqlite_problem(file, "studies", "Optuna") is None
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT count(*) FROM studies").fetchone() == (0,)


def test_a_database_server_that_nobody_runs_is_a_problem() -> None:
    problem = write_problem("postgresql+psycopg://user:s3cret@127.0.0.1:9/db")
    assert "refused" in str(problem)
    assert "s3cret" not in str(problem)


def test_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    assert write_problem(f"sqlite:///{tmp_path}/new.db") is None
    assert write_problem(str(tmp_path / "deep" / "folder")) is None
    assert list(tmp_path.iterdir()) == []


def test_an_existing_database_is_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    before = file.read_bytes()
    assert write_problem(f"sqlite:///{file}") is None
    assert file.read_bytes() == before


def test_faults_of_files(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("certainly not a database, but long enough to be taken for one " * 20)
    assert "not a database" in (write_problem(f"sqlite:///{text}") or "")
    assert "No such file" in (write_problem(f"sqlite:///{tmp_path}/nowhere/new.db") or "")
    assert "Not a directory" in (write_problem(f"sqlite:///{text}/new.db") or "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to a read-only file")
def test_a_read_only_database_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    file.chmod(0o400)
    assert "readonly" in (write_problem(f"sqlite:///{file}") or "")


MAKE = """
import sys
import optuna.storages._rdb.storage
from rnnexp.storage.optuna_store import open_storage
sys.stdin.read()  # begin together
open_storage(sys.argv[1])
"""


@pytest.mark.slow
def test_processes_that_begin_together_make_one_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/optuna.db"
    pipes: dict[str, int] = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-c", MAKE, url]
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]
    time.sleep(3)  # all have imported what they need
    for process in processes:
        assert process.stdin
        process.stdin.close()
    for process in processes:
        assert process.stderr
        assert (process.wait(), process.stderr.read()) == (0, "")
        process.stderr.close()
    assert {file.name for file in tmp_path.iterdir()} == {"optuna.db"}


def test_a_thread_that_has_a_lock_goes_on_and_no_other(tmp_path: Path) -> None:
    told = []

    def look() -> None:
        with locked(tmp_path, wait=False) as has_it:
            told.append(has_it)

    with locked(tmp_path):
        look()
        other = threading.Thread(target=look)
        other.start()
        other.join()
    look()
    assert told == [True, False, True]
