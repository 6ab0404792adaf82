import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rnnexp.data.encode_parts import encode_parts
from rnnexp.data.encoding import Vocabulary, tokenize
from rnnexp.data.table import Table
from rnnexp.data.tokens import Tokenizer
from tests.helpers.stored_texts import stored

SPECIAL = " \n\t\x1c\x85\xa0\u2028\u3000'\u2019.,-!$\u2026\u20ac"
SPECIAL += "\u03a3\u0391\u0130\xdf\xe9\ud800\0\U0001f600"
texts = st.text(st.one_of(st.characters(codec=None), st.sampled_from(SPECIAL)))


@settings(deadline=None)
@given(texts=st.lists(texts, min_size=1), split=st.sampled_from(["whitespace", "character"]))
@example(texts=["\u0391\u03a3.\u0391", "\u03a3"], split="whitespace")  # two forms of a sigma
@example(texts=["''", "'a'", "b" * 600_000, "c"], split="whitespace")  # several blocks
def test_the_words_are_those_of_tokenize(texts: list[str], split: str) -> None:
    tokens = Tokenizer(split)(texts)
    words = [tokens.words[int(n)].as_py().decode("utf-8", "surrogatepass") for n in tokens.numbers]
    starts = [0, *tokens.ends[:-1]]
    found = [words[start:end] for start, end in zip(starts, tokens.ends, strict=True)]
    assert found == [tokenize(text, split) for text in texts]


def reference(
    parts: dict[str, list[str]], trained: int, split: str, num_words: int | None, maxlen: int | None
) -> tuple[tuple[str, ...], dict[str, list[list[int]]]]:
    words = {name: [tokenize(text, split) for text in texts] for name, texts in parts.items()}
    vocabulary = Vocabulary.of(words["train"][:trained], num_words)
    length = maxlen or max(len(text) for text in words["train"][:trained]) + 1
    ids = {name: vocabulary.encode(texts, length).tolist() for name, texts in words.items()}
    return vocabulary.words, ids


def some_texts(rows: int, rng: np.random.Generator) -> list[str]:
    words = np.array(
        ["good", "bad", "Caf\xe9", "don't", "'tis", "\uc601\ud654", "a,b", "--", "x\xa0y"]
    )
    shares = np.arange(len(words), 0, -1) / 45
    return [" ".join(rng.choice(words, rng.integers(0, 30), p=shares)) for _ in range(rows)]


@pytest.mark.parametrize("split", ["whitespace", "character"])
@pytest.mark.parametrize(("num_words", "maxlen"), [(None, None), (4, 12), (3, 1)])
@pytest.mark.parametrize("stores", [list, stored])
def test_the_ids_are_those_of_one_pass_in_memory(
    tmp_path: Path,
    stores: Callable[[list[str]], Sequence[str]],
    split: str,
    num_words: int,
    maxlen: int,
) -> None:
    rng = np.random.default_rng(0)
    parts = {name: some_texts(n, rng) for name, n in (("train", 2500), ("test", 120))}
    words, ids = reference(parts, 2000, split, num_words, maxlen)
    options = {"split": split, "num_words": num_words, "maxlen": maxlen}
    given_parts = {name: stores(part) for name, part in parts.items()}
    vocabulary = encode_parts(given_parts, 2000, tmp_path, characters=3000, **options)  # type: ignore[arg-type]
    assert vocabulary.words == words
    for name, expected in ids.items():
        array = np.load(tmp_path / f"x_{name}.npy")
        assert (array.dtype, array.tolist()) == (np.int32, expected)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x_test.npy", "x_train.npy"]


def table(folder: Path) -> Table:
    rng = np.random.default_rng(1)
    for name, rows in (("train", 300), ("test", 50)):
        lines = [f'"{text} {row % 7}.",{row % 2}' for row, text in enumerate(some_texts(rows, rng))]
        (folder / f"{name}.csv").write_text("\n".join(["text,label", *lines]), encoding="utf-8")
    return Table(
        train=str(folder / "train.csv"), test=str(folder / "test.csv"), text="text", label="label",
        num_words=12, maxlen=None, split="whitespace", seed=3, validation_split=0.2,
    )  # fmt: skip


def test_known_data_keep_their_fingerprint_vocabulary_and_ids(tmp_path: Path) -> None:
    dataset = table(tmp_path).load()
    meta = json.loads((dataset.folder / "meta.json").read_text(encoding="utf-8"))
    digests: Sequence[str] = [
        hashlib.sha256((dataset.folder / f"{name}.npy").read_bytes()).hexdigest()[:16]
        for name in ("x_train", "y_train", "x_test", "y_test")
    ]
    assert dataset.folder.name == "781d6fb179519a7829afd425bc44854a"
    assert " ".join(meta["words"]) == "good bad café don't tis 영화 a b x y 2 0"
    assert digests == [
        "6808c87260c45e0a",
        "adb3728b1e2aa7ca",
        "c9c667e614429ec5",
        "632bdbc3965da3db",
    ]
