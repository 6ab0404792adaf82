"""Word vectors to begin with, from a text file like GloVe's or word2vec's."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from hydra.utils import to_absolute_path
from omegaconf import DictConfig

from rnnexp.data import Dataset, cache
from rnnexp.data.encoding import FIRST_WORD, PAD
from rnnexp.errors import DataError

log = logging.getLogger(__name__)

SPREAD = 0.05  # of the words without a vector: uniform up to it, as in Keras's Embedding
_FILE = "embeddings.npy"


def embeddings(model: DictConfig, dataset: Dataset) -> npt.NDArray[np.float32]:
    """What an embedding begins with: the file's vectors, small random ones for other words.

    The file is read once for each vocabulary, then comes from the cache.

    Args:
        model: ``model``: ``embedding_file`` has a line a word, the word and then its numbers;
            a first line with only the two counts, as word2vec writes it, is skipped.
        dataset: Whose words.

    Returns:
        ``float32 (input_dim, embedding_size)``; the padding's is zero.

    Raises:
        DataError: If the file can't be read, has vectors of another size, or none of the words.
    """
    path = Path(to_absolute_path(model.embedding_file))
    where = f"model.embedding_file={model.embedding_file}"
    if not path.is_file():
        raise DataError([f"{where}: there is no such file"])
    stat = path.stat()
    key = {
        "vectors": [str(path), stat.st_size, stat.st_mtime_ns],
        "words": dataset.words,
        "size": model.embedding_size,
    }
    try:
        folder = cache.get(key, lambda folder: _write(path, model.embedding_size, dataset, folder))
    except (OSError, ValueError) as error:
        raise DataError([f"{where} can't be used: {error}"]) from error
    matrix: npt.NDArray[np.float32] = np.load(folder / _FILE)
    return matrix


def _write(path: Path, size: int, dataset: Dataset, folder: Path) -> None:
    shape = dataset.input_dim, size
    matrix = np.random.default_rng(0).uniform(-SPREAD, SPREAD, shape).astype(np.float32)
    matrix[PAD] = 0
    ids = {word: number for number, word in enumerate(dataset.words, start=FIRST_WORD)}
    found = 0
    for word, numbers in _lines(path, size):
        if word in ids:
            vector = np.array(numbers, np.float32)
            if not np.isfinite(vector).all():
                raise ValueError(f"the vector of {word} has {' '.join(numbers)[:80]}")
            matrix[ids[word]] = vector
            found += 1
    if not found:
        raise ValueError("it has none of the vocabulary's words")
    log.info("%s: vectors for %s of %s words", path, found, len(ids))
    np.save(folder / _FILE, matrix)


def _lines(path: Path, size: int) -> Iterator[tuple[str, list[str]]]:
    # A few words of files from the web are no UTF-8; they are not of any vocabulary.
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            parts = line.split()
            if number == 1 and len(parts) == 2 and all(part.isdigit() for part in parts):
                continue
            # From the end, since a few of GloVe's words have spaces in them. A word may be a
            # number; what stands between it and `size` numbers may not.
            word, *numbers = line.rstrip().rsplit(" ", size)
            _, space, last = word.rpartition(" ")
            if len(numbers) != size or (space and _is_number(last)):
                raise ValueError(
                    f"line {number} has {len(parts) - 1} numbers, model.embedding_size is {size}"
                )
            yield word, numbers


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
