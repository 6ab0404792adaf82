"""Excel files, whose first sheet is the table, by the extra ``excel``."""

from pathlib import Path

from rnnexp.data import columns
from rnnexp.data.columns import Cells, Columns, Format, Wanted, cell_text
from rnnexp.errors import DataError

INSTALL = "the package openpyxl is missing; install it (pip install 'rnnexp[excel]')"


def read(path: Path, wanted: Wanted, form: Format, file: str) -> Columns:
    """Read some columns of a file.

    Args:
        path: The file.
        wanted: The columns.
        form: What the file itself does not say.
        file: How messages name the file.

    Raises:
        DataError: If a column is missing, or the package that reads Excel's files.
        OSError: If the file can't be read.
        ValueError: If the file is no Excel file.
    """
    import pandas as pd

    try:
        frame = pd.read_excel(
            path, engine="openpyxl", header=0 if form.names is None else None, dtype=object,
            keep_default_na=False, na_values=[""],
        )  # fmt: skip
    except ImportError as error:
        raise DataError([f"{file} can't be read: {INSTALL}"]) from error
    except KeyError as error:  # a ZIP file of something else
        raise ValueError(str(error)) from error
    header = [str(name) for name in form.names or frame.columns]
    if len(header) < frame.shape[1]:
        raise DataError(
            [f"data.columns={header} names {len(header)} columns, but {file} has {frame.shape[1]}"]
        )
    places = columns.find(wanted.names, header, file)
    cells = Cells(wanted)
    for row in zip(*(frame.iloc[:, place] for place in places), strict=True):
        cells.append([cell_text(value) for value in row])
    return cells.columns()
