"""New SQLite files of Optuna and MLflow, whose tables are made before it is known who needs them.

The tables take seconds to make. A sweep makes them in a temporary folder while a worker checks its
configs, and puts the files into their places when the check has found no problem. A sweep that is
refused leaves nothing behind.
"""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from rnnexp.atomic import atomic_write
from rnnexp.storage.empty_stores import is_new
from rnnexp.storage.locks import locked
from rnnexp.storage.mlflow_store import MlflowStore
from rnnexp.storage.optuna_store import open_storage
from rnnexp.storage.uris import sqlite_file, sqlite_uri

log = logging.getLogger(__name__)


class NewStores:
    """The SQLite files of a sweep that are not there yet; a context manager.

    A file whose folder is missing is left to whoever opens the store, and so is any other store.

    Args:
        optuna: Optuna's storage URL, absolute.
        mlflow: MLflow's tracking URI, absolute.
    """

    def __init__(self, optuna: str, mlflow: str) -> None:
        makers: dict[str, Callable[[str], object]] = {
            optuna: open_storage,
            mlflow: lambda uri: MlflowStore(uri).client(),
        }
        files = {sqlite_file(uri): make for uri, make in makers.items()}
        self._makers = {file: make for file, make in files.items() if file and is_new(file)}
        self._made: dict[Path, Path] = {}  # drafts, by their places

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="rnnexp-")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()

    def make(self) -> None:
        """Make the files in a temporary folder; one that fails is left to whoever opens it."""
        for place, make in self._makers.items():
            draft = Path(self._folder.name, str(len(self._made)), place.name)
            try:
                draft.parent.mkdir()
                make(sqlite_uri(draft))
            except Exception:  # whatever a library raises, the store itself raises again
                log.debug("%s could not be made in advance", place, exc_info=True)
            else:
                self._made[place] = draft

    def install(self) -> None:
        """Put the files into their places, unless another sweep has made them meanwhile."""
        for place, draft in self._made.items():
            with contextlib.suppress(OSError), locked(place.parent):
                if is_new(place):
                    atomic_write(place, draft.read_bytes())
