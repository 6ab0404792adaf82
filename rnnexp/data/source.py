"""The base of all sources of data: from texts and labels to encoded arrays in the cache."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from rnnexp.cache_folder import cache_folder
from rnnexp.data import cache
from rnnexp.data.counts import PARTS, Counts
from rnnexp.data.dataset import Dataset, Label, array_file
from rnnexp.data.encode_parts import encode_parts
from rnnexp.data.encoding import SPLITS
from rnnexp.data.origin import Origin
from rnnexp.data.stored_texts import StoredTexts
from rnnexp.errors import DataError
from rnnexp.formatting import did_you_mean
from rnnexp.number_ranges import COUNT, SHARE, WHOLE

TASKS = ("binary", "classes", "regression")


@dataclass(frozen=True)
class Corpus:
    """The texts of one part of the data, each with a label.

    Attributes:
        texts: The texts; `StoredTexts` if there may be too many for the memory.
        labels: The label of each text.
        weights: The sample weight of each text; None if every text counts the same.
        file: The number of rows and of lines of the file that was read; None if there is no file.
            The lines are None for a file that is not a text.
        groups: The group of each text; None if there are no groups.
    """

    texts: Sequence[str]
    labels: Sequence[Label]
    weights: Sequence[float] | None = None
    file: tuple[int, int | None] | None = None
    groups: Sequence[str] | None = None

    def rows(self, chosen: Sequence[int]) -> "Corpus":
        """Return some rows, by their numbers from 0, in the order of the numbers."""
        weights = None if self.weights is None else [self.weights[row] for row in chosen]
        if isinstance(self.texts, StoredTexts):
            texts: Sequence[str] = self.texts.rows(chosen)
        else:
            texts = [self.texts[row] for row in chosen]
        groups = None if self.groups is None else [self.groups[row] for row in chosen]
        return Corpus(texts, [self.labels[row] for row in chosen], weights, self.file, groups)


@dataclass(kw_only=True)
class Source(Origin, ABC):
    """A source of reviews, and how their texts are encoded; the base of a ``data`` config's class.

    Attributes:
        num_words: The number of words that get an id, the most frequent first; None for all.
        maxlen: The number of ids of each review. A longer review loses its beginning, a shorter
            one is padded before it. None for the length of the longest review that is trained on.
        split: How texts are split into words: ``whitespace`` or ``character``.
        seed: The seed of the training part's order.
        task: What is to be predicted: one of two classes (``binary``), one of two or more
            (``classes``) or a number (``regression``).
        validation_split: The share of the training part that ``model.fit`` validates on, its last
            rows. The vocabulary is made of the other rows. None, or any value where there is a
            validation part, for no such share.
        bucketing: The number of lengths that batches are cut to, so that short texts are read with
            less padding; None to pad each batch to ``maxlen``. Encoded data are the same.
        folds: The number of folds, each of which is validated on once, so that the vocabulary is
            made of all rows of the training part; None for a validation part.
    """

    # Whether rows of several parts with the same text are worth a warning.
    warns_of_repeated_texts: ClassVar[bool] = True

    num_words: int | None
    maxlen: int | None
    split: str
    seed: int
    task: str = "binary"
    validation_split: float | None = None
    bucketing: int | None = None
    folds: int | None = None

    def __post_init__(self) -> None:
        if self.folds is not None:
            self.validation_split = None  # since each row is trained on, in other folds

    @abstractmethod
    def fingerprint(self) -> dict[str, object]:
        """Return what identifies the content: equal fingerprints mean equal reviews."""

    @abstractmethod
    def read(self) -> dict[str, Corpus]:
        """Read the reviews.

        Returns:
            The reviews by part: ``train``, ``test`` and, if there is one, ``validation``. The
            labels of a regression are finite numbers.

        Raises:
            DataError: If the reviews can't be read; lists every problem.
        """

    def rows(self, part: str) -> dict[str, object]:  # noqa: ARG002, for subclasses with files
        """Return what identifies the rows of a part and their labels, however texts are encoded."""
        return self.fingerprint()

    def measured_on(
        self,
        on_validation: bool,  # noqa: ARG002, for subclasses with a validation part of their own
        validation_split: float | None,
    ) -> tuple[str, str]:
        """Return what a monitored value is measured on; see `rnnexp.identity.Identity`.

        Args:
            on_validation: Whether the value is one of the validation part, not of the training
                part.
            validation_split: The share of the training part to validate on.

        Returns:
            The rows, and which of them are the validation part; equal texts mean equal rows.
        """
        which = f"the last {validation_split}" if self.folds is None else f"{self.folds} folds"
        return self._rows("train"), f"{which} of the rows in the order of data.seed={self.seed}"

    def _rows(self, part: str) -> str:
        found = {**self.rows(part), "task": self.task}
        return f"{type(self).__name__} {' '.join(f'{key}={found[key]}' for key in found)}"

    def problems(self) -> list[str]:
        """Return what is wrong with the attributes, one message per problem."""
        problems = WHOLE.problems("data.seed", self.seed)
        for name in ("num_words", "maxlen"):
            if (value := getattr(self, name)) is not None:
                problems += COUNT.problems(f"data.{name}", value, ", or null for no limit")
        if self.bucketing is not None:
            hint = ", as the number of lengths that batches are cut to, or null for no bucketing"
            problems += COUNT.problems("data.bucketing", self.bucketing, hint)
        if self.split not in SPLITS:
            problems.append(f"data.split={self.split!r}: must be one of {', '.join(SPLITS)}")
        if self.task not in TASKS:
            hint = did_you_mean(str(self.task), TASKS, n=1)
            problems.append(f"data.task={self.task}: must be one of {', '.join(TASKS)}{hint}")
        return problems

    def load(self) -> Dataset:
        """Return the encoded data, from the cache if they were encoded before.

        Raises:
            DataError: If the attributes or the data can't work; lists every problem.
        """
        if problems := self.problems():
            raise DataError(problems)
        content = self.fingerprint()
        key: dict[str, object] = {
            "source": type(self).__qualname__,
            "content": content,
            "num_words": self.num_words,
            "maxlen": self.maxlen,
            "split": self.split,
            "seed": self.seed,
            "task": self.task,
            "validation_split": self.validation_split,
        }

        def encode(folder: Path) -> None:
            self._encode(folder)
            if self.fingerprint() != content:
                raise DataError(["the data have changed while they were read; start again"])

        try:
            folder = cache.get(key, encode)
        except OSError as error:
            where = error.filename or cache_folder()
            raise DataError([f"encoded data can't be stored: {where}: {error.strerror}"]) from error
        meta = cache.read_meta(folder)
        counts = Counts(**meta["counts"])
        words, classes = tuple(meta["words"]), tuple(meta["classes"])
        return Dataset(folder, words, classes, self.task, counts, self.bucketing)

    def _encode(self, folder: Path) -> None:
        corpora = self.read()
        if problems := [*_empty_parts(corpora), *_label_problems(corpora, self.task)]:
            raise DataError(problems)
        corpora["train"] = train = _shuffled(corpora["train"], self.seed)
        share = None if "validation" in corpora else self.validation_split
        trained = rows_to_train_on(len(train.texts), share)
        classes = [] if self.task == "regression" else sorted(set(train.labels))
        vocabulary = encode_parts(
            {name: corpus.texts for name, corpus in corpora.items()},
            trained,
            folder,
            split=self.split,
            num_words=self.num_words,
            maxlen=self.maxlen,
        )
        for name, corpus in corpora.items():
            _save(corpus, classes, folder, name)
        counts = Counts.of(corpora, trained, classes, repeated=self.warns_of_repeated_texts)
        meta = {"words": vocabulary.words, "classes": classes, "counts": asdict(counts)}
        cache.write_meta(folder, meta)


def rows_to_train_on(rows: int, validation_split: float | None) -> int:
    """Return the number of rows that ``model.fit`` trains on: the first of them, as in Keras.

    Args:
        rows: The number of rows of the training part.
        validation_split: The share of the rows to validate on; None for none. A share that Keras
            refuses counts as none.
    """
    if validation_split is None or validation_split not in SHARE:
        return rows
    return math.floor(rows * (1 - validation_split)) or rows


def _empty_parts(corpora: Mapping[str, Corpus]) -> list[str]:
    return [
        f"the {PARTS[name]} part has no reviews"
        for name, corpus in corpora.items()
        if not corpus.texts
    ]


def _label_problems(corpora: Mapping[str, Corpus], task: str) -> list[str]:
    """Return why labels can't be learned: all alike, or of classes that training never sees."""
    labels = corpora["train"].labels
    if not labels:
        return []
    regression = task == "regression"
    known: list[Label] = sorted(set(labels))
    problems = []
    # As float32, which the model gets, numbers that differ little are equal.
    if len(np.unique(np.array(labels, dtype=np.float32)) if regression else known) == 1:
        wanted = "different numbers" if regression else "classes"
        problems.append(
            f"every training label is {known[0]!r}; there must be at least two {wanted}"
        )
    if regression:
        return problems
    if task == "binary" and len(known) > 2:
        problems.append(_not_binary(known))
    problems += [
        f"the {PARTS[name]} part has labels that are not in the training part: "
        f"{_shortened(unknown)}; the training part has {_shortened(known)}"
        for name, corpus in corpora.items()
        if (unknown := sorted(set(corpus.labels) - set(known)))
    ]
    return problems


