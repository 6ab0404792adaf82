"""Columns of a file, found by their names; a name that is not there gets its nearest."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rnnexp.data.stored_texts import TextWriter
from rnnexp.errors import DataError
from rnnexp.formatting import did_you_mean

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SHOWN = 20  # names in a message


@dataclass(frozen=True)
class Columns:
    """Some columns of a file as text.

    Attributes:
        texts: The cells by the column's name; a missing cell is an empty text.
        lines: The number of lines of the file; None if the file is not a text.
    """

    texts: Mapping[str, Sequence[str]]
    lines: int | None = None


class Cells:
    """The cells of some columns while they are read; the texts go to disk.

    Args:
        wanted: The names of the columns.
        text: The one of these names whose column has the texts.
    """

    def __init__(self, wanted: Sequence[str], text: str) -> None:
        self._columns: dict[str, TextWriter | list[str]] = {
            column: TextWriter() if column == text else [] for column in wanted
        }

    def append(self, row: Iterable[str]) -> None:
        """Add a row, a cell for each column."""
        for column, cell in zip(self._columns.values(), row, strict=True):
            column.append(cell)

    def columns(self, lines: int | None = None) -> Columns:
        """Return the columns of the rows that were added.

        Args:
            lines: The number of lines of the file; None if the file is not a text.
        """
        texts = {
            name: column.texts() if isinstance(column, TextWriter) else column
            for name, column in self._columns.items()
        }
        return Columns(texts, lines)


def find(
    wanted: Sequence[str],
    header: Sequence[str],
    file: str,
    rows: Iterable[Sequence[str]] = (),
) -> list[int]:
    """Return the places of some columns in a header.

    Args:
        wanted: The names of the columns.
        header: The names of all columns of the file.
        file: How messages name the file.
        rows: The rows below the header, which are read only if a column is missing.

    Raises:
        DataError: If a name is missing, or several columns have it.
    """
    names = [name.strip() for name in header]
    problems = [
        f"{file} has {names.count(column)} columns {column!r}; rename all but one"
        for column in wanted
        if names.count(column) > 1
    ]
    if missing := [column for column in wanted if column not in names]:
        known = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
        is_data = _looks_like_data(header, rows)
        hint = f". Its first row looks like data; add a row of names above it: {','.join(wanted)}"
        problems += [
            f"{file} has no column {column!r}; it has: {known}"
            + (hint if is_data else did_you_mean(column, names))
            for column in missing[: 1 if is_data else None]
        ]
    if problems:
        raise DataError(problems)
    return [names.index(column) for column in wanted]


def other_separator(wanted: Sequence[str], line: str, separator: str) -> str | None:
    """Return what separates the columns in the first line of a file, if another than expected.

    Args:
        wanted: Names of columns.
        line: The first line of the file.
        separator: The separator that the file should have.
    """
    for other in (",", ";", "\t", "|"):
        names = [name.strip().strip('"') for name in line.split(other)]
        is_header = any(column in names for column in wanted)
        if other != separator and len(names) > 1 and (is_header or separator not in line):
            return other
    return None


def _looks_like_data(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bool:
    """Return whether a header has a number, or a cell that comes again below."""
    below = [set(cells) for cells in zip(*rows, strict=False)]
    return any(
        NUMBER.fullmatch(name.strip()) or name in cells
        for name, cells in zip(header, below, strict=False)
        if name.strip()
    )
