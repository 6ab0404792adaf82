"""The lock of a study in a database server, taken by several processes."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rnnexp.storage.study_lock import DatabaseLock, FolderLock, study_lock
from tests.helpers.commands import ROOT
from tests.helpers.postgres import Postgres, postgres_server

SECONDS = 30.0
HOLD = """
import sys, time
from rnnexp.storage.study_lock import DatabaseLock
with DatabaseLock(*sys.argv[1:]).held():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


def lock_of(postgres: Postgres, study: str = "s") -> DatabaseLock:
    return DatabaseLock(f"{postgres.url}/optuna", study)


def taken(lock: DatabaseLock) -> threading.Event:
    """Take and release the lock in another thread."""
    event = threading.Event()

    def take() -> None:
        with lock.held():
            pass
        event.set()  # not within the lock: the test may then close the lock's connection

    threading.Thread(target=take, daemon=True).start()
    return event


@pytest.mark.parametrize("url", ["sqlite:////somewhere/optuna.db", "mssql+pyodbc://server/db"])
def test_a_file_has_the_lock_of_the_folder(url: str, tmp_path: Path) -> None:
    lock = study_lock(url, "s", tmp_path)
    assert isinstance(lock, FolderLock)
    with lock.held(), lock.held():
        pass


def test_a_server_has_locks_of_its_own(tmp_path: Path) -> None:
    lock = study_lock("postgresql+psycopg://user@nowhere/optuna", "s", tmp_path)
    assert isinstance(lock, DatabaseLock)
    lock.close()


@pytest.mark.slow
def test_one_sweep_at_a_time_has_the_lock_of_a_study(postgres: Postgres) -> None:
    first, second, other = lock_of(postgres), lock_of(postgres), lock_of(postgres, "other")
    with first.held():
        with first.held():  # once more, in the same thread
            pass
        waiting = taken(second)
        assert taken(other).wait(SECONDS)
        assert not waiting.wait(1)
    assert waiting.wait(SECONDS)
    for lock in (first, second, other):
        lock.close()


@pytest.mark.slow
def test_the_lock_of_a_process_that_dies_is_free(postgres: Postgres) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, f"{postgres.url}/optuna", "s"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout and holder.stdout.readline() == "held\n"
    lock = lock_of(postgres)
    waiting = taken(lock)
    assert not waiting.wait(1)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert waiting.wait(SECONDS)
    lock.close()


@pytest.mark.slow
def test_a_server_that_restarts_meanwhile(postgres: Postgres) -> None:
    lock = lock_of(postgres)
    with lock.held():
        postgres.stop()
        postgres.start()
    began = time.monotonic()
    with lock.held():
        assert time.monotonic() - began < SECONDS
    lock.close()
