import http.server
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnexp.storage.locks import locked
from rnnexp.storage.uris import absolute_uri, write_problem


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:///optuna.db", "sqlite:///{cwd}/optuna.db"),
        ("sqlite:///sub/optuna.db", "sqlite:///{cwd}/sub/optuna.db"),
        ("sqlite:////there/optuna.db", "sqlite:////there/optuna.db"),
        ("mlruns", "{cwd}/mlruns"),
        ("file:///there", "file:///there"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("postgresql+psycopg://localhost/db", "postgresql+psycopg://localhost/db"),
    ],
)
def test_absolute_uri(uri: str, expected: str) -> None:
    assert absolute_uri(uri) == expected.format(cwd=Path.cwd())


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


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_a_server_is_connected_to(server: str) -> None:
    assert write_problem(server) is None
    assert "refused" in (write_problem("http://127.0.0.1:9") or "")


MAKE = """
import sys
import optuna.storages._rdb.storage
from rnnexp.storage.optuna_store import open_storage
sys.stdin.read()  # begin together
open_storage(sys.argv[1])
"""


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
