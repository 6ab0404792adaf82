from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from rnnexp.data import Dataset
from rnnexp.errors import DataError
from rnnexp.training.word_vectors import embeddings

DATASET = Dataset(Path("nowhere"), ("good", "bad", "dull"), (0, 1), "binary")


def read(path: Path, text: str, size: int = 2) -> np.ndarray:
    path.write_text(text, encoding="utf-8")
    config = OmegaConf.create({"embedding_file": str(path), "embedding_size": size})
    return embeddings(config, DATASET)


@pytest.mark.parametrize(
    "text",
    [
        "good 1 2\nbad -1 0.5\nfilm 3 3\n",
        "3 2\ngood 1 2\nbad -1 0.5\nfilm 3 3\n",  # word2vec's first line
        "10 3 3\ngood 1 2\nnan 0 1\nbad -1 0.5\n",  # words that are numbers
        "3 2\n1999 3 3\ngood 1 2\nbad -1 0.5\n",
        ". . . 0 0\nat name@domain.com 1 1\ngood 1 2\nbad -1 5e-1\n",  # as GloVe's large file has
    ],
)
def test_vectors_of_known_words(tmp_path: Path, text: str) -> None:
    matrix = read(tmp_path / "vectors.txt", text)
    assert (matrix.shape, matrix.dtype) == ((6, 2), np.float32)
    assert matrix[0].tolist() == [0, 0]  # padding
    assert matrix[3:5].tolist() == [[1, 2], [-1, 0.5]]
    assert np.abs(matrix[[1, 2, 5]]).max() < 0.05
    assert (matrix[[1, 2, 5]] != 0).all()


@pytest.mark.parametrize(
    ("text", "size", "problem"),
    [
        ("good 1 2\n", 3, "line 1 has 2 numbers, model.embedding_size is 3"),
        ("good 1 2 3\n", 2, "line 1 has 3 numbers, model.embedding_size is 2"),
        ("film 1 2\n", 2, "the file has none of the vocabulary's words"),
        ("10 1 2 3\ngood 1 2 3\n", 2, "line 1 has 3 numbers, model.embedding_size is 2"),
        ("good 1 2\nbad 1\n", 2, "line 2 has 1 numbers, model.embedding_size is 2"),
        ("good 1 nan\n", 2, "the vector of good has 1 nan"),
        ("good 1 much\n", 2, "could not convert string to float: 'much'"),
    ],
)
def test_files_that_can_not_be_used(tmp_path: Path, text: str, size: int, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        read(tmp_path / "vectors.txt", text, size)


def test_words_that_are_not_utf8_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_bytes(b"caf\xe9 1 1\ngood 1 2\n")
    config = OmegaConf.create(
        {"embedding_file": str(tmp_path / "vectors.txt"), "embedding_size": 2}
    )
    assert embeddings(config, DATASET)[3].tolist() == [1, 2]


def test_no_file(tmp_path: Path) -> None:
    config = OmegaConf.create({"embedding_file": f"{tmp_path}/none", "embedding_size": 2})
    with pytest.raises(DataError, match="there is no such file"):
        embeddings(config, DATASET)
