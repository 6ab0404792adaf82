"""Files with a table: CSV, TSV and JSON lines, also compressed, Parquet, Excel, saved datasets.

All kinds of files are read by one rule, so that a table reads alike whatever file it is in: a cell
is a text, a missing cell is an empty text, a whole number has no decimals, and names of columns
have no white space around them.

    table_files.py -> delimited_files.py: CSV and TSV
                   -> json_files.py: JSON lines
                   -> parquet_files.py
                   -> excel_files.py
                   -> dataset_folders.py: folders of Hugging Face's datasets
                      all: columns.py, which finds the columns by their names
"""

import hashlib
import zlib
from pathlib import Path

from rnnexp.config_files import path_here
from rnnexp.data import (
    dataset_folders,
    delimited_files,
    excel_files,
    json_files,
    parquet_files,
)
from rnnexp.data.columns import Columns, Format, Wanted
from rnnexp.errors import DataError, one_line
from rnnexp.identity import digest

ACCEPTED = (
    "accepted files are .csv, .tsv, .txt (with tabs) and .jsonl, also compressed as .gz, .parquet, "
    ".xlsx, and folders that `save_to_disk` of Hugging Face's datasets has written"
)
JSON_LINES = (".jsonl", ".ndjson")
BINARY = (".parquet", ".xlsx")
FOLDER = "folder"  # as a kind


def kind(path: Path) -> str | None:
    """Return the ending that says how to read a file; None if such files are not accepted."""
    here = path_here(str(path))
    if here.is_dir():
        return FOLDER if dataset_folders.is_dataset(here) else None
    *_, before, last = ("", "", *(suffix.lower() for suffix in path.suffixes))
    if last in BINARY:
        return last
    ending = before if last == ".gz" else last
    return ending if ending in (*delimited_files.SEPARATORS, *JSON_LINES) else None


def problem(path: Path) -> str | None:
    """Return why a file can't be read, to follow its name; None if it exists and has a reader."""
    here = path_here(str(path))
    if not here.exists():
        return f"does not exist; {ACCEPTED}"
    if kind(path) is None:
        return f"is {'a folder' if here.is_dir() else 'of an unknown kind'}; {ACCEPTED}"
    return None


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files of a saved dataset.

    Args:
        path: The file or the folder, as the config names it; see `rnnexp.config_files.path_here`.

    Raises:
        DataError: If a folder has no dataset, or several.
        OSError: If a file can't be read.
    """
    here = path_here(str(path))
    if not here.is_dir():
        return digest(here)
    every = [digest(file) for file in dataset_folders.files_of(here, str(path))]
    return hashlib.sha256(" ".join(every).encode()).hexdigest()


def read(path: Path, wanted: Wanted, form: Format, file: str) -> Columns:
    """Read some columns of a file.

    Args:
        path: The file.
        wanted: The columns.
        form: What the file itself does not say.
        file: How messages name the file, such as ``data.train=a.csv``.

    Raises:
        DataError: If the file can't be read, or lacks a column.
    """
    ending, path = kind(path), path_here(str(path))
    try:
        if ending == FOLDER:
            return dataset_folders.read(path, wanted, file)
        if ending == ".parquet":
            return parquet_files.read(path, wanted, file)
        if ending == ".xlsx":
            return excel_files.read(path, wanted, form, file)
        if ending in JSON_LINES:
            return json_files.read(path, wanted, form, file)
        return delimited_files.read(path, ending or ".csv", wanted, form, file)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            [
                f"{file} is not {form.encoding or 'UTF-8'}: byte 0x{byte:02x} can't be decoded; "
                "save it as UTF-8, or give its data.encoding, such as cp1252 or cp949"
            ]
        ) from error
    except (OSError, EOFError, ValueError, NotImplementedError, zlib.error) as error:
        # The errors of pyarrow are ValueErrors, NotImplementedErrors or OSErrors.
        raise DataError([f"{file} can't be read: {one_line(error)}"]) from error
