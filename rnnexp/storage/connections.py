"""Connections to a database server: few for each process, and none that is waited for forever.

The time that a dead connection is waited for is in rnnexp/storage/dead_connections.py.
"""

import re
from typing import Any

from rnnexp.storage.dead_connections import bounds
from rnnexp.storage.uris import is_database_server

_NONE_LEFT = re.compile(
    r"too many (clients|connections)|connection slots are reserved|no more connections",
    re.IGNORECASE,
)


def engine_options(url: str) -> dict[str, Any]:
    """Return the arguments of SQLAlchemy's ``create_engine`` for a storage.

    A process keeps one connection, and has a second one while two of its threads need one.

    Args:
        url: The storage's URL. What its query says of the connection stays as it is.

    Returns:
        The arguments; none for SQLite, which is a file.
    """
    if not is_database_server(url):
        return {}
    return {"pool_size": 1, "max_overflow": 1, "pool_pre_ping": True, **bounds(url)}


def advice(problem: str) -> str:
    """Return what to do about an error of a server that has no connection left, else nothing.

    Args:
        problem: The error's message.
    """
    if not _NONE_LEFT.search(problem):
        return ""
    return (
        "; every running trial holds a connection, and a sweep two: raise max_connections of the "
        "database server, put a pooler such as PgBouncer in front of it, or run fewer trials at "
        "once (hydra.launcher.n_jobs)"
    )
