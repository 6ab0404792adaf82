from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

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
    reads: list[int] = field(default_factory=list)

    def fingerprint(self) -> dict[str, object]:
        return {"texts": list(self.texts)}

    def read(self) -> tuple[Corpus, Corpus]:
        self.reads.append(1)
        labels = [int(i >= len(self.texts) / 2) for i in range(len(self.texts))]
        return Corpus(self.texts, labels), Corpus(["never seen words"], [1])


def test_the_same_content_is_encoded_once() -> None:
    first = Listed(texts=["one", "two", "two three"])
    again = Listed(texts=["one", "two", "two three"])
    other = Listed(texts=["one", "two", "two four"])
    folders = [source.load().folder for source in (first, again, other, first)]
    assert folders[0] == folders[1] == folders[3] != folders[2]
    assert (first.reads, again.reads, other.reads) == ([1], [], [1])


@pytest.mark.parametrize(
    "change", [{"maxlen": 2}, {"num_words": 1}, {"seed": 1}, {"split": "character"}]
)
def test_other_settings_are_encoded_anew(change: dict[str, object]) -> None:
    texts = ["uno", "dos", "dos tres"]
    assert Listed(texts=texts).load().folder != Listed(texts=texts, **change).load().folder  # type: ignore[arg-type]


def test_only_training_words_have_ids_and_maxlen_follows_the_longest() -> None:
    dataset = Listed(texts=["a b", "b", "c b"]).load()
    assert dataset.words == ("b", "a", "c")
    assert dataset.input_dim == 6
    x, y = dataset.train()
    assert (x.shape, x.dtype, y.dtype) == ((3, 3), np.int32, np.int64)
    assert dataset.test()[0].tolist() == [[2, 2, 2]]


def test_rows_sorted_by_label_are_shuffled_by_the_seed() -> None:
    texts = [f"w{i}" for i in range(200)]
    _, y = Listed(texts=texts).load().train()
    assert 0.3 < y[-40:].mean() < 0.7  # the last fifth, which validation_split takes
    assert y.tolist() != Listed(texts=texts, seed=1).load().train()[1].tolist()
    assert sorted(y) == [0] * 100 + [1] * 100


def test_texts_and_labels_stay_together() -> None:
    texts = ["neg"] * 5 + ["pos"] * 5
    x, y = Listed(texts=texts, maxlen=1).load().train()
    words = {3: 0, 4: 1}  # equally frequent, so by the alphabet
    assert [words[i] for i in x[:, 0].tolist()] == y.tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"maxlen": 0}, "data.maxlen=0"),
        ({"maxlen": "abc"}, "data.maxlen=abc: must be a whole number"),
        ({"num_words": 1.5}, "data.num_words=1.5: must be a whole number"),
        ({"num_words": -1}, "data.num_words=-1"),
        ({"split": "sentence"}, "must be one of whitespace, character"),
        ({"texts": []}, "the training part has no reviews"),
    ],
)
def test_faults(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Listed(**({"texts": ["a", "b"]} | settings)).load()  # type: ignore[arg-type]


def test_a_cache_that_cant_be_written_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nothing")
    with pytest.raises(DataError, match="encoded data can't be stored: /proc/nothing"):
        Listed(texts=["a", "b"]).load()
