"""CSV and TSV files, as cells of text.

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
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.data import columns
from rnnexp.data.columns import Cells, Columns
from rnnexp.data.stored_texts import TextWriter
from rnnexp.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader


class _Csv(csv.excel):
    strict = True
    skipinitialspace = True


class _Tsv(csv.excel_tab):
    quoting = csv.QUOTE_NONE


DIALECTS = {".csv": _Csv, ".tsv": _Tsv}
SEPARATORS = {ending: dialect.delimiter for ending, dialect in DIALECTS.items()}
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
QUOTED = re.compile(r'"(?:[^"]|"")*"')

Record = tuple[int, list[str]]  # number of the line in which a row begins, and its cells


def read(
    path: Path, ending: str, wanted: Sequence[str], text: str, label: str, file: str
) -> Columns:
    """Read some columns of a file.

    Args:
        path: The file, compressed if its name ends in .gz.
        ending: ``.csv`` or ``.tsv``.
        wanted: The names of the columns.
        text: The one of these names whose column has the texts, which are stored on disk.
        label: The one of these names whose column has the labels.
        file: How messages name the file.

    Raises:
        DataError: If a column is missing, or a row can't be read.
        UnicodeDecodeError: If the file is not in UTF-8, nor in UTF-16 with a byte order mark.
        OSError: If the file can't be read.
    """
    csv.field_size_limit(sys.maxsize)  # of the csv module's default, 131,072, a text may be longer
    with _open(path) as stream:
        first = next((line for line in stream if line.strip()), None)
        if first is None:
            raise DataError([f"{file} can't be read: it is empty"])
        _check_first_line(first, ending, wanted, file)
        stream.seek(0)
        reader = csv.reader(stream, DIALECTS[ending])
        records = _records(reader, file)
        _, header = next(records)
        if ending == ".tsv":
            records = _without_quotes(records, is_quoted=all(map(QUOTED.fullmatch, header)))
            header = [_unquoted(name) for name in header]
        places = columns.find(wanted, header, file, (cells for _, cells in records))
        table, inside, labels = Cells(wanted, text), TextWriter(), set()
        long = []
        for line, cells in records:
            row = [cells[place] if place < len(cells) else "" for place in places]
            table.append(row)
            labels.add(row[wanted.index(label)].strip())
            if any(cells[len(header) :]):
                long.append((line, len(cells)))
            if reader.line_num > line:
                for part in _rows_inside(cells, len(header)):
                    inside.append(f"{line},{part}")
        _check_length(long, len(header), ending, file)
        _check_quotes(inside.texts(), places[wanted.index(label)], labels, file)
        return table.columns(reader.line_num)


@contextmanager
def _open(path: Path) -> Iterator[io.TextIOBase]:
    with path.open("rb") as raw, gzip.open(raw) if path.suffix.lower() == ".gz" else raw as file:
        start = file.read(2)
        file.seek(0)
        encoding = "utf-16" if start in UTF16 else "utf-8-sig"
        yield io.TextIOWrapper(file, encoding=encoding, newline="")


def _check_first_line(line: str, ending: str, wanted: Sequence[str], file: str) -> None:
    if "\0" in line:
        raise DataError([f"{file} is not UTF-8: it has bytes of zero; save it as UTF-8"])
    if other := columns.other_separator(wanted, line, SEPARATORS[ending]):
        raise DataError(
            [
                f"{file}: its columns are separated by {other!r}, not by {SEPARATORS[ending]!r}: "
                f"{line.strip()[:80]}; save it with commas as .csv, or with tabs as .tsv"
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


def _check_length(long: Sequence[tuple[int, int]], width: int, ending: str, file: str) -> None:
    if not long:
        return
    line, found = long[0]
    remedy = {
        ".csv": "a text with a comma in it must be in double quotes",
        ".tsv": "a text can't have a tab in it, and quotes don't change that; save it as .csv",
    }
    raise DataError(
        [
            f"{file} has {len(long)} rows with more fields than its header, which has {width} (the "
            f"first is at line {line}, with {found}); {remedy[ending]}"
        ]
    )


def _rows_inside(cells: Iterable[str], width: int) -> Iterator[str]:
    """Yield the lines inside of the cells of a row that may be rows by themselves."""
    for cell in cells:
        yield from (line for line in cell.splitlines() if line.count(",") == width - 1)


def _check_quotes(inside: Iterable[str], place: int, labels: set[str], file: str) -> None:
    """Refuse a text with line breaks in it, of which a line looks like a row of the file.

    Args:
        inside: What `_rows_inside` yields, after the line in which the whole row begins.
        place: The place of the label in a row.
        labels: The labels of the file.
        file: How messages name the file.
    """
    for text in inside:
        line, row = text.split(",", 1)
        if row.split(",")[place].strip() in labels:
            raise DataError(
                [
                    f"{file} has other rows inside the quotation marks of the row at line {line}, "
                    f"such as {row!r}; close the mark that opens there, or write "
                    "it twice inside of a quoted text"
                ]
            )
