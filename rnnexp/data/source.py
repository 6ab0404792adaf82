"""What every source of data has in common: texts and labels in, encoded arrays out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnexp.data import cache
from rnnexp.data.encoding import SPLITS, Vocabulary, tokenize
from rnnexp.errors import DataError

Label = str | int | float


@dataclass(frozen=True)
class Corpus:
    """Texts and, one for each, their labels."""

    texts: Sequence[str]
    labels: Sequence[Label]


@dataclass(frozen=True)
class Dataset:
    """Encoded data, read by memory map from the cache.

    Attributes:
        folder: Where the arrays are.
        words: The vocabulary of the training part; ``words[i]`` has the id ``i + 3``.
        classes: The labels as given, sorted; ``classes[k]`` is encoded as ``k``.
    """

    folder: Path
    words: tuple[str, ...]
    classes: tuple[Label, ...]

    @property
    def input_dim(self) -> int:
        """How many ids there are: the vocabulary and pad, start and unknown."""
        return len(self.words) + 3

    def train(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """``int32 (n, maxlen)`` ids and ``int64 (n,)`` labels, in shuffled order."""
        return self._arrays("train")

    def test(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """The test part, in the same form; the search never reads it."""
        return self._arrays("test")

    def _arrays(self, part: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        x = np.load(self.folder / f"x_{part}.npy", mmap_mode="r")
        y = np.load(self.folder / f"y_{part}.npy", mmap_mode="r")
        return x, y


@dataclass(kw_only=True)
class Source(ABC):
    """Where reviews come from, and how they become integers.

    Attributes:
        num_words: How many of the most frequent words get an id; None for all.
        maxlen: Ids a review; longer ones lose their beginning, shorter ones are
            padded before it. None for the longest training review.
        split: What a word is: ``whitespace`` or ``character``.
        seed: Seed of the shuffle.
    """

    num_words: int | None
    maxlen: int | None
    split: str
    seed: int

    @abstractmethod
    def fingerprint(self) -> dict[str, object]:
        """What identifies the content; equal fingerprints give equal reviews."""

    @abstractmethod
    def read(self) -> tuple[Corpus, Corpus]:
        """The training and the test reviews.

        Raises:
            DataError: If they can't be read; lists every fault.
        """

    def faults(self) -> list[str]:
        """What of the settings can't work; empty if nothing."""
        faults = []
        for name in ("num_words", "maxlen"):
            value = getattr(self, name)
            if value is not None and not is_count(value):
                faults.append(
                    f"data.{name}={value}: must be a whole number, at least 1, or null for no limit"
                )
        if not isinstance(self.seed, int) or self.seed < 0:
            faults.append(f"data.seed={self.seed}: must be a whole number, at least 0")
        if self.split not in SPLITS:
            faults.append(f"data.split={self.split!r}: must be one of {', '.join(SPLITS)}")
        return faults

    def load(self) -> Dataset:
        """The encoded data, from the cache if it was encoded before.

        Raises:
            DataError: If the settings or the data can't work; lists every fault.
        """
        if faults := self.faults():
            raise DataError(faults)
        key: dict[str, object] = {
            "source": type(self).__qualname__,
            "content": self.fingerprint(),
            "num_words": self.num_words,
            "maxlen": self.maxlen,
            "split": self.split,
            "seed": self.seed,
        }
        try:
            folder = cache.get(key, self._encode)
        except OSError as error:
            where = error.filename or cache.root()
            raise DataError([f"encoded data can't be stored: {where}: {error.strerror}"]) from error
        meta = cache.read_meta(folder)
        return Dataset(folder, tuple(meta["words"]), tuple(meta["classes"]))

    def _encode(self, folder: Path) -> None:
        train, test = self.read()
        classes = _classes(train, test)
        tokens = [tokenize(text, self.split) for text in train.texts]
        vocabulary = Vocabulary.of(tokens, self.num_words)
        maxlen = self.maxlen or max(len(words) for words in tokens) + 1
        order = np.random.default_rng(self.seed).permutation(len(tokens))
        arrays: dict[str, npt.NDArray[Any]] = {
            "x_train": vocabulary.encode(tokens, maxlen)[order],
            "y_train": _encode_labels(train, classes)[order],
            "x_test": vocabulary.encode((tokenize(t, self.split) for t in test.texts), maxlen),
            "y_test": _encode_labels(test, classes),
        }
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)
        cache.write_meta(folder, {"words": vocabulary.words, "classes": classes})


def is_count(value: object) -> bool:
    """Whether a setting is a whole number, at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _classes(train: Corpus, test: Corpus) -> list[Label]:
    """The training labels, sorted.

    Raises:
        DataError: If there is no review or one class only, or if the test part has others.
    """
    faults = [
        f"the {part} part has no reviews"
        for part, corpus in (("training", train), ("test", test))
        if not corpus.texts
    ]
    classes: list[Label] = sorted(set(train.labels))
    if len(classes) == 1:
        faults.append(f"every training label is {classes[0]!r}; there must be at least two classes")
    if train.texts and (unknown := sorted(set(test.labels) - set(classes))):
        faults.append(
            f"the test part has labels that the training part has not: {_shortened(unknown)}; "
            f"known are {_shortened(classes)}"
        )
    if faults:
        raise DataError(faults)
    return classes


def _shortened(labels: Sequence[Label]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"


def _encode_labels(corpus: Corpus, classes: Sequence[Label]) -> npt.NDArray[np.int64]:
    ids = {label: number for number, label in enumerate(classes)}
    return np.array([ids[label] for label in corpus.labels], dtype=np.int64)
