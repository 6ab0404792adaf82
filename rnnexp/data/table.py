"""Reviews in the user's own files, with columns for texts, labels and optional sample weights."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rnnexp.config_files import absolute_path, path_here
from rnnexp.data import table_files
from rnnexp.data.columns import NUMBER, Format, Wanted
from rnnexp.data.counts import PARTS
from rnnexp.data.dataset import Label
from rnnexp.data.file_format import format_of, format_problems, given
from rnnexp.data.source import Corpus, Source
from rnnexp.data.stored_texts import digests
from rnnexp.data.table_files import digest_of
from rnnexp.errors import DataError
from rnnexp.number_ranges import SHARE

WHOLE_OR_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?")  # a class in this form is a number
LARGEST = float(np.finfo(np.float32).max)
TRUTH = {"true": 1.0, "false": 0.0}  # as numbers


@dataclass(kw_only=True)
class Table(Source):
    """Files of reviews: one to train on, one to test on, and optionally one to validate on.

    Relative paths start where the command was started.

    Attributes:
        train: The file of the training part.
        test: The file of the test part; or the share of the rows of ``train`` to test on, between
            0 and 1, which are the same rows in every run.
        validation: The file of the validation part; None if there is none.
        text: The column of the texts, or several, whose texts are joined by a space.
        label: The column of the labels: numbers or words, one value a class; numbers for
            ``task=regression``.
        weight: The column of the sample weights, numbers that are at least 0, in the training and
            the validation file; None if every review counts the same.
        columns: The names of all columns, in their order, of files without a row of names; None for
            files with one.
        encoding: The encoding of text files, as Python names it; None for UTF-8, or UTF-16 with a
            byte order mark.
        groups: The column of the groups in the training file, the rows of which stay in one fold;
            None if each row is its own.
        separator: The character, or ``tab``, between the columns of text files; None for a comma in
            .csv and a tab in .tsv and .txt.
    """

    train: str
    test: str | float
    text: str | Sequence[str]
    label: str
    validation: str | None = None
    weight: str | None = None
    groups: str | None = None
    columns: Sequence[str] | None = None
    encoding: str | None = None
    separator: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.validation is not None:
            self.validation_split = None  # since all rows of the training file are trained on

    def problems(self) -> list[str]:
        """Return what is wrong with the attributes, one message per problem."""
        problems = super().problems()
        if not isinstance(self.test, str):
            hint = ", as a share of data.train, or a file"
            problems += SHARE.problems("data.test", self.test, hint)
        files = self.files()
        problems += _file_problems(files)
        problems += format_problems(self.columns, self.encoding, self.separator, files.values())
        problems += _column_problems(self.text, *self.column_names())
        return problems + _test_problems(files)

    def fingerprint(self) -> dict[str, object]:
        """Return the digests of the files, and the names of the columns."""
        try:
            digests = {name: digest_of(path) for name, path in self.files().items()}
        except OSError as error:
            raise DataError([f"{error.filename} can't be read: {error.strerror}"]) from error
        text = list(self.column_names()[0]) if len(self.column_names()[0]) > 1 else self.text
        columns = {"text": text, "label": self.label, "weight": self.weight}
        groups = {} if self.groups is None else {"groups": self.groups}
        return {"test": self.test, **digests, **columns, **groups, **given(self.form)}

    def rows(self, part: str) -> dict[str, object]:
        """Return the digest of the file of a part, the column of its labels, and the test share."""
        files = self.files()
        share = {} if "test" in files else {"test": self.test}  # rows of the training part's file
        file = files.get(part, files["train"])
        own = {"label": self.label, **share, **given(self.form)}
        return {"sha256": digest_of(file)[:16]} | own

    def measured_on(self, on_validation: bool, validation_split: float | None) -> tuple[str, str]:
        """Return what a monitored value is measured on: the validation file, if there is one."""
        if self.validation is None:
            rows, order = super().measured_on(on_validation, validation_split)
            return rows, order + (f", grouped by {self.groups}" if self.groups else "")
        return self._rows("validation" if on_validation else "train"), "a file of its own"

    def read(self) -> dict[str, Corpus]:
        """Read all files.

        Raises:
            DataError: If a file can't be read, or a column doesn't suit its purpose; lists every
                problem.
        """
        problems: list[str] = []
        corpora = {}
        for name, path in self.files().items():
            try:
                corpora[name] = self._corpus(path, name, f"data.{name}={path}")
            except DataError as error:
                problems += error.problems
        if problems:
            raise DataError(problems)
        if self.task != "regression":
            corpora = _typed(corpora)
        if not isinstance(self.test, str):
            by_label = self.task != "regression"
            train, test = _split(corpora["train"], self.test, by_label=by_label)
            if not (train.texts and test.texts):
                raise DataError([_unsplit(self.test, corpora["train"])])
            corpora |= {"train": train, "test": test}
        return corpora

    def files(self) -> dict[str, Path]:
        """Return the files by part, with the paths that messages name."""
        given = {name: getattr(self, name) for name in PARTS}
        return {
            name: Path(absolute_path(str(path)))
            for name, path in given.items()
            if path is not None and (name != "test" or isinstance(path, str))
        }

    def column_names(self) -> tuple[tuple[str, ...], str]:
        """Return the names of the columns of the texts, and that of the labels."""
        return tuple(map(_column, _listed(self.text))), _column(self.label)

    @property
    def form(self) -> Format:
        """What the files themselves do not say."""
        return format_of(self.columns, self.encoding, self.separator)

    def _corpus(self, path: Path, part: str, file: str) -> Corpus:
        weight = None if self.weight is None or part == "test" else _column(self.weight)
        group = None if self.groups is None or part != "train" else _column(self.groups)
        texts, label = self.column_names()
        wanted = Wanted(texts, label, weight, group)
        found = table_files.read(path, wanted, self.form, file)
        if not found.texts:
            raise DataError([f"{file} has no rows"])
        problems = blanks(found.texts, file, " and ".join(map(repr, texts)))
        if self.task == "regression":
            labels = number_labels(found.labels, file, label, problems)
        else:
            problems += blanks(found.labels, file, repr(label))
            labels = [cell.strip() for cell in found.labels]
        weights = None
        if weight and found.weights is not None:
            weights = _weights(found.weights, file, weight, problems)
        if found.groups is not None:
            problems += blanks(found.groups, file, repr(group))
        if problems:
            raise DataError(problems)
        size = len(found.texts), found.lines
        return Corpus(found.texts, labels, weights, size, found.groups)


def _file_problems(files: Mapping[str, Path]) -> Iterator[str]:
    for name, path in files.items():
        if problem := table_files.problem(path):
            yield f"data.{name}={path} {problem}"


def _column_problems(given: object, texts: Sequence[str], label: str) -> list[str]:
    problems = [] if texts else ["data.text=[]: give the name of a column, or of several"]
    if label in texts:
        problems.append(
            f"data.text={given} and data.label={label} are one column, so the label would be read "
            "off the text; give the names of two columns"
        )
    return problems


def _test_problems(files: Mapping[str, Path]) -> list[str]:
    if not {"test", "validation"} <= set(files) or not _is_same(files["test"], files["validation"]):
        return []
    return [
        f"fit.validation_data={files['test']} is the file of data.test too, so the search would "
        "choose by the test part; give another file, or null to validate on fit.validation_split "
        "of the training part"
    ]


def _is_same(file: Path, other: Path) -> bool:
    return path_here(str(file)).resolve() == path_here(str(other)).resolve()


def _listed(names: object) -> Sequence[object]:
    is_list = isinstance(names, Sequence) and not isinstance(names, str)
    return names if is_list else [names]  # type: ignore[return-value]  # not narrowed by a name


def _column(name: object) -> str:
    return str(name).strip()


def _split(corpus: Corpus, share: float, *, by_label: bool) -> tuple[Corpus, Corpus]:
    """Split off a share of the rows, of each label if ``by_label``.

    A text's hash decides, so that the rows of one text are in the same part, and another row in the
    file moves few of the others.

    Returns:
        The rest, and the rows that were split off, without weights.
    """
    hashes = digests(corpus.texts)
    count = Counter(hashes)
    label_of = dict(zip(reversed(hashes), reversed(corpus.labels), strict=True))
    groups: dict[Label | None, list[bytes]] = {}
    for text in sorted(count):
        groups.setdefault(label_of[text] if by_label else None, []).append(text)
    chosen: set[bytes] = set()
    for texts in groups.values():
        wanted = round(share * sum(count[text] for text in texts))
        for text in texts:
            if count[text] <= wanted:
                wanted -= count[text]
                chosen.add(text)
    test = [row for row, text in enumerate(hashes) if text in chosen]
    train = [row for row, text in enumerate(hashes) if text not in chosen]
    return corpus.rows(train), replace(corpus.rows(test), weights=None, file=None, groups=None)


def _unsplit(share: float, corpus: Corpus) -> str:
    different = len(set(digests(corpus.texts)))
    return (
        f"data.test={share} leaves no row to train on, or none to test on: data.train has "
        f"{len(corpus.texts)} rows with {different} different texts, and the rows of "
        "one text stay together; give another share, more rows, or a file"
    )


def blanks(cells: Sequence[str], file: str, column: str) -> list[str]:
    """Return at most one message: the number of blank cells of a column, and the first rows."""
    blank = [row for row, cell in enumerate(cells, start=1) if not cell.strip()]
    if not blank:
        return []
    rows = ", ".join(map(str, blank[:5]))
    return [
        f"{file} has {len(blank)} rows without a {column} (the first are rows {rows}); fill or "
        "remove them"
    ]


def _typed(corpora: Mapping[str, Corpus]) -> dict[str, Corpus]:
    """Give the labels of all files one type, though the labels of one file may all be numbers."""
    texts = [str(label) for corpus in corpora.values() for label in corpus.labels]
    typed = _label_types(set(texts))
    labels = (typed[text] for text in texts)
    return {
        name: replace(corpus, labels=list(islice(labels, len(corpus.labels))))
        for name, corpus in corpora.items()
    }


def _label_types(texts: set[str]) -> dict[str, Label]:
    """Return labels by text: whole numbers if all are whole, else numbers if all are, else text."""
    if not all(WHOLE_OR_DECIMAL.fullmatch(text) for text in texts):
        return {text: text for text in texts}
    numbers = {text: Decimal(text) for text in texts}  # of any length
    if all(number == number.to_integral_value() for number in numbers.values()):
        return {text: int(number) for text, number in numbers.items()}
    return {text: float(number) for text, number in numbers.items()}


def number_labels(cells: Sequence[str], file: str, column: str, problems: list[str]) -> list[Label]:
    """Return the labels of a regression; those that can't be are reported among the problems."""
    numbers = _numbers(cells)
    what = f"label {column!r} is not a finite number, as data.task=regression needs"
    problems += _bad_rows(file, what, cells, np.isnan(numbers))
    return list(numbers.tolist())


def _weights(cells: Sequence[str], file: str, column: str, problems: list[str]) -> list[float]:
    numbers = _numbers(cells)
    what = f"weight {column!r} is not a finite number, at least 0"
    problems += _bad_rows(file, what, cells, np.isnan(numbers) | (numbers < 0))
    if not numbers.astype(np.float32).any():
        problems.append(f"{file}: every weight {column!r} is 0; some must be above")
    return list(numbers.tolist())


def _numbers(cells: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return ``float64 (n,)``, NaN where a cell is not a number, or exceeds float32."""
    return np.array([_number(cell.strip()) for cell in cells])


def _number(text: str) -> float:
    number = float(text) if NUMBER.fullmatch(text) else TRUTH.get(text.lower(), np.nan)
    return number if abs(number) <= LARGEST else np.nan


def _bad_rows(file: str, what: str, cells: Sequence[str], bad: npt.NDArray[np.bool_]) -> list[str]:
    """Return at most one message: the number of bad rows, and the first of them with values."""
    if not bad.any():
        return []
    shown = ", ".join(f"row {row + 1}: {cells[row]!r}" for row in bad.nonzero()[0][:5])
    return [f"{file} has {bad.sum()} rows whose {what} (the first are {shown})"]
