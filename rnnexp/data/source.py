"""What every source of data has in common: texts and labels in, encoded arrays out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rnnexp.data import cache
from rnnexp.data.dataset import Dataset, Label, Part
from rnnexp.data.encoding import SPLITS, Vocabulary, tokenize
from rnnexp.errors import DataError

TASKS = ("binary", "classes", "regression")
PARTS = {"train": "training", "validation": "validation", "test": "test"}  # name: adjective


@dataclass(frozen=True)
class Corpus:
    """Texts and, one for each, their labels and perhaps their weights."""

    texts: Sequence[str]
    labels: Sequence[Label]
    weights: Sequence[float] | None = None


@dataclass(kw_only=True)
class Source(ABC):
    """Where reviews come from, and how they become integers.

    Attributes:
        num_words: How many of the most frequent words get an id; None for all.
        maxlen: Ids a review; longer ones lose their beginning, shorter ones are
            padded before it. None for the longest training review.
        split: What a word is: ``whitespace`` or ``character``.
        seed: Seed of the shuffle.
        task: What is to be predicted: one of two classes (``binary``), one of two or more
            (``classes``) or a number (``regression``).
    """

    num_words: int | None
    maxlen: int | None
    split: str
    seed: int
    task: str = "binary"

    @abstractmethod
    def fingerprint(self) -> dict[str, object]:
        """What identifies the content; equal fingerprints give equal reviews."""

    @abstractmethod
    def read(self) -> dict[str, Corpus]:
        """The reviews by the name of their part: ``train``, ``test``, perhaps ``validation``.

        The labels of a regression are finite numbers.

        Raises:
            DataError: If they can't be read; lists every problem.
        """

    def problems(self) -> list[str]:
        """What of the settings can't work; empty if nothing."""
        problems = []
        for name in ("num_words", "maxlen"):
            value = getattr(self, name)
            if value is not None and not is_count(value):
                problems.append(
                    f"data.{name}={value}: must be a whole number, at least 1, or null for no limit"
                )
        if not isinstance(self.seed, int) or self.seed < 0:
            problems.append(f"data.seed={self.seed}: must be a whole number, at least 0")
        if self.split not in SPLITS:
            problems.append(f"data.split={self.split!r}: must be one of {', '.join(SPLITS)}")
        if self.task not in TASKS:
            near = get_close_matches(str(self.task), TASKS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"data.task={self.task}: must be one of {', '.join(TASKS)}{hint}")
        return problems

    def load(self) -> Dataset:
        """The encoded data, from the cache if it was encoded before.

        Raises:
            DataError: If the settings or the data can't work; lists every problem.
        """
        if problems := self.problems():
            raise DataError(problems)
        key: dict[str, object] = {
            "source": type(self).__qualname__,
            "content": self.fingerprint(),
            "num_words": self.num_words,
            "maxlen": self.maxlen,
            "split": self.split,
            "seed": self.seed,
            "task": self.task,
        }
        try:
            folder = cache.get(key, self._encode)
        except OSError as error:
            where = error.filename or cache.root()
            raise DataError([f"encoded data can't be stored: {where}: {error.strerror}"]) from error
        meta = cache.read_meta(folder)
        return Dataset(folder, tuple(meta["words"]), tuple(meta["classes"]), self.task)

    def _encode(self, folder: Path) -> None:
        corpora = self.read()
        if problems := [*_gaps(corpora), *_label_problems(corpora, self.task)]:
            raise DataError(problems)
        train = corpora["train"]
        classes = [] if self.task == "regression" else sorted(set(train.labels))
        tokens = {
            name: [tokenize(text, self.split) for text in corpus.texts]
            for name, corpus in corpora.items()
        }
        vocabulary = Vocabulary.of(tokens["train"], self.num_words)
        maxlen = self.maxlen or max(len(words) for words in tokens["train"]) + 1
        for name, corpus in corpora.items():
            part = Part(
                vocabulary.encode(tokens[name], maxlen),
                _encode_labels(corpus, classes),
                None if corpus.weights is None else np.array(corpus.weights, dtype=np.float32),
            )
            (_shuffled(part, self.seed) if name == "train" else part).save(folder, name)
        cache.write_meta(folder, {"words": vocabulary.words, "classes": classes})


def is_count(value: object) -> bool:
    """Whether a setting is a whole number, at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _gaps(corpora: Mapping[str, Corpus]) -> list[str]:
    return [
        f"the {PARTS[name]} part has no reviews"
        for name, corpus in corpora.items()
        if not corpus.texts
    ]


def _label_problems(corpora: Mapping[str, Corpus], task: str) -> list[str]:
    """Whether there is something to learn, and no class that can't be learned."""
    labels = corpora["train"].labels
    if not labels:
        return []
    regression = task == "regression"
    known: list[Label] = sorted(set(labels))
    problems = []
    # As float32, which is what the model gets, numbers that differ little are the same.
    if len(np.unique(np.array(labels, dtype=np.float32)) if regression else known) == 1:
        least = "different numbers" if regression else "classes"
        problems.append(f"every training label is {known[0]!r}; there must be at least two {least}")
    if regression:
        return problems
    if task == "binary" and len(known) > 2:
        problems.append(_not_binary(known))
    problems += [
        f"the {PARTS[name]} part has labels that the training part has not: "
        f"{_shortened(unknown)}; known are {_shortened(known)}"
        for name, corpus in corpora.items()
        if (unknown := sorted(set(corpus.labels) - set(known)))
    ]
    return problems


def _not_binary(classes: Sequence[Label]) -> str:
    numbers = not any(isinstance(label, str) for label in classes)
    return (
        f"data.task=binary, but data.label has {len(classes)} classes ({_shortened(classes)}); "
        "use data.task=classes with compile=categorical or compile=sparse_categorical"
        + (", or data.task=regression to predict the numbers themselves" if numbers else "")
    )


def _shortened(labels: Sequence[Label]) -> str:
    shown = ", ".join(repr(label) for label in labels[:5])
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"


def _encode_labels(
    corpus: Corpus, classes: Sequence[Label]
) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
    if not classes:
        return np.array(corpus.labels, dtype=np.float32)
    ids = {label: number for number, label in enumerate(classes)}
    return np.array([ids[label] for label in corpus.labels], dtype=np.int64)


def _shuffled(part: Part, seed: int) -> Part:
    order = np.random.default_rng(seed).permutation(len(part.x))
    weight = None if part.weight is None else part.weight[order]
    return Part(part.x[order], part.y[order], weight)
