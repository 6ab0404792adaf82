"""Encoded data as models read them: arrays by part, the vocabulary and the classes."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnexp.data.counts import Counts
from rnnexp.data.encoding import FIRST_WORD, UNKNOWN
from rnnexp.data.folds import fold_numbers
from rnnexp.data.lengths import choose_lengths, text_lengths

Label = str | int | float
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """The arrays of one part of the data, one row a review.

    Attributes:
        x: ``int32 (n, maxlen)`` ids of words.
        y: ``int64 (n,)`` class numbers, or ``float32 (n,)`` labels of a regression.
        weight: ``float32 (n,)`` sample weights; None if every review counts the same.
    """

    x: npt.NDArray[np.int32]
    y: npt.NDArray[np.int64] | npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32] | None

    @classmethod
    def open(cls, folder: Path, name: str) -> "Part | None":
        """Open the part of a name, as memory maps.

        Returns:
            The part; None if the folder has no part of that name.
        """
        if not array_file(folder, "x", name).exists():
            return None
        weight = array_file(folder, "weight", name)
        return cls(
            _open(array_file(folder, "x", name)),
            _open(array_file(folder, "y", name)),
            _open(weight) if weight.exists() else None,
        )

    def rows(self, chosen: Rows) -> "Part":
        """Return some rows, by their numbers from 0."""
        weight = None if self.weight is None else self.weight[chosen]
        return Part(self.x[chosen], self.y[chosen], weight)


@dataclass(frozen=True)
class Dataset:
    """Encoded data, which are read from the cache as memory maps.

    Attributes:
        folder: The folder of the arrays; its name is the fingerprint of the data.
        words: The vocabulary of the rows that are trained on; ``words[i]`` has the id ``i + 3``.
        classes: The labels as given, sorted; ``classes[k]`` has the number ``k``. Empty for a
            regression.
        task: What is to be predicted: ``binary``, ``classes`` or ``regression``.
        counts: The number of rows of each part, and what is worth a warning.
        bucketing: The largest number of `lengths`; None for none.
        chosen: The rows of the training part to train on, and those to validate on, which may be
            none, as of `fold` and `whole`; None if the parts are as they are stored.
    """

    folder: Path
    words: tuple[str, ...]
    classes: tuple[Label, ...]
    task: str
    counts: Counts = field(default_factory=Counts)
    bucketing: int | None = None
    chosen: tuple[Rows, Rows] | None = field(default=None, compare=False)

    @property
    def input_dim(self) -> int:
        """The number of ids: the words, and three for padding, start and unknown words."""
        return len(self.words) + FIRST_WORD

    @property
    def maxlen(self) -> int:
        """The number of ids of each text."""
        return int(self._part("test").x.shape[1])

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that batches are cut to, ascending; empty if none is cut.

        They are chosen for the training part, and are those of all parts.
        """
        if self.bucketing is None:
            return ()
        return choose_lengths(text_lengths(self._part("train").x), self.bucketing)

    def train(self) -> Part:
        """Open the training part, whose rows are shuffled."""
        part = self._part("train")
        return part if self.chosen is None else part.rows(self.chosen[0])

    def validation(self) -> Part | None:
        """Open the validation part, in the order of its file; None if it has no file.

        In a fold, a word that no row to train on has is an unknown word, as it is in new texts.
        """
        if self.chosen is None:
            return Part.open(self.folder, "validation")
        train, validation = self.chosen
        if not len(validation):
            return None
        whole = self._part("train")
        is_known = np.arange(self.input_dim) < FIRST_WORD
        is_known[whole.x[train]] = True
        part = whole.rows(validation)
        return replace(part, x=np.where(is_known[part.x], part.x, np.int32(UNKNOWN)))

    def fold(self, number: int, folds: int) -> "Dataset":
        """Return the data of which one fold is the validation part.

        Args:
            number: The number of the fold, from 0.
            folds: The number of folds.
        """
        fold = fold_numbers(self._part("train").y, folds, self.groups())
        rows = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        return replace(self, chosen=rows)

    def whole(self) -> "Dataset":
        """Return the data of which all rows of the training part are trained on."""
        rows = np.arange(len(self._part("train").y))
        return replace(self, chosen=(rows, rows[:0]))

    def groups(self) -> Rows | None:
        """Return the group of each training row, ``int64 (n,)``; None if there are no groups."""
        file = array_file(self.folder, "groups", "train")
        return _open(file) if file.exists() else None

    def test(self) -> Part:
        """Open the test part, in the order of its source, without weights.

        Nothing in a search reads the test part before the best trial is known.
        """
        return self._part("test")

    def _part(self, name: str) -> Part:
        part = Part.open(self.folder, name)
        if part is None:
            raise FileNotFoundError(array_file(self.folder, "x", name))
        return part


def _open(file: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)
    return array


def array_file(folder: Path, array: str, part: str) -> Path:
    """Return the file of an array (``x``, ``y``, ``weight`` or ``groups``) of a part."""
    return folder / f"{array}_{part}.npy"
