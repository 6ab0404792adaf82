"""Where results are stored: addresses, studies, and finding out what can be written."""

import fcntl
import os
import socket
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hydra.utils import to_absolute_path

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_SQLITE = "sqlite:///"


def absolute_uri(uri: str) -> str:
    """``uri`` with a relative SQLite path, or a plain folder, made absolute.

    Relative paths begin where the command was started, also in a job that Hydra
    moved to its own folder.

    Args:
        uri: A database or server address, or a path.
    """
    if uri.startswith(_SQLITE):
        path = uri.removeprefix(_SQLITE)
        return uri if path in ("", ":memory:") else _SQLITE + to_absolute_path(path)
    if "://" not in uri and not uri.startswith(("file:", "databricks")):
        return to_absolute_path(uri)
    return uri


def sqlite_file(uri: str) -> Path | None:
    """The file of an absolute SQLite address; None for another, or one in memory."""
    path = uri.removeprefix(_SQLITE)
    return Path(path) if uri.startswith(_SQLITE) and path not in ("", ":memory:") else None


@cache
def open_storage(url: str) -> "BaseStorage":
    """Optuna's storage; once a process, as opening it costs more than all of a short trial's reads.

    Args:
        url: An absolute address, see `absolute_uri`.

    Raises:
        Exception: Whatever the database's driver raises.
    """
    import optuna  # it takes a second, which most users of this module don't have to spend

    file = sqlite_file(url)
    # Of two sweeps that begin at the same moment, one would find half of the other's tables.
    with locked(file.parent) if file else nullcontext():
        return optuna.storages.get_storage(url)


def study_names(url: str) -> list[str]:
    """The studies in a storage; to look into an SQLite file that isn't there would make it.

    Raises:
        Exception: Whatever the database's driver raises.
    """
    file = sqlite_file(url)
    if file and not file.exists():
        return []
    return [study.study_name for study in open_storage(url).get_all_studies()]


def no_such_study(name: str, names: Sequence[str], url: str) -> str:
    """What to say of a study that isn't there."""
    known = f"; there are {', '.join(names[:10])}" if names else ""
    near = get_close_matches(name, names, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else known
    return f"there is no study {name} in {url}{hint}"


_held = threading.local()  # folders whose lock this thread has


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a folder's lock, which the processes of a machine share; it leaves nothing behind.

    The lock of a process that dies is free. Another thread of the same process waits as well; one
    that has the lock already goes on, for a sweep's folder may be that of its stores.

    Args:
        folder: The folder.
        wait: Whether to wait for it; else the block is told whether it has the lock.
    """
    mine: set[Path] = vars(_held).setdefault("folders", set())
    path = folder.resolve()
    if path in mine:
        yield True
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        has_it = _lock(descriptor, wait)
        if has_it:
            mine.add(path)
        yield has_it
    finally:
        mine.discard(path)
        os.close(descriptor)


def _lock(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def write_fault(uri: str) -> str | None:
    """Why nothing can be written to ``uri``, or None if it can.

    Nothing is left behind: an existing SQLite file is locked and released, in a
    folder a temporary file is made and removed, a server is connected to.

    Args:
        uri: An absolute address, see `absolute_uri`.
    """
    try:
        if uri.startswith(_SQLITE):
            _try_sqlite(Path(uri.removeprefix(_SQLITE)))
        elif uri.startswith(("http://", "https://")):
            _try_server(uri)
        elif "://" not in uri or uri.startswith("file:"):
            _try_folder(Path(uri.removeprefix("file://").removeprefix("file:")))
    except OSError as error:
        return f"{uri} can't be written: {error.strerror or error}"
    except sqlite3.Error as error:
        return f"{uri} can't be written: {error}"
    return None


def _try_sqlite(path: Path) -> None:
    if not path.exists():
        # SQLite makes the file, but not the folder that it is in.
        with tempfile.TemporaryFile(dir=path.parent):
            return
    connection = sqlite3.connect(path, timeout=10)
    try:
        # A write lock alone is not refused by a read-only file; asking for a write is.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.rollback()
    finally:
        connection.close()


def _try_folder(path: Path) -> None:
    # MLflow and Hydra make missing folders; what counts is the first one that is there.
    while not path.exists():
        path = path.parent
    with tempfile.TemporaryFile(dir=path):
        pass


def _try_server(uri: str) -> None:
    parts = urlsplit(uri)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with socket.create_connection((parts.hostname or "", port), timeout=10):
        pass
