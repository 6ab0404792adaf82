"""CSV and TSV files, as cells of text; a file that ends in .txt has tabs.

A CSV file is read strictly: a text with a comma, a line break or a quotation mark in it is in
quotation marks, and marks inside are doubled. A mark that is left open would make one text of all
rows up to the next mark, so such a file is refused. In a TSV file a quotation mark is a character
like any other.
"""

import codecs
import csv
import gzip
import io
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.data import columns
from rnnexp.data.columns import Cells, Columns, Format, Wanted
from rnnexp.data.stored_texts import TextWriter
from rnnexp.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader


class _Csv(csv.excel):
    strict = True
    skipinitialspace = True


class _Tsv(csv.excel_tab):
    quoting = csv.QUOTE_NONE


DIALECTS = {".csv": _Csv, ".tsv": _Tsv, ".txt": _Tsv}
SEPARATORS = {ending: dialect.delimiter for ending, dialect in DIALECTS.items()}
TAB = "tab"  # in configs, since shells make the character hard to write
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
QUOTED = re.compile(r'"(?:[^"]|"")*"')

Record = tuple[int, list[str]]  # number of the line in which a row begins, and its cells


def read(path: Path, ending: str, wanted: Wanted, form: Format, file: str) -> Columns:
    """Read some columns of a file.

    Args:
        path: The file, compressed if its name ends in .gz.
        ending: The key of `DIALECTS`.
        wanted: The columns.
        form: What the file itself does not say.
        file: How messages name the file.

    Raises:
        DataError: If a column is missing, or a row can't be read.
        UnicodeDecodeError: If the file is in another encoding.
        OSError: If the file can't be read.
    """
    csv.field_size_limit(sys.maxsize)  # of the csv module's default, 131,072, a text may be longer
    dialect = dialect_of(ending, form.separator)
    with open_text(path, form.encoding) as stream:
        first = next((line for line in stream if line.strip()), None)
        if first is None:
            raise DataError([f"{file} can't be read: it is empty"])
        _check_first_line(first, dialect.delimiter, wanted, form, file)
        stream.seek(0)
        reader = csv.reader(stream, dialect)
        records = _records(reader, file)
        header, records = _header(records, form, dialect, file)
        places = columns.find(wanted.names, header, file, (cells for _, cells in records))
        label = wanted.place(wanted.label)
        table, inside, labels = Cells(wanted), TextWriter(), set()
        long = []
        for line, cells in records:
            row = [cells[place] if place < len(cells) else "" for place in places]
            table.append(row)
            if label is not None:
                labels.add(row[label].strip())
            if any(cells[len(header) :]):
                long.append((line, len(cells)))
            if reader.line_num > line:
                for part in _rows_inside(cells, len(header), dialect.delimiter):
                    inside.append(f"{line},{part}")
        _check_length(long, len(header), dialect, file)
        if label is not None:
            _check_quotes(inside.texts(), places[label], labels, dialect.delimiter, file)
        return table.columns(reader.line_num)


def dialect_of(ending: str, separator: str | None) -> type[csv.Dialect]:
    """Return how a file is read: with tabs a quotation mark is a character, else it quotes.

    Args:
        ending: The key of `DIALECTS`.
        separator: What separates the columns; None for that of the ending.
    """
    if separator in (None, SEPARATORS[ending]):
        return DIALECTS[ending]
    if separator == _Tsv.delimiter:
        return _Tsv
    return type("_Dialect", (_Csv,), {"delimiter": separator})


def _header(
    records: Iterator[Record], form: Format, dialect: type[csv.Dialect], file: str
) -> tuple[Sequence[str], Iterator[Record]]:
    """Return the names of the columns, and the rows below them."""
    line, first = next(records)
    header: Sequence[str] = first
    if form.names is not None:
        if len(form.names) < len(first):
            raise DataError(
                [
                    f"data.columns={list(form.names)} names {len(form.names)} columns, but {file} "
                    f"has {len(first)} in its first row; name all of them, in their order"
                ]
            )
        header, records = form.names, chain([(line, first)], records)
    if dialect is _Tsv:
        records = _without_quotes(records, is_quoted=all(map(QUOTED.fullmatch, first)))
        header = [_unquoted(name) for name in header]
    return header, records


