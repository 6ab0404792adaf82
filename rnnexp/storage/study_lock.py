"""The lock of a study, which sweeps on several machines share through the study's database.

A lock of a file holds on one machine alone. PostgreSQL and MySQL have locks of their own, which
belong to no table and end with their connection: that of a sweep that dies is free.
"""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.passwords import with_password
from rnnexp.storage.connections import engine_options
from rnnexp.storage.locks import locked
from rnnexp.storage.retry import retry_transient
from rnnexp.storage.uris import is_known_server

if TYPE_CHECKING:
    from sqlalchemy import Connection

# After so many seconds PostgreSQL ends the connection of a holder that was cut off from it.
LONGEST = 60


class FolderLock:
    """The lock of a study whose sweeps run on one machine.

    Args:
        folder: Hydra's folder of the sweep.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while the block runs."""
        with locked(self._folder):
            yield


class DatabaseLock:
    """The lock of a study in a database server; a thread that has it may take it once more.

    Args:
        url: The URL of Optuna's storage.
        study: The study's name.
    """

    def __init__(self, url: str, study: str) -> None:
        from sqlalchemy import create_engine

        self._engine = create_engine(with_password(url), **engine_options(url))
        # PostgreSQL takes a number of 64 bits with a sign, MySQL a name of 64 characters.
        digest = hashlib.sha256(f"rnnexp study {study}".encode())
        self._number = int.from_bytes(digest.digest()[:8], "big", signed=True)
        self._name = digest.hexdigest()
        self._mine = threading.local()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while the block runs."""
        if getattr(self._mine, "is_held", False):
            yield
            return
        connection = retry_transient(self._take)()
        self._mine.is_held = True
        try:
            yield
        finally:
            self._mine.is_held = False
            with suppress(Exception):  # a connection that is lost holds no lock
                self._release(connection)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _take(self) -> "Connection":
        from sqlalchemy import text

        connection = self._engine.connect()
        try:
            if self._engine.dialect.name == "postgresql":
                timeout = f"SET LOCAL idle_in_transaction_session_timeout = '{LONGEST}s'"
                connection.execute(text(timeout))
                lock = text("SELECT pg_advisory_xact_lock(:number)")
                connection.execute(lock, {"number": self._number})
            else:
                connection.execute(text("SELECT GET_LOCK(:name, -1)"), {"name": self._name})
        except BaseException:
            connection.close()
            raise
        return connection

    def _release(self, connection: "Connection") -> None:
        from sqlalchemy import text

        try:
            if self._engine.dialect.name != "postgresql":
                connection.execute(text("SELECT RELEASE_LOCK(:name)"), {"name": self._name})
        finally:
            connection.close()  # which ends the transaction, and with it PostgreSQL's lock


StudyLock = FolderLock | DatabaseLock


def study_lock(url: str, study: str, folder: Path) -> StudyLock:
    """Return the lock of a study: its database's if the database has one, else its folder's.

    Args:
        url: The URL of Optuna's storage.
        study: The study's name.
        folder: Hydra's folder of the sweep.
    """
    return DatabaseLock(url, study) if is_known_server(url) else FolderLock(folder)
