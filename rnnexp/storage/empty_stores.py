"""Empty SQLite files of Optuna and MLflow, kept in the user's cache: a new store is a copy of one.

A library makes the tables of a new file by all its migrations, which takes MLflow more than a
second. So the library does so once, and again when its version is another one.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from rnnexp.atomic import atomic_write
from rnnexp.cache_folder import cache_folder
from rnnexp.storage.uris import sqlite_file, sqlite_uri

log = logging.getLogger(__name__)

# The table of the rows that a library writes into a new file, and that hold for that file alone.
OWN_ROWS = {"mlflow": "experiments", "optuna": None}


def begin(uri: str, library: str, make: Callable[[str], object]) -> None:
    """Put an empty store where a SQLite file is to be, if there is no file yet.

    Where that fails, for any reason, there is still no file, and the library makes its tables
    itself. The caller holds the lock of the file's folder.

    Args:
        uri: The store's URI, absolute. One of another kind, or with a query, is left alone.
        library: One of `OWN_ROWS`.
        make: Makes the tables in a new file; it gets the file's URI.
    """
    file = sqlite_file(uri)
    if file is None or not is_new(file) or uri != sqlite_uri(file):
        return
    try:
        atomic_write(file, _empty(library, make))
    except Exception:  # a full disk, or what a library raises, as it will raise again
        log.debug("%s could not be copied from an empty store", file, exc_info=True)


def _empty(library: str, make: Callable[[str], object]) -> bytes:
    """Return the content of an empty store, which is kept from now on where the cache allows it."""
    kept = cache_folder() / "stores" / f"{library}-{version(library)}.db"
    if kept.exists():
        return kept.read_bytes()
    with TemporaryDirectory(prefix="rnnexp-") as folder:
        draft = Path(folder, kept.name)
        make(sqlite_uri(draft))
        if table := OWN_ROWS[library]:
            with closing(sqlite3.connect(draft)) as connection, connection:
                connection.execute(f"DELETE FROM {table}")  # noqa: S608
        content = draft.read_bytes()
    with suppress(OSError):  # no cache, or a full one: the next store takes as long as this one
        kept.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(kept, content)
    return content


def is_new(file: Path) -> bool:
    """Return whether a SQLite file can be put into its folder.

    Args:
        file: The file. It has to be missing, with all that SQLite would read together with it.
    """
    names = (file.name, f"{file.name}-journal", f"{file.name}-wal")
    return file.parent.is_dir() and not any(file.with_name(name).exists() for name in names)
