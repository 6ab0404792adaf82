"""Files with a table in them: CSV, TSV (also .gz) and Parquet."""

import hashlib
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rnnexp.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {".csv": ",", ".tsv": "\t"}
ACCEPTED = "accepted are .csv and .tsv, also compressed as .gz, and .parquet"


def kind(path: Path) -> str | None:
    """The ending that says how to read a file; None if it is not one of those accepted."""
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return suffix if suffix == ".parquet" or suffix in SEPARATORS else None


def digest(path: Path) -> str:
    """SHA-256 of a file; a process that asks again reads it only if it was changed since.

    Raises:
        OSError: If it can't be read.
    """
    found = path.stat()
    return _digest(path, found.st_size, found.st_mtime_ns)


@cache
def _digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001, part of the key
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> "pd.DataFrame":
    """The table, every column of a CSV or TSV file as text.

    Raises:
        DataError: If it can't be read.
    """
    # Imported here: only a sweep over a table that is not yet in the cache needs it.
    import pandas as pd

    ending = kind(path)
    try:
        if ending == ".parquet":
            return pd.read_parquet(path)
        # Everything as text: a review may well read "NA".
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
        # pandas' parser errors and pyarrow's are ValueErrors.
        raise DataError([f"{path} can't be read: {str(error).strip()}"]) from error
