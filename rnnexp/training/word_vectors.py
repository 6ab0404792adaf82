"""Word vectors as initial weights of an embedding, from a text file like GloVe's or word2vec's."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig

from rnnexp.config_files import path_here
from rnnexp.data import Dataset, cache
from rnnexp.data.encoding import FIRST_WORD, PAD
from rnnexp.errors import DataError
from rnnexp.identity import digest

log = logging.getLogger(__name__)

# Words without a vector get uniform random values between -SPREAD and SPREAD, as in Keras's
# Embedding.
SPREAD = 0.05
_FILE = "embeddings.npy"


def embeddings(model: DictConfig, dataset: Dataset) -> npt.NDArray[np.float32]:
    """Return the initial weights of an embedding: the file's vectors, else small random values.

    The file is read once for each vocabulary; then the weights come from the cache.

    Args:
        model: The ``model`` config. Each line of ``embedding_file`` is a word and its
            ``embedding_size`` numbers; a first line of two counts, as word2vec writes it, is
            skipped.
        dataset: The data with the vocabulary.

    Returns:
        ``float32 (input_dim, embedding_size)``, one row an id; the row of the padding is 0.

    Raises:
        DataError: If the file can't be read, has vectors of another size, or none of the words.
    """
    path = path_here(model.embedding_file)
    where = f"model.embedding_file={model.embedding_file}"
    if not path.is_file():
        raise DataError([f"{where}: there is no such file"])
    try:
        key = {
            "vectors": digest(path),
            "words": dataset.words,
            "size": model.embedding_size,
        }
        folder = cache.get(key, lambda folder: _write(path, model.embedding_size, dataset, folder))
    except (OSError, ValueError) as error:
        raise DataError([f"{where} can't be used: {error}"]) from error
    matrix: npt.NDArray[np.float32] = np.load(folder / _FILE, allow_pickle=False)
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
        raise ValueError("the file has none of the vocabulary's words")
    log.info("%s: vectors for %s of %s words", path, found, len(ids))
    np.save(folder / _FILE, matrix)


def _lines(path: Path, size: int) -> Iterator[tuple[str, list[str]]]:
    # Published files have a few words that are not UTF-8; no vocabulary has such words.
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            parts = line.split()
            if number == 1 and len(parts) == 2 and all(part.isdigit() for part in parts):
                continue
            # Split from the end, since a few of GloVe's words contain spaces. A word may be a
            # number, but a number after a space shows that there are more than `size` numbers.
            word, *numbers = line.rstrip().rsplit(" ", size)
            _, space, last = word.rpartition(" ")
            if len(numbers) != size or (space and _is_numeric(last)):
                raise ValueError(
                    f"line {number} has {len(parts) - 1} numbers, model.embedding_size is {size}"
                )
            yield word, numbers


def _is_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
