"""Files of JSON lines, an object a line, whose values become cells of text."""

import json
from pathlib import Path
from typing import Any

from rnnexp.data import columns
from rnnexp.data.columns import Cells, Columns, Format, Wanted, cell_text
from rnnexp.data.delimited_files import open_text
from rnnexp.errors import DataError


def read(path: Path, wanted: Wanted, form: Format, file: str) -> Columns:
    """Read some keys of the objects of a file; an object without a key has an empty cell.

    Args:
        path: The file, compressed if its name ends in .gz.
        wanted: The keys.
        form: What the file itself does not say.
        file: How messages name the file.

    Raises:
        DataError: If a line is no object, a value is neither a text nor a number, or the first
            object lacks a key.
        UnicodeDecodeError: If the file is in another encoding.
        OSError: If the file can't be read.
    """
    cells, names, number = Cells(wanted), wanted.names, 0
    is_first = True
    with open_text(path, form.encoding) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            found = _object(line, number, file)
            if is_first:
                columns.find(names, list(found), file)
                is_first = False
            cells.append([_cell(found.get(name), name, number, file) for name in names])
    if is_first:
        raise DataError([f"{file} can't be read: it is empty"])
    return cells.columns(number)


def _object(line: str, number: int, file: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise DataError([f"{file} can't be read: line {number} is not JSON: {error}"]) from error
    if not isinstance(found, dict):
        problem = f"line {number} is {line.strip()[:40]}, not an object such as {{...}}"
        raise DataError([f"{file} can't be read: {problem}; write an object a line"])
    return found


def _cell(value: Any, name: str, number: int, file: str) -> str:
    if isinstance(value, dict | list):
        raise DataError(
            [f"{file}: {name!r} in line {number} is {value!r:.40}; it must be a text or a number"]
        )
    return cell_text(value)
