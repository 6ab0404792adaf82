"""Files that a trained model is used on: texts to predict for, or texts with known labels."""

import sys
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnexp.config_files import path_here
from rnnexp.data import table_files
from rnnexp.data.columns import Format, Wanted
from rnnexp.data.dataset import Dataset, Label
from rnnexp.data.delimited_files import open_text
from rnnexp.data.encoding import Rows, Vocabulary, tokenize
from rnnexp.data.source import Source
from rnnexp.data.table import WHOLE_OR_DECIMAL, blanks, number_labels
from rnnexp.errors import DataError, one_line

STDIN = "-"
SHOWN = 5  # labels in a message


@dataclass(frozen=True, eq=False)
class Examples:
    """Texts with known labels, to evaluate a model on.

    Attributes:
        name: What they are called.
        texts: The texts.
        x: ``int32 (n, maxlen)`` the texts as ids.
        y: ``(n,)`` class numbers, or numbers to predict.
    """

    name: str
    texts: Sequence[str]
    x: Rows
    y: npt.NDArray[np.int64] | npt.NDArray[np.float32]


def held_out(source: Source, dataset: Dataset) -> Examples:
    """Return the test part of some data."""
    test, files = dataset.test(), source.files()
    if "test" in files:  # the other parts, which may be large, are not read once more
        names, _ = source.column_names()
        path, wanted = files["test"], Wanted(names, None)
        texts = table_files.read(path, wanted, source.form, f"data.test={path}").texts
    else:
        texts = source.read()["test"].texts
    return Examples("the test part", texts, test.x, test.y)


def read_texts(file: str, source: Source) -> Sequence[str]:
    """Read texts without labels.

    Args:
        file: A table with the columns of the source's texts; a .txt file with a text a line, unless
            its first line has the names of these columns; or ``-`` for standard input, with a text
            a line.
        source: The source of the data that the model was trained on.

    Raises:
        DataError: If the file can't be read, or has no such columns.
    """
    names, _ = source.column_names()
    path = None if file == STDIN else _accepted(file)
    try:
        if path is None:
            return _lines(sys.stdin)
        if table_files.kind(path) == ".txt":
            with open_text(path_here(file), source.form.encoding) as stream:
                if not _is_table(stream.readline(), names, source.form):
                    stream.seek(0)
                    return _lines(stream)
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        problem = f"{file} can't be read: {one_line(error)}; save it as UTF-8"
        raise DataError([problem]) from error
    return table_files.read(path, Wanted(names, None), source.form, file).texts


def _is_table(line: str, names: Sequence[str], form: Format) -> bool:
    """Return whether the first line of a .txt file is that of a table, not a text."""
    cells = [cell.strip() for cell in line.split("\t")]
    return set(names) <= set(cells) or (form.names is not None and len(cells) == len(form.names))


def read_examples(file: str, source: Source, dataset: Dataset) -> Examples:
    """Read texts and their labels from a table with the columns of the source.

    Args:
        file: The file.
        source: The source of the data that the model was trained on.
        dataset: These data.

    Returns:
        The texts, encoded with the vocabulary of the data, and their labels.

    Raises:
        DataError: If the file can't be read, lacks a column, or has unknown labels; lists every
            problem.
    """
    names, label = source.column_names()
    found = table_files.read(_accepted(file), Wanted(names, label), source.form, file)
    if not found.texts:
        raise DataError([f"{file} has no rows"])
    problems = blanks(found.texts, file, " and ".join(map(repr, names)))
    if dataset.classes:
        y: Any = _class_numbers(found.labels, dataset.classes, f"{file}: {label!r}", problems)
    else:
        numbers = number_labels(found.labels, file, label, problems)
        y = np.array(numbers, dtype=np.float32)
    if problems:
        raise DataError(problems)
    tokens = [tokenize(text, source.split) for text in found.texts]
    x = Vocabulary(dataset.words).encode(tokens, dataset.maxlen)
    return Examples(Path(file).name, found.texts, x, y)


def _accepted(file: str) -> Path:
    """Return the path of a file that can be read.

    Raises:
        DataError: If there is no such file, or no reader for it.
    """
    path = Path(file)
    if problem := table_files.problem(path):
        raise DataError([f"{file} {problem}"])
    return path


def _lines(stream: Iterable[str]) -> list[str]:
    return [line.rstrip("\r\n") for line in stream]


def _class_numbers(
    cells: Sequence[str], classes: Sequence[Label], column: str, problems: list[str]
) -> npt.NDArray[np.int64]:
    """Return the number of each label's class; unknown labels are reported among the problems."""
    known = {str(label): number for number, label in enumerate(classes)}
    numbers = {
        Decimal(text): number for text, number in known.items() if WHOLE_OR_DECIMAL.fullmatch(text)
    }

    def number_of(cell: str) -> int:
        text = cell.strip()
        is_number = bool(WHOLE_OR_DECIMAL.fullmatch(text)) and len(numbers) == len(known)
        return known.get(text, numbers.get(Decimal(text), -1) if is_number else -1)

    found = np.array([number_of(cell) for cell in cells], dtype=np.int64)
    unknown = {cell.strip() for cell, number in zip(cells, found, strict=True) if number < 0}
    if unknown:
        problems.append(
            f"{column} has labels that the model does not know: {_shown(sorted(unknown))}; it "
            f"knows {_shown(list(known))}"
        )
    return found


def _shown(labels: Sequence[str]) -> str:
    return ", ".join(map(repr, labels[:SHOWN])) + (", ..." if len(labels) > SHOWN else "")
