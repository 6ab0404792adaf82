"""Files with a table: CSV and TSV, also compressed as .gz, and Parquet."""

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {".csv": ",", ".tsv": "\t"}
ACCEPTED = "accepted files are .csv and .tsv, also compressed as .gz, and .parquet"


def kind(path: Path) -> str | None:
    """Return the ending that says how to read a file; None if such files are not accepted."""
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return suffix if suffix == ".parquet" or suffix in SEPARATORS else None


def read(path: Path) -> "pd.DataFrame":
    """Read the table of a file.

    Returns:
        The table; all columns of a CSV or TSV file are text.

    Raises:
        DataError: If the file can't be read.
    """
    # Imported here, since only data that are not in the cache yet need pandas.
    import pandas as pd

    ending = kind(path)
    try:
        if ending == ".parquet":
            return pd.read_parquet(path)
        # All columns as text, since a review may be the text "NA".
        return pd.read_csv(
            path,
            sep=SEPARATORS[ending or ".csv"],
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
        )
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            [
                f"{path} is not UTF-8: byte 0x{byte:02x} can't be decoded; "
                "save it as UTF-8, for example with iconv"
            ]
        ) from error
    except (OSError, EOFError, ValueError, zlib.error) as error:
        # The parser errors of pandas and pyarrow are ValueErrors.
        raise DataError([f"{path} can't be read: {str(error).strip()}"]) from error
