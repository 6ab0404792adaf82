"""Anybody's reviews: CSV, TSV (also .gz) or Parquet files with a text and a label column."""

import hashlib
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.utils import to_absolute_path

from rnnexp.data.source import Corpus, Label, Source
from rnnexp.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SEPARATORS = {".csv": ",", ".tsv": "\t"}
ACCEPTED = "accepted are .csv and .tsv, also compressed as .gz, and .parquet"
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(kw_only=True)
class Table(Source):
    """Two files, one to train and one to test on.

    Attributes:
        train: File of the training part; relative to where the command was started.
        test: File of the test part.
        text: Column with the texts.
        label: Column with the labels: numbers or words, one value a class.
    """

    train: str
    test: str
    text: str
    label: str

    def faults(self) -> list[str]:
        """What of the settings can't work."""
        faults = super().faults()
        for name, path in self._files().items():
            if not path.is_file():
                found = "is a folder" if path.is_dir() else "does not exist"
                faults.append(f"data.{name}={path} {found}; {ACCEPTED}")
            elif _kind(path) is None:
                faults.append(f"data.{name}={path} is of an unknown kind; {ACCEPTED}")
        return faults

    def fingerprint(self) -> dict[str, object]:
        """Digests of the files and the columns' names."""
        try:
            digests = {name: _digest(path) for name, path in self._files().items()}
        except OSError as error:
            raise DataError([f"{error.filename} can't be read: {error.strerror}"]) from error
        return {**digests, "text": self.text, "label": self.label}

    def read(self) -> tuple[Corpus, Corpus]:
        """Both files."""
        faults: list[str] = []
        corpora = []
        for name, path in self._files().items():
            try:
                corpora.append(
                    _corpus(_frame(path), f"data.{name}={path}", str(self.text), str(self.label))
                )
            except DataError as error:
                faults += error.faults
        if faults:
            raise DataError(faults)
        train, test = corpora
        return train, test

    def _files(self) -> dict[str, Path]:
        return {name: Path(to_absolute_path(getattr(self, name))) for name in ("train", "test")}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _kind(path: Path) -> str | None:
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    return suffix if suffix == ".parquet" or suffix in SEPARATORS else None


def _frame(path: Path) -> "pd.DataFrame":
    # Imported here: only a sweep over a table that is not yet in the cache needs it.
    import pandas as pd

    kind = _kind(path)
    try:
        if kind == ".parquet":
            return pd.read_parquet(path)
        # Everything as text: a review may well read "NA".
        return pd.read_csv(
            path,
            sep=SEPARATORS[kind or ".csv"],
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


def _corpus(frame: "pd.DataFrame", file: str, text: str, label: str) -> Corpus:
    import pandas as pd

    frame.columns = frame.columns.astype(str)
    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            [
                f"{file} has more fields in a row than its header has columns; a text with a "
                "separator in it must stand in double quotes"
            ]
        )
    missing = [column for column in (text, label) if column not in frame.columns]
    if missing:
        columns = ", ".join(map(str, frame.columns))
        raise DataError(
            [f"{file} has no column {column!r}; it has: {columns}" for column in missing]
        )
    if frame.empty:
        raise DataError([f"{file} has no rows"])
    faults = []
    for column in (text, label):
        blank = frame[column].isna() | (frame[column].astype(str).str.strip() == "")
        if blank.any():
            rows = ", ".join(str(row + 1) for row in blank.to_numpy().nonzero()[0][:5])
            faults.append(
                f"{file} has {blank.sum()} rows without a {column!r} (the first are rows {rows}); "
                "fill or remove them"
            )
    if faults:
        raise DataError(faults)
    return Corpus(frame[text].astype(str).tolist(), _labels(frame[label].tolist()))


def _labels(values: list[Label]) -> list[Label]:
    """Whole numbers where all are, else numbers where all are, else text."""
    texts = [str(int(value) if isinstance(value, bool) else value) for value in values]
    if not all(NUMBER.fullmatch(text) for text in texts):
        return list(texts)
    numbers = [float(text) for text in texts]
    if all(number.is_integer() for number in numbers):
        return [int(number) for number in numbers]
    return list(numbers)
