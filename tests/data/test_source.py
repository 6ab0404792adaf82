from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from rnnexp.data.dataset import Label
from rnnexp.data.source import Corpus, Source
from rnnexp.errors import DataError


@dataclass(kw_only=True)
class Listed(Source):
    """Reviews in a list; counts how often it is read."""

    texts: Sequence[str]
    num_words: int | None = None
    maxlen: int | None = None
    split: str = "whitespace"
    seed: int = 0
    labels: Sequence[Label] | None = None
    reads: list[int] = field(default_factory=list)

    def fingerprint(self) -> dict[str, object]:
        return {"texts": list(self.texts), "labels": self.labels}

    def read(self) -> dict[str, Corpus]:
        self.reads.append(1)
        labels = self.labels or [int(i >= len(self.texts) / 2) for i in range(len(self.texts))]
        return {
            "train": Corpus(self.texts, labels),
            "test": Corpus(["never seen words"], labels[:1] or [1]),
        }


def test_the_same_content_is_encoded_once() -> None:
    first = Listed(texts=["one", "two", "two three"])
    again = Listed(texts=["one", "two", "two three"])
    other = Listed(texts=["one", "two", "two four"])
    folders = [source.load().folder for source in (first, again, other, first)]
    assert folders[0] == folders[1] == folders[3] != folders[2]
    assert (first.reads, again.reads, other.reads) == ([1], [], [1])


@pytest.mark.parametrize(
    "change",
    [
        {"maxlen": 2},
        {"num_words": 1},
        {"seed": 1},
        {"split": "character"},
        {"task": "classes"},
        {"validation_split": 0.3},
    ],
)
def test_other_arguments_are_encoded_anew(change: dict[str, object]) -> None:
    texts = ["uno", "dos", "dos tres"]
    assert Listed(texts=texts).load().folder != Listed(texts=texts, **change).load().folder  # type: ignore[arg-type]


def test_only_training_words_have_ids_and_maxlen_follows_the_longest() -> None:
    dataset = Listed(texts=["a b", "b", "c b"]).load()
    assert dataset.words == ("b", "a", "c")
    assert dataset.input_dim == 6
    train = dataset.train()
    assert (train.x.shape, train.x.dtype, train.y.dtype) == ((3, 3), np.int32, np.int64)
    assert (train.weight, dataset.validation()) == (None, None)
    assert dataset.test().x.tolist() == [[2, 2, 2]]


@pytest.mark.parametrize(("share", "trained"), [(None, 10), (0.3, 7), (0.999, 10), ("x", 10)])
def test_the_vocabulary_is_made_of_what_is_trained_on(share: float, trained: int) -> None:
    texts = [f"w{number} " * (number + 1) for number in range(10)]
    dataset = Listed(texts=texts, validation_split=share).load()
    assert len(dataset.words) == trained
    train = dataset.train().x
    assert (train[:trained] != 2).all()
    assert (train[trained:, -1] == 2).all()


@pytest.mark.parametrize(
    ("task", "labels", "classes", "encoded"),
    [
        ("binary", ["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        ("classes", ["b", "a", "b"], ("a", "b"), [1, 0, 1]),
        ("classes", [5, 1, 3], (1, 3, 5), [2, 0, 1]),
        ("regression", [5, 1, 3.5], (), [5.0, 1.0, 3.5]),
    ],
)
def test_tasks(
    task: str, labels: list[Label], classes: tuple[Label, ...], encoded: list[float]
) -> None:
    dataset = Listed(texts=["a", "b", "c"], labels=labels, task=task).load()
    assert (dataset.task, dataset.classes) == (task, classes)
    y = dataset.train().y
    assert y.dtype == (np.float32 if task == "regression" else np.int64)
    assert sorted(y.tolist()) == sorted(encoded)
    assert dataset.test().y.tolist() == encoded[:1]


def test_rows_sorted_by_label_are_shuffled_by_the_seed() -> None:
    texts = [f"w{i}" for i in range(200)]
    y = Listed(texts=texts).load().train().y
    assert 0.3 < y[-40:].mean() < 0.7  # the last fifth, which validation_split takes
    assert y.tolist() != Listed(texts=texts, seed=1).load().train().y.tolist()
    assert sorted(y) == [0] * 100 + [1] * 100


def test_texts_and_labels_stay_together() -> None:
    texts = ["neg"] * 5 + ["pos"] * 5
    train = Listed(texts=texts, maxlen=1).load().train()
    words = {3: 0, 4: 1}  # equally frequent, so by the alphabet
    assert [words[i] for i in train.x[:, 0].tolist()] == train.y.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"maxlen": 0}, "data.maxlen=0"),
        ({"maxlen": "abc"}, "data.maxlen=abc: must be a whole number"),
        ({"num_words": 1.5}, "data.num_words=1.5: must be a whole number"),
        ({"num_words": -1}, "data.num_words=-1"),
        ({"split": "sentence"}, "must be one of whitespace, character"),
        ({"texts": []}, "the training part has no reviews"),
        (
            {"task": "clases"},
            "data.task=clases: .* binary, classes, regression; did you .* classes",
        ),
        ({"task": None}, "data.task=None: must be one of binary, classes, regression"),
        (
            {"labels": ["a", "b", "c"]},
            r"has 3 classes \('a', 'b', 'c'\); use data.task=classes with",
        ),
        ({"labels": [1, 2, 3]}, "or data.task=regression to predict the numbers themselves"),
        ({"labels": ["a", "a", "a"]}, "every training label is 'a'; there must be .* two classes"),
        ({"labels": [1, 1, 1], "task": "classes"}, "there must be at least two classes"),
        ({"labels": [2, 2, 2], "task": "regression"}, "label is 2; .* two different numbers"),
        ({"labels": [1.0, 1.0 + 1e-9, 1.0], "task": "regression"}, "every training label is 1.0"),
    ],
)
def test_arguments_that_can_not_work(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Listed(**({"texts": ["a", "b", "c"]} | arguments)).load()  # type: ignore[arg-type]


def test_a_cache_that_cant_be_written_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    with pytest.raises(DataError, match="encoded data can't be stored: /proc/nothing"):
        Listed(texts=["a", "b"]).load()
