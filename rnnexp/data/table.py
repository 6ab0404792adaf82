"""Reviews in the user's own files, with columns for texts, labels and optional sample weights."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from hydra.utils import to_absolute_path

from rnnexp.data import table_files
from rnnexp.data.dataset import Label
from rnnexp.data.source import PARTS, Corpus, Source
from rnnexp.errors import DataError
from rnnexp.identity import digest

if TYPE_CHECKING:
    import pandas as pd

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")  # a class in this form is a number
SCIENTIFIC = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LARGEST = float(np.finfo(np.float32).max)


@dataclass(kw_only=True)
class Table(Source):
    """Files of reviews: one to train on, one to test on, and optionally one to validate on.

    Relative paths start where the command was started.

    Attributes:
        train: The file of the training part.
        test: The file of the test part.
        validation: The file of the validation part; None if there is none.
        text: The column of the texts.
        label: The column of the labels: numbers or words, one value a class; numbers for
            ``task=regression``.
        weight: The column of the sample weights, numbers that are at least 0, in the training and
            the validation file; None if every review counts the same.
    """

    train: str
    test: str
    text: str
    label: str
    validation: str | None = None
    weight: str | None = None

    def problems(self) -> list[str]:
        """Return what is wrong with the attributes, one message per problem."""
        problems = super().problems()
        for name, path in self._files().items():
            if not path.is_file():
                found = "is a folder" if path.is_dir() else "does not exist"
                problems.append(f"data.{name}={path} {found}; {table_files.ACCEPTED}")
            elif table_files.kind(path) is None:
                problems.append(f"data.{name}={path} is of an unknown kind; {table_files.ACCEPTED}")
        return problems

    def fingerprint(self) -> dict[str, object]:
        """Return the digests of the files, and the names of the columns."""
        try:
            digests = {name: digest(path) for name, path in self._files().items()}
        except OSError as error:
            raise DataError([f"{error.filename} can't be read: {error.strerror}"]) from error
        return {**digests, "text": self.text, "label": self.label, "weight": self.weight}

    def rows(self, part: str) -> dict[str, object]:
        """Return the digest of the file of a part, and the column of its labels."""
        return {"sha256": digest(self._files()[part])[:16], "label": self.label}

    def measured_on(self, on_validation: bool, validation_split: float | None) -> tuple[str, str]:
        """Return what a monitored value is measured on: the validation file, if there is one."""
        if self.validation is None:
            return super().measured_on(on_validation, validation_split)
        return self._rows("validation" if on_validation else "train"), "a file of its own"

    def read(self) -> dict[str, Corpus]:
        """Read all files.

        Raises:
            DataError: If a file can't be read, or a column doesn't suit its purpose; lists every
                problem.
        """
        problems: list[str] = []
        corpora = {}
        for name, path in self._files().items():
            try:
                corpora[name] = self._corpus(table_files.read(path), name, f"data.{name}={path}")
            except DataError as error:
                problems += error.problems
        if problems:
            raise DataError(problems)
        return corpora if self.task == "regression" else _typed(corpora)

    def _files(self) -> dict[str, Path]:
        given = {name: getattr(self, name) for name in PARTS}
        return {
            name: Path(to_absolute_path(path)) for name, path in given.items() if path is not None
        }

    def _corpus(self, frame: "pd.DataFrame", part: str, file: str) -> Corpus:
        text, label = str(self.text), str(self.label)
        weight = None if self.weight is None or part == "test" else str(self.weight)
        frame.columns = frame.columns.astype(str)
        _check_shape(frame, file, [text, label] if weight is None else [text, label, weight])
        problems: list[str] = []
        if self.task == "regression":
            problems += _blanks(frame, file, [text])
            labels = _number_labels(frame, file, label, problems)
        else:
            problems += _blanks(frame, file, [text, label])
            labels = frame[label].tolist()
        weights = None if weight is None else _weights(frame, file, weight, problems)
        if problems:
            raise DataError(problems)
        return Corpus(frame[text].astype(str).tolist(), labels, weights)


def _check_shape(frame: "pd.DataFrame", file: str, columns: Sequence[str]) -> None:
    import pandas as pd

    if not isinstance(frame.index, pd.RangeIndex):
        raise DataError(
            [
                f"{file} has more fields in a row than its header has columns; a text with a "
                "separator in it must be in double quotes"
            ]
        )
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        known = ", ".join(map(str, frame.columns))
        raise DataError([f"{file} has no column {column!r}; it has: {known}" for column in missing])
    if frame.empty:
        raise DataError([f"{file} has no rows"])


def _blanks(frame: "pd.DataFrame", file: str, columns: Sequence[str]) -> list[str]:
    problems = []
    for column in columns:
        blank = frame[column].isna() | (frame[column].astype(str).str.strip() == "")
        if blank.any():
            rows = ", ".join(str(row + 1) for row in blank.to_numpy().nonzero()[0][:5])
            problems.append(
                f"{file} has {blank.sum()} rows without a {column!r} (the first are rows {rows}); "
                "fill or remove them"
            )
    return problems


def _typed(corpora: Mapping[str, Corpus]) -> dict[str, Corpus]:
    """Give the labels of all files one type, though the labels of one file may all be numbers."""
    labels = iter(_labels([label for corpus in corpora.values() for label in corpus.labels]))
    return {
        name: replace(corpus, labels=list(islice(labels, len(corpus.labels))))
        for name, corpus in corpora.items()
    }


def _labels(values: Sequence[Label]) -> list[Label]:
    """Return whole numbers if all labels are whole, else numbers if all are numbers, else text."""
    texts = [str(int(value) if isinstance(value, bool) else value) for value in values]
    if not all(NUMBER.fullmatch(text) for text in texts):
        return list(texts)
    numbers = [float(text) for text in texts]
    if all(number.is_integer() for number in numbers):
        return [int(number) for number in numbers]
    return list(numbers)


def _number_labels(
    frame: "pd.DataFrame", file: str, column: str, problems: list[str]
) -> list[Label]:
    values = frame[column].tolist()
    numbers = _numbers(values)
    what = f"label {column!r} is not a finite number, as data.task=regression needs"
    problems += _bad_rows(file, what, values, np.isnan(numbers))
    return list(numbers.tolist())


def _weights(frame: "pd.DataFrame", file: str, column: str, problems: list[str]) -> list[float]:
    values = frame[column].tolist()
    numbers = _numbers(values)
    what = f"weight {column!r} is not a finite number, at least 0"
    problems += _bad_rows(file, what, values, np.isnan(numbers) | (numbers < 0))
    if not numbers.astype(np.float32).any():
        problems.append(f"{file}: every weight {column!r} is 0; some must be above")
    return list(numbers.tolist())


def _numbers(values: Sequence[object]) -> npt.NDArray[np.float64]:
    """Return ``float64 (n,)``, NaN where a value is not a number, or exceeds float32."""
    return np.array([_number(value) for value in values])


def _number(value: object) -> float:
    text = str(int(value) if isinstance(value, bool) else value).strip()
    number = float(text) if SCIENTIFIC.fullmatch(text) else np.nan
    return number if abs(number) <= LARGEST else np.nan


def _bad_rows(
    file: str, what: str, values: Sequence[object], bad: npt.NDArray[np.bool_]
) -> list[str]:
    """Return at most one message: the number of bad rows, and the first of them with values."""
    if not bad.any():
        return []
    shown = ", ".join(f"row {row + 1}: {values[row]!r}" for row in bad.nonzero()[0][:5])
    return [f"{file} has {bad.sum()} rows whose {what} (the first are {shown})"]
