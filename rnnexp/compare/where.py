"""Filters of trials, in SQL: ``units = 64 and lr < 0.01``.

The grammar is that of a ``WHERE`` in SQLite, of which MLflow's own filters are a part. SQLite
itself reads it, over a table in memory that has nothing but the trials.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from rnnexp.compare.rows import Row, no_column
from rnnexp.errors import QueryError


def where(rows: Sequence[Row], condition: str) -> list[Row]:
    """The rows for which a condition holds, in the same order.

    Args:
        rows: Trials, all with the same columns.
        condition: As after SQL's ``WHERE``. A name with a dot in it is put in double quotes.

    Raises:
        NotFoundError: If it names a column that isn't there.
        QueryError: If it can't be read.
    """
    if not rows:
        return []
    columns: dict[str, str] = {}  # SQLite doesn't tell upper from lower case
    for name in rows[0]:
        columns.setdefault(name.lower(), name)
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in columns.values())
    marks = ", ".join("?" * (len(columns) + 1))
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE trials (number__, {quoted})")
        database.executemany(
            f"INSERT INTO trials VALUES ({marks})",  # noqa: S608 - marks only
            ([n, *(row[name] for name in columns.values())] for n, row in enumerate(rows)),
        )
        database.set_authorizer(_authorize)
        try:
            found = database.execute(
                f"SELECT number__ FROM trials WHERE ({condition}\n)"  # noqa: S608 - see _authorize
            ).fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            unknown = re.fullmatch(r"no such column: (.+)", str(error))
            if unknown:
                raise no_column(unknown[1].strip('"'), rows) from error
            raise QueryError(
                f"--where {condition!r} can't be read: {error}; give a condition as in SQL, such "
                'as "units = 64 and lr < 0.01" or "state = \'PRUNED\'", with double quotes '
                "around a name with a dot in it: '\"fit.epochs\" > 5'"
            ) from error
    kept = {number for (number,) in found}
    return [row for n, row in enumerate(rows) if n in kept]


def _authorize(action: int, table: str | None, *_: object) -> int:
    """A condition may read the trials and call functions, and nothing else."""
    allowed = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION) or (
        action == sqlite3.SQLITE_READ and table == "trials"
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
