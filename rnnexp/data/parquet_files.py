"""Parquet files, whose typed columns become cells of text."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnexp.data import columns
from rnnexp.data.columns import Cells, Columns, Wanted, cell_text
from rnnexp.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

INDEX = re.compile(r"__index_level_\d+__")  # the column of an index of pandas without a name
ROWS = 1000  # are read at once


def read(path: Path, wanted: Wanted, file: str) -> Columns:
    """Read some columns of a file.

    Args:
        path: The file.
        wanted: The columns.
        file: How messages name the file.

    Raises:
        DataError: If a column is missing, or its cells are neither texts nor numbers.
        OSError: If the file can't be read.
        ValueError: If the file is not a Parquet file.
    """
    # Imported here, since only data that are not in the cache yet need pyarrow.
    import pyarrow.parquet as pq

    cells = Cells(wanted)
    with pq.ParquetFile(path) as parquet:
        names = [name for name in parquet.schema_arrow.names if not INDEX.fullmatch(name)]
        found = [names[place] for place in columns.find(wanted.names, names, file)]
        for batch in parquet.iter_batches(ROWS, columns=found):
            append(cells, batch, wanted.names, found, file)
    return cells.columns()


def append(
    cells: Cells, batch: "pa.RecordBatch", wanted: Sequence[str], found: Sequence[str], file: str
) -> None:
    """Add the rows of a batch.

    Args:
        cells: The cells.
        batch: The batch.
        wanted: The names of the columns.
        found: The same columns as the batch names them.
        file: How messages name the file.
    """
    texts = [
        _texts(batch.column(name), f"{file}, column {column!r}")
        for column, name in zip(wanted, found, strict=True)
    ]
    for row in zip(*texts, strict=True):
        cells.append(row)


def _texts(column: "pa.Array", where: str) -> list[str]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind):
        raise DataError([f"{where}: its cells are of type {kind}; they must be texts or numbers"])
    # The shortest text of a float32 is that of the number as float32.
    convert = np.float32 if pa.types.is_float32(kind) else None
    return [cell_text(convert(v) if convert and v is not None else v) for v in column.to_pylist()]
