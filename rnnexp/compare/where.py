"""Filters of trials in SQL, such as ``units = 64 and lr < 0.01``.

The grammar is that of ``WHERE`` in SQLite, which includes MLflow's filters. SQLite itself evaluates
a filter, on a table in memory that holds only the trials.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing

from rnnexp.compare.rows import Row, no_column
from rnnexp.errors import QueryError

_NUMBER = "number__"  # column of a row's place


def where(rows: Sequence[Row], condition: str) -> list[Row]:
    """Return the rows for which a condition holds, in the same order.

    Args:
        rows: Trials, all with the same columns.
        condition: A condition as after SQL's ``WHERE``. A name with a dot in it needs double
            quotes.

    Raises:
        NotFoundError: If the condition names an unknown column.
        QueryError: If the condition can't be read.
    """
    if not rows:
        return []
    columns: dict[str, str] = {}  # SQLite doesn't distinguish upper and lower case
    for name in rows[0]:
        columns.setdefault(name.lower(), name)
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in columns.values())
    marks = ", ".join("?" * (len(columns) + 1))
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute(f"CREATE TABLE trials ({_NUMBER}, {quoted})")
        database.executemany(
            f"INSERT INTO trials VALUES ({marks})",  # noqa: S608 - question marks only
            ([n, *(row[name] for name in columns.values())] for n, row in enumerate(rows)),
        )
        database.set_authorizer(_authorize)
        try:
            found = database.execute(
                f"SELECT {_NUMBER} FROM trials WHERE ({condition}\n)"  # noqa: S608 - see _authorize
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
    """Allow a condition to read the trials and to call functions, and nothing else."""
    allowed = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION) or (
        action == sqlite3.SQLITE_READ and table == "trials"
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY
