"""Filters of trials in SQL, such as ``units = 64 and lr < 0.01``.

The grammar is that of ``WHERE`` in SQLite, which includes MLflow's filters. SQLite itself evaluates
a filter, on a table in memory that holds only the trials.
"""

import logging
import re
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing

from rnnexp.compare.rows import Row, no_column
from rnnexp.errors import QueryError
from rnnexp.formatting import did_you_mean

log = logging.getLogger(__name__)

_NUMBER = "number__"  # column of a row's place
_PARTS = re.compile(
    r"""(?P<text>'(?:[^']|'')*') | "(?P<name>(?:[^"]|"")*)" | (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<number>\d[\w.]*|\.\d\w*) | (?P<word>\w+) | (?P<mark>[<>=!]+|\S)""",
    re.DOTALL | re.VERBOSE,
)
_COMPARISONS = {"=", "==", "<>", "!=", "<", "<=", ">", ">=", "is", "like", "glob", "between", "in"}


def where(rows: Sequence[Row], condition: str) -> list[Row]:
    """Return the rows for which a condition holds, in the same order.

    A column of the condition in which no trial has a value is logged, since a comparison with it
    holds for no trial.

    Args:
        rows: Trials, all with the same columns.
        condition: A condition as after SQL's ``WHERE``. A name with a dot in it needs double
            quotes.

    Raises:
        NotFoundError: If the condition names an unknown column.
        QueryError: If the condition can't be read.
    """
    condition = condition.strip().removesuffix(";")
    if not condition:
        raise _unreadable(condition, "it is empty")
    if not rows:
        return []
    columns: dict[str, str] = {}  # SQLite doesn't distinguish upper and lower case
    for name in rows[0]:
        columns.setdefault(name.lower(), name)
    _check_quotes(condition, columns, rows)
    with closing(sqlite3.connect(":memory:")) as database:
        _fill(database, list(columns.values()), rows)
        functions = {name for (name,) in database.execute("SELECT name FROM pragma_function_list")}
        read: set[str] = set()
        database.set_authorizer(_authorizer(read))
        try:
            found = database.execute(
                f"SELECT {_NUMBER} FROM trials WHERE ({condition}\n)"  # noqa: S608 - see _authorizer
            ).fetchall()
        except (sqlite3.Error, sqlite3.Warning) as error:
            if unknown := re.fullmatch(r"no such column: (.+)", str(error)):
                raise no_column(unknown[1].strip('"'), rows) from error
            unknown = re.fullmatch(r"no such function: (.+)", str(error))
            hint = did_you_mean(unknown[1], functions, n=1) if unknown else ""
            raise _unreadable(condition, f"{error}{hint}") from error
    for name in sorted(columns[name.lower()] for name in read - {_NUMBER}):
        if all(row[name] is None for row in rows):
            log.warning("--where %r: no trial has a value in the column %s", condition, name)
    kept = {number for (number,) in found}
    return [row for n, row in enumerate(rows) if n in kept]


def _unreadable(condition: str, reason: str) -> QueryError:
    return QueryError(
        f"--where {condition!r} can't be read: {reason}; give a condition as in SQL, such as "
        '"units = 64 and lr < 0.01" or "state = \'PRUNED\'", with double quotes around a name '
        "with a dot in it: '\"fit.epochs\" > 5'"
    )


def _check_quotes(condition: str, columns: Iterable[str], rows: Sequence[Row]) -> None:
    """Refuse quotes that SQLite takes without a word for something else.

    A name in double quotes that is no column is a text to SQLite, and so is a name in single
    quotes. Such a text is compared with a number, and holds for every trial or for none.
    """
    parts = [m for m in _PARTS.finditer(condition) if not m["comment"]]
    for part in parts:
        if (name := part["name"]) is not None and name.replace('""', '"').lower() not in columns:
            raise no_column(name, rows)
    for left, mark, right in zip(parts, parts[1:], parts[2:], strict=False):
        if mark[0].lower() not in _COMPARISONS:
            continue
        texts = [part["text"] for part in (left, right) if part["text"]]
        if texts and all(p["text"] or p["number"] or p["mark"] == "-" for p in (left, right)):
            name = texts[0].strip("'")
            known = name.lower() in columns
            raise _unreadable(
                condition,
                f"{texts[0]} in single quotes is a text, which is compared with no column"
                + (f'; the column is "{name}"' if known else did_you_mean(name, columns)),
            )


def _fill(database: sqlite3.Connection, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Write rows into the table ``trials``, in which columns of numbers compare as numbers."""
    kinds = [
        "NUMERIC" if all(not isinstance(row[name], str) for row in rows) else "" for name in names
    ]
    quoted = ", ".join(
        '"' + name.replace('"', '""') + f'" {kind}' for name, kind in zip(names, kinds, strict=True)
    )
    database.execute(f"CREATE TABLE trials ({_NUMBER}, {quoted})")
    marks = ", ".join("?" * (len(names) + 1))
    database.executemany(
        f"INSERT INTO trials VALUES ({marks})",  # noqa: S608 - question marks only
        ([n, *(row[name] for name in names)] for n, row in enumerate(rows)),
    )


def _authorizer(read: set[str]) -> Callable[..., int]:
    """Allow a condition to read the trials and to call functions, and nothing else.

    Args:
        read: The columns that the condition reads; they are added here.
    """

    def authorize(action: int, table: str | None, column: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and table == "trials":
            read.add(str(column))
            return sqlite3.SQLITE_OK
        allowed = action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION)
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    return authorize
