"""Files with a table: CSV and TSV, also compressed as .gz, and Parquet.

All kinds of files are read by one rule, so that a table reads alike whatever file it is in: a cell
is a text, a missing cell is an empty text, a whole number has no decimals, and names of columns
have no white space around them.

    table_files.py -> delimited_files.py: CSV and TSV
                   -> parquet_files.py
                      both: columns.py, which finds the columns by their names
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

from rnnexp.data import delimited_files, parquet_files
from rnnexp.data.columns import Columns
from rnnexp.errors import DataError, one_line

ACCEPTED = "accepted files are .csv and .tsv, also compressed as .gz, and .parquet"


def kind(path: Path) -> str | None:
    """Return the ending that says how to read a file; None if such files are not accepted."""
    *_, before, last = ("", "", *(suffix.lower() for suffix in path.suffixes))
    if last == ".parquet":
        return last
    ending = before if last == ".gz" else last
    return ending if ending in delimited_files.SEPARATORS else None


def read(path: Path, wanted: Sequence[str], text: str, label: str, file: str) -> Columns:
    """Read some columns of a file.

    Args:
        path: The file.
        wanted: The names of the columns.
        text: The one of these names whose column has the texts, which are stored on disk.
        label: The one of these names whose column has the labels.
        file: How messages name the file, such as ``data.train=a.csv``.

    Raises:
        DataError: If the file can't be read, or lacks a column.
    """
    ending = kind(path)
    try:
        if ending == ".parquet":
            return parquet_files.read(path, wanted, text, file)
        return delimited_files.read(path, ending or ".csv", wanted, text, label, file)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            [
                f"{file} is not UTF-8: byte 0x{byte:02x} can't be decoded; save it as UTF-8, for "
                "example with iconv"
            ]
        ) from error
    except (OSError, EOFError, ValueError, NotImplementedError, zlib.error) as error:
        # The errors of pyarrow are ValueErrors, NotImplementedErrors or OSErrors.
        raise DataError([f"{file} can't be read: {one_line(error)}"]) from error
