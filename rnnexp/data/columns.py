"""Columns of a file, found by their names; a name that is not there gets its nearest."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

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


def find(
    wanted: Sequence[str],
    header: Sequence[str],
    file: str,
    separator: str = "",
    rows: Iterable[Sequence[str]] = (),
) -> list[int]:
    """Return the places of some columns in a header.

    Args:
        wanted: The names of the columns.
        header: The names of all columns of the file.
        file: How messages name the file.
        separator: What separates the file's columns; empty if the file is not a text.
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
        hint = _other_separator(missing, header, separator) or _no_header(wanted, header, rows)
        problems += [
            f"{file} has no column {column!r}; it has: {known}{hint or did_you_mean(column, names)}"
            for column in missing
        ][: 1 if hint else None]
    if problems:
        raise DataError(problems)
    return [names.index(column) for column in wanted]


def _other_separator(missing: Sequence[str], header: Sequence[str], separator: str) -> str:
    if not separator:
        return ""
    line = separator.join(header)
    for other in {",", ";", "\t", "|"} - {separator}:
        names = [name.strip().strip('"') for name in line.split(other)]
        if all(column in names for column in missing):
            return (
                f". Its columns are separated by {other!r}; save it with commas as .csv, or with "
                "tabs as .tsv"
            )
    return ""


def _no_header(wanted: Sequence[str], header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a hint if a header looks like data: it has a number, or a cell that comes again."""
    below = [set(cells) for cells in zip(*rows, strict=False)]
    is_data = below and any(
        NUMBER.fullmatch(name.strip()) or name in cells
        for name, cells in zip(header, below, strict=False)
        if name.strip()
    )
    names = ",".join(wanted)
    return (
        f". Its first row looks like data; add a row of names above it: {names}" if is_data else ""
    )
