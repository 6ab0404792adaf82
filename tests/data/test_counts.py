from pathlib import Path

import pytest

from rnnexp.data.counts import Counts
from rnnexp.data.source import Corpus
from tests.data.test_source import Listed


def counted(train: list[str], labels: list[str], trained: int, test: list[str]) -> Counts:
    corpora = {
        "train": Corpus(train, labels, file=(len(train), len(train) + 1)),
        "test": Corpus(test, ["a"] * len(test), file=(len(test), None)),
    }
    return Counts.of(corpora, trained, sorted(set(labels)), repeated=True)


def test_rows_by_file_part_and_class() -> None:
    counts = counted(["one", "two", "three", "four"], ["a", "b", "a", "b"], 3, ["five"])
    assert counts.lines(["a", "b"]) == [
        "data: read 4 rows of data.train (5 lines), 1 rows of data.test",
        "data: 3 training, 1 validation, 1 test rows; by class a: 2/0/1, b: 1/1/0",
    ]
    assert counts.warnings(["a", "b"]) == []


REPEATED = "so the {} score is too good for new texts; remove the duplicates before you split"


@pytest.mark.parametrize(
    ("train", "labels", "trained", "test", "warnings"),
    [
        (["x", "y", "z"], "aba", 2, ["z", "w"],
         ["1 of the 2 test rows have a text that is trained on or validated on too, "
          + REPEATED.format("test")]),
        (["x", "y", "x"], "aba", 2, ["w"],
         ["all 1 validation rows have a text that is trained on too, "
          + REPEATED.format("validation")]),
        (["x", "y", "z"], "abc", 2, ["w"],
         ["1 of the 3 classes have no row to train on, since all their rows are in the validation "
          "part: c; give more rows of them, another data.seed or fit.validation_data"]),
    ],
)  # fmt: skip
def test_warnings(
    train: list[str], labels: str, trained: int, test: list[str], warnings: list[str]
) -> None:
    found = counted(train, [*labels], trained, test).warnings(sorted(set(labels)))
    assert found == [f"check the data: {text}" for text in warnings]


def test_the_counts_come_back_from_the_cache() -> None:
    texts, labels = [f"w{number}" for number in range(9)], [*"abababab", "c"]
    source = Listed(texts=texts, labels=labels, task="classes", validation_split=0.3)
    first, again = source.load(), source.load()
    assert first.counts.rows == {"train": 6, "validation": 3, "test": 1}
    assert first.counts == again.counts
    assert len(source.reads) == 1
    assert isinstance(first.folder, Path)


def test_texts_of_a_validation_part_of_its_own() -> None:
    parts = {"train": ["x", "y"], "validation": ["z", "x"], "test": ["z", "w"]}
    corpora = {name: Corpus(texts, ["a"] * 2) for name, texts in parts.items()}
    counts = Counts.of(corpora, 2, ["a"], repeated=True)
    assert counts.repeated == {"validation": 1, "test": 1}
    assert counts.rows == {"train": 2, "validation": 2, "test": 2}
    assert Counts.of(corpora, 2, ["a"], repeated=False).repeated == {}
