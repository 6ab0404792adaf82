"""Studies in Optuna's storage: open a storage, list its studies, open a trial."""

from collections.abc import Sequence
from contextlib import nullcontext
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING

from rnnexp.storage.locks import locked
from rnnexp.storage.uris import sqlite_file

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


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