def _not_binary(classes: Sequence[Label]) -> str:
    are_numbers = not any(isinstance(label, str) for label in classes)
    return (
        f"data.task=binary, but data.label has {len(classes)} classes ({_shortened(classes)}); "
        "use data.task=classes with compile=categorical or compile=sparse_categorical"
        + (", or data.task=regression to predict the numbers themselves" if are_numbers else "")
    )


def _shortened(labels: Sequence[Label]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"


def _save(corpus: Corpus, classes: Sequence[Label], folder: Path, part: str) -> None:
    """Store the labels of a part, and its weights and groups if there are any."""
    np.save(array_file(folder, "y", part), _encode_labels(corpus, classes))
    if corpus.weights is not None:
        np.save(array_file(folder, "weight", part), np.array(corpus.weights, dtype=np.float32))
    if corpus.groups is not None:
        numbers = {group: n for n, group in enumerate(dict.fromkeys(corpus.groups))}
        groups = np.array([numbers[group] for group in corpus.groups], dtype=np.int64)
        np.save(array_file(folder, "groups", part), groups)


def _encode_labels(
    corpus: Corpus, classes: Sequence[Label]
) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
    if not classes:
        return np.array(corpus.labels, dtype=np.float32)
    ids = {label: number for number, label in enumerate(classes)}
    return np.array([ids[label] for label in corpus.labels], dtype=np.int64)


def _shuffled(corpus: Corpus, seed: int) -> Corpus:
    return corpus.rows(np.random.default_rng(seed).permutation(len(corpus.texts)).tolist())
