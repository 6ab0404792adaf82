"""URIs of stores: make them absolute, find the SQLite file of one, check that one is writable.

No other module takes a URI apart or joins one: the folders in them may have spaces, %, ? or # in
their names.
"""

import re
import socket
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from hydra.utils import to_absolute_path

from rnnexp.passwords import hide, with_password
from rnnexp.storage.dead_connections import bounds

# SQLAlchemy is imported where it is used: a job outside of a sweep needs none of it.
if TYPE_CHECKING:
    from sqlalchemy.engine import URL

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
CONNECT_TIMEOUT = 8.0  # seconds
_NO_FOLDERS = ("databricks", "databricks-uc", "uc")  # MLflow's names of stores
_IN_MEMORY = (None, "", ":memory:")


def absolute_uri(uri: str) -> str:
    """Make a relative SQLite path, or a plain folder, absolute, and hide a password.

    Relative paths begin where the command was started, also in a job that Hydra moved to its own
    folder. A password is remembered by `rnnexp.passwords.hide`, for those who open connections.

    Args:
        uri: The URI of a database or a server, or a path.
    """
    if uri.startswith("sqlite"):
        url = _parsed(uri)
        if url is None or url.database in _IN_MEMORY or _is_sqlite_uri(url):
            return uri
        return _sqlite_uri(url, Path(to_absolute_path(str(url.database))))
    folder = None if uri.startswith("file:") else folder_of(uri)
    return to_absolute_path(uri) if folder else hide(uri)


def sqlite_uri(file: Path) -> str:
    """Return the URI of a SQLite file."""
    from sqlalchemy.engine import URL

    return _sqlite_uri(URL.create("sqlite"), file.absolute())


def sqlite_file(uri: str) -> Path | None:
    """Return the file of an absolute SQLite URI; None for another URI, or one in memory."""
    url = _parsed(uri) if uri.startswith("sqlite") else None
    if url is None or url.database in _IN_MEMORY:
        return None
    if _is_sqlite_uri(url):
        path = unquote(urlsplit(str(url.database)).path)
        return Path(path) if path else None
    return Path(str(url.database))


def is_in_memory(uri: str) -> bool:
    """Return whether a URI is that of a SQLite database in memory, which each process has alone."""
    return uri.startswith("sqlite") and _parsed(uri) is not None and sqlite_file(uri) is None


def is_database(uri: str) -> bool:
    """Return whether a URI is that of a database, SQLite or another."""
    return uri.startswith(DATABASES) and _parsed(uri) is not None


def is_server(uri: str) -> bool:
    """Return whether a URI is that of an MLflow server."""
    return uri.startswith("http")


def folder_of(uri: str) -> Path | None:
    """Return the folder that a path or a ``file:`` URI stands for; None for another URI."""
    if uri.startswith("file:"):
        return Path(unquote(urlsplit(uri).path))
    has_scheme = re.match(r"[a-z][a-z0-9+.-]+:", uri, re.IGNORECASE)
    return None if has_scheme or uri in _NO_FOLDERS else Path(uri)


def is_database_server(uri: str) -> bool:
    """Return whether a URI is that of a database, but not of a file."""
    return is_database(uri) and not uri.startswith("sqlite")


def is_known_server(uri: str) -> bool:
    """Return whether a URI is that of a database server whose locks and tables this project uses.

    With other servers it keeps to what SQLAlchemy and Optuna offer for all of them.
    """
    return uri.startswith(("postgresql", "mysql"))


def write_problem(uri: str) -> str | None:
    """Return why nothing can be written to a database or a folder, or None if it can.

    The check leaves nothing behind: an existing SQLite file is locked and released, in a folder a
    temporary file is made and removed, a database server is connected to.

    Args:
        uri: An absolute URI, see `absolute_uri`.
    """
    try:
        if file := sqlite_file(uri):
            _try_sqlite(file)
        elif is_database_server(uri):
            return _connection_problem(uri)
        elif folder := folder_of(uri):
            _try_folder(folder)
    except OSError as error:
        return f"{uri} can't be written: {error.strerror or error}"
    except sqlite3.Error as error:
        return f"{uri} can't be written: {error}"
    return None


def sqlite_problem(file: Path, table: str, owner: str) -> str | None:
    """Return why a SQLite file can't be read as a store; None if it is new, or can be.

    Args:
        file: The file, which need not exist.
        table: A table that the store has.
        owner: Whose store it should be.
    """
    if not file.exists() or not file.stat().st_size:
        return None
    if file.is_dir():
        return f"{file} is a folder; give a file"
    try:
        # Not mode=ro: a file whose last writer was killed is rolled back by its next reader.
        connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)
        with closing(connection):
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
            tables = {name for (name,) in connection.execute(query)}
    except sqlite3.Error as error:
        return f"{file} can't be read: {error}"
    if tables and table not in tables:
        return f"{file} is the database of another program; give the one of {owner}"
    return None


def _parsed(uri: str) -> "URL | None":
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(uri)
    except (ArgumentError, ValueError):
        return None


def _is_sqlite_uri(url: "URL") -> bool:
    """Return whether SQLite itself reads the path as a URI, as of ``file:x.db?uri=true``."""
    return "uri" in url.query and str(url.database).startswith("file:")


def _sqlite_uri(url: "URL", file: Path) -> str:
    from sqlalchemy.engine import make_url

    path, driver = str(file), url.drivername
    # From version 2.1 on SQLAlchemy decodes the path.
    if make_url("sqlite:///%25").database == "%" and set(path) & set("%?"):
        path = path.replace("%", "%25").replace("?", "%3F")
        # For another driver's name than this, MLflow would make a folder of the encoded name.
        driver = "sqlite+pysqlite"
    query = url.set(database=None).render_as_string(hide_password=False).partition("?")[2]
    return f"{driver}:///{path}" + (f"?{query}" if query else "")


def _connection_problem(uri: str) -> str | None:
    """Return why a database server can't be connected to."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    url = make_url(with_password(uri))
    shown = url.render_as_string(hide_password=True)
    try:
        if url.host and url.port and "," not in url.host:
            with socket.create_connection((url.host, url.port), timeout=CONNECT_TIMEOUT):
                pass
        engine = create_engine(url, poolclass=NullPool, **bounds(with_password(uri)))
        with engine.connect():
            return None
    except (SQLAlchemyError, ImportError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        return f"{shown} can't be opened: {' '.join(str(reason).split())}"


def _try_sqlite(path: Path) -> None:
    if not path.exists():
        # SQLite makes the file, but not the folder that it is in.
        with tempfile.TemporaryFile(dir=path.parent):
            return
    connection = sqlite3.connect(path, timeout=CONNECT_TIMEOUT)
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