@contextmanager
def open_text(path: Path, encoding: str | None) -> Iterator[io.TextIOBase]:
    """Open a text file, which is compressed if its name ends in .gz.

    Args:
        path: The file.
        encoding: The encoding; None for UTF-8, or UTF-16 with a byte order mark.
    """
    with path.open("rb") as raw, gzip.open(raw) if path.suffix.lower() == ".gz" else raw as file:
        start = file.read(2)
        file.seek(0)
        found = "utf-16" if start in UTF16 else "utf-8-sig"
        yield io.TextIOWrapper(file, encoding=encoding or found, newline="")


def _check_first_line(line: str, separator: str, wanted: Wanted, form: Format, file: str) -> None:
    if "\0" in line:
        raise DataError(
            [
                f"{file} is not UTF-8: it has bytes of zero; save it as UTF-8, or give "
                "data.encoding, such as utf-16-le"
            ]
        )
    names = wanted.names if form.names is None else []
    if other := columns.other_separator(names, line, separator):
        raise DataError(
            [
                f"{file}: its columns are separated by {other!r}, not by {separator!r}: "
                f"{line.strip()[:80]}; save it with commas as .csv, or with tabs as .tsv, or give "
                f"data.separator={TAB if other == _Tsv.delimiter else repr(other)}"
            ]
        )


def _records(reader: "Reader", file: str) -> Iterator[Record]:
    """Yield the rows of a file; a line without a character is no row."""
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                [
                    f"{file} can't be read: in the row at line {line} a quotation mark opens a "
                    f"cell, and none closes it at the cell's end ({error}); write the whole text "
                    'in quotation marks, and each mark in the text twice, as in "a ""b"" c"'
                ]
            ) from error
        if cells:
            yield line, cells


def _without_quotes(records: Iterable[Record], *, is_quoted: bool) -> Iterator[Record]:
    """Take off the quotation marks of a TSV file that was written with those of CSV.

    Args:
        records: The rows.
        is_quoted: Whether all names of the header are in quotation marks, and so each cell may be.
            Otherwise a cell is unquoted if the marks inside are doubled.
    """
    for line, cells in records:
        yield line, [_unquoted(cell) if is_quoted or '""' in cell else cell for cell in cells]


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if QUOTED.fullmatch(cell) else cell


def _check_length(
    long: Sequence[tuple[int, int]], width: int, dialect: type[csv.Dialect], file: str
) -> None:
    if not long:
        return
    line, found = long[0]
    remedies: dict[type[csv.Dialect], str] = {
        _Csv: "a text with a comma in it must be in double quotes",
        _Tsv: "a text can't have a tab in it, and quotes don't change that; save it as .csv",
    }
    remedy = remedies.get(dialect, "a text with a separator in it must be in double quotes")
    raise DataError(
        [
            f"{file} has {len(long)} rows with more fields than its header, which has {width} (the "
            f"first is at line {line}, with {found}); {remedy}"
        ]
    )


def _rows_inside(cells: Iterable[str], width: int, separator: str) -> Iterator[str]:
    """Yield the lines inside of the cells of a row that may be rows by themselves."""
    for cell in cells:
        yield from (line for line in cell.splitlines() if line.count(separator) == width - 1)


def _check_quotes(
    inside: Iterable[str], place: int, labels: set[str], separator: str, file: str
) -> None:
    """Refuse a text with line breaks in it, of which a line looks like a row of the file.

    Args:
        inside: What `_rows_inside` yields, after the line in which the whole row begins.
        place: The place of the label in a row.
        labels: The labels of the file.
        separator: What separates the columns.
        file: How messages name the file.
    """
    for text in inside:
        line, row = text.split(",", 1)
        if row.split(separator)[place].strip() in labels:
            raise DataError(
                [
                    f"{file} has other rows inside the quotation marks of the row at line {line}, "
                    f"such as {row!r}; close the mark that opens there, or write "
                    "it twice inside of a quoted text"
                ]
            )
