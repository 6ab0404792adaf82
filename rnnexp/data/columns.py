"""Columns of a file, found by their names; a name that is not there gets its nearest."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnexp.data.encoding import joined
from rnnexp.data.stored_texts import TextWriter
from rnnexp.errors import DataError
from rnnexp.formatting import did_you_mean

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SHOWN = 20  # names in a message
EXACT = 2.0**53  # beyond, not every whole number is a float


@dataclass(frozen=True)
class Wanted:
    """The columns of a file that are read, by their names.

    Attributes:
        texts: The columns of the texts; those of a row are joined by a space.
        label: The column of the labels; None if there is none.
        weight: The column of the sample weights; None if there is none.
        group: The column of the groups; None if there is none.
    """

    texts: tuple[str, ...]
    label: str | None
    weight: str | None = None
    group: str | None = None

    @property
    def names(self) -> list[str]:
        """The names, each once."""
        others = [name for name in (self.label, self.weight, self.group) if name is not None]
        return list(dict.fromkeys([*self.texts, *others]))

    def place(self, name: str | None) -> int | None:
        """Return the place of a name in `names`; None for None."""
        return None if name is None else self.names.index(name)


@dataclass(frozen=True)
class Format:
    """How a file is to be read, where the file itself does not say it.

    Attributes:
        names: The names of the columns of a file whose first row has none; None for a file that
            has them.
        encoding: The encoding of a text file; None for UTF-8, or UTF-16 with a byte order mark.
        separator: What separates the columns of a text file; None for that of the file's ending.
    """

    names: tuple[str, ...] | None = None
    encoding: str | None = None
    separator: str | None = None


@dataclass(frozen=True)
class Columns:
    """The columns of a file as text; a missing cell is an empty text.

    Attributes:
        texts: The texts.
        labels: The labels; empty if there are none.
        weights: The sample weights; None if there are none.
        lines: The number of lines of the file; None if the file is not a text.
        groups: The groups; None if there are none.
    """

    texts: Sequence[str]
    labels: Sequence[str]
    weights: Sequence[str] | None = None
    lines: int | None = None
    groups: Sequence[str] | None = None


class Cells:
    """The cells of some columns while they are read; the texts go to disk.

    Args:
        wanted: The columns.
    """

    def __init__(self, wanted: Wanted) -> None:
        names = wanted.names
        self._places = [names.index(name) for name in wanted.texts]
        self._label = wanted.place(wanted.label)
        self._weight = wanted.place(wanted.weight)
        self._group = wanted.place(wanted.group)
        self._texts = TextWriter()
        self._labels: list[str] = []
        self._weights: list[str] = []
        self._groups: list[str] = []

    def append(self, row: Sequence[str]) -> None:
        """Add a row, a cell for each of the wanted names."""
        self._texts.append(joined([row[place] for place in self._places]))
        if self._label is not None:
            self._labels.append(row[self._label])
        if self._weight is not None:
            self._weights.append(row[self._weight])
        if self._group is not None:
            self._groups.append(row[self._group])

    def columns(self, lines: int | None = None) -> Columns:
        """Return the columns of the rows that were added.

        Args:
            lines: The number of lines of the file; None if the file is not a text.
        """
        weights = None if self._weight is None else self._weights
        groups = None if self._group is None else self._groups
        return Columns(self._texts.texts(), self._labels, weights, lines, groups)


def cell_text(value: Any) -> str:
    """Return the text of a cell as a CSV file has it; a whole number has no decimals."""
    if value is None or value != value:  # noqa: PLR0124, true for NaN, and for NaT of pandas
        return ""
    if isinstance(value, bytes):
        return value.decode()
    is_float = isinstance(value, float | np.floating)
    return str(int(value)) if is_float and value.is_integer() and abs(value) < EXACT else str(value)


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
        hint = (
            f". Its first row looks like data; add a row of names above it: {','.join(wanted)}, or "
            "give all names as data.columns"
        )
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
