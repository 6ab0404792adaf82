"""URIs of stores: make them absolute, find the SQLite file of one, check that one is writable."""

import socket
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from hydra.utils import to_absolute_path

from rnnexp.passwords import hide

_SQLITE = "sqlite:///"


def absolute_uri(uri: str) -> str:
    """Make a relative SQLite path, or a plain folder, absolute, and hide a password.

    Relative paths begin where the command was started, also in a job that Hydra moved to its own
    folder. A password is remembered by `rnnexp.passwords.hide`, for those who open connections.

    Args:
        uri: The URI of a database or a server, or a path.
    """
    if uri.startswith(_SQLITE):
        path = uri.removeprefix(_SQLITE)
        return uri if path in ("", ":memory:") else _SQLITE + to_absolute_path(path)
    if "://" not in uri and not uri.startswith(("file:", "databricks")):
        return to_absolute_path(uri)
    return hide(uri)


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an absolute SQLite URI; None for another URI, or one in memory."""
    path = uri.removeprefix(_SQLITE)
    return Path(path) if uri.startswith(_SQLITE) and path not in ("", ":memory:") else None


def write_problem(uri: str) -> str | None:
    """Return why nothing can be written to a store, or None if it can.

    The check leaves nothing behind: an existing SQLite file is locked and released, in a folder a
    temporary file is made and removed, a server is connected to.

    Args:
        uri: An absolute URI, see `absolute_uri`.
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
        # A read-only file does not refuse a write lock alone, but a write.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.rollback()
    finally:
        connection.close()


def _try_folder(path: Path) -> None:
    # MLflow and Hydra make missing folders; the first existing folder above has to be writable.
    while not path.exists():
        path = path.parent
    with tempfile.TemporaryFile(dir=path):
        pass


def _try_server(uri: str) -> None:
    parts = urlsplit(uri)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with socket.create_connection((parts.hostname or "", port), timeout=10):
        pass
