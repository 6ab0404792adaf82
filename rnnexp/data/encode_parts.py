"""The texts of all parts as ids, written to disk chunk by chunk.

Two passes are needed, since the ids depend on how often each word occurs. The first splits the
texts into words, on all cores, and numbers the words as they come. The second replaces these
numbers, which were written to a file, by the ids.
"""

import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rnnexp.cores import cores_of_all_workers
from rnnexp.data.dataset import array_file
from rnnexp.data.encoding import FIRST_WORD, UNKNOWN, Vocabulary, padded
from rnnexp.data.stored_texts import ENCODING, StoredTexts
from rnnexp.data.tokens import Tokenizer, Tokens, blocks

if TYPE_CHECKING:
    import pyarrow as pa

CHARACTERS = 2**24  # in a chunk: the more, the fewer words come in several chunks
WAITING = 8  # chunks whose words are numbered at once, since all words are looked at each time
ROWS = 1000  # that are padded at once
THREADS = 8  # at most, since each holds a chunk; reading the files takes longer than 8 need


def encode_parts(
    parts: Mapping[str, Sequence[str]],
    trained: int,
    folder: Path,
    *,
    split: str,
    num_words: int | None,
    maxlen: int | None,
    characters: int = CHARACTERS,
) -> Vocabulary:
    """Write the ids of each part to ``x_PART.npy``, ``int32 (n, maxlen)``.

    Args:
        parts: The texts of each part, at least one.
        trained: The number of texts of the part ``train``, its first, that are trained on.
        folder: The folder to write to.
        split: As in `Source`.
        num_words: As in `Source`.
        maxlen: As in `Source`.
        characters: The number of characters of a chunk, or of bytes of texts on disk.

    Returns:
        The vocabulary of the texts that are trained on.

    Raises:
        OSError: If the folder can't be written.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        numbered = _Numbered(file)
        tokenizer = Tokenizer(split)

        def add(texts: Sequence[str], *, counts: bool = False) -> list[npt.NDArray[np.int64]]:
            return [
                numbered.add(t, counts=counts)
                for t in _in_threads(tokenizer, _chunks(texts, characters))
            ]

        ends = {"train": add(parts["train"][:trained], counts=True)}
        ends["train"] += add(parts["train"][trained:])
        ends |= {name: add(texts) for name, texts in parts.items() if name != "train"}
        numbered.write()
        vocabulary, ids = numbered.vocabulary(num_words)
        file.seek(0)
        for name, chunk_ends in ends.items():
            _write(
                array_file(folder, "x", name), maxlen or numbered.longest + 1, ids, chunk_ends, file
            )
    return vocabulary


def _no_words() -> "pa.Array":
    import pyarrow as pa  # only data that are not in the cache yet need pyarrow

    return pa.array([], pa.binary())


@dataclass
class _Numbered:
    """The words of all texts, numbered as they come; the texts as such numbers are in a file."""

    file: IO[bytes]
    longest: int = 0
    _counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _known: "pa.Array" = field(default_factory=_no_words)
    _waiting: list[tuple[Tokens, bool]] = field(default_factory=list)

    def add(self, tokens: Tokens, *, counts: bool = False) -> npt.NDArray[np.int64]:
        """Append some texts to the file, or let them wait until there are more.

        Args:
            tokens: The words of the texts.
            counts: Whether the texts are trained on.

        Returns:
            Where each of the texts ends, counted in words.
        """
        self._waiting.append((tokens, counts))
        if len(self._waiting) == WAITING:
            self.write()
        return tokens.ends

    def write(self) -> None:
        """Write the texts that wait."""
        waiting, self._waiting = self._waiting, []
        for (tokens, counts), numbers in zip(waiting, self._numbers_of(waiting), strict=True):
            if counts:
                np.add.at(
                    self._counts, numbers, np.bincount(tokens.numbers, minlength=len(numbers))
                )
                self.longest = max(self.longest, int(np.diff(tokens.ends, prepend=0).max()))
            self.file.write(numbers[tokens.numbers].data)

    def _numbers_of(self, waiting: Sequence[tuple[Tokens, bool]]) -> list[npt.NDArray[np.int32]]:
        """Return the numbers of the words of some texts, after new words were numbered."""
        import pyarrow as pa

        words = [tokens.words for tokens, _ in waiting]
        sizes = list(map(len, [self._known, *words]))
        # Words are numbered as they come, so that those that are known keep their numbers.
        encoded = pa.chunked_array([self._known, *words]).dictionary_encode().combine_chunks()
        self._known = encoded.dictionary
        counts = np.zeros(len(self._known), np.int64)
        counts[: len(self._counts)] = self._counts
        self._counts = counts
        return np.split(encoded.indices.to_numpy(), np.cumsum(sizes)[:-1])[1:]

    def vocabulary(self, num_words: int | None) -> tuple[Vocabulary, npt.NDArray[np.int32]]:
        """Return the vocabulary, and the id of each word by its number."""
        words: list[bytes] = self._known.to_pylist()
        # In UTF-8 the alphabet is that of the characters; the second sort keeps its order.
        ranked = np.array(
            sorted(self._counts.nonzero()[0].tolist(), key=words.__getitem__), dtype=np.int64
        )
        ranked = ranked[np.argsort(-self._counts[ranked], kind="stable")][:num_words]
        ids = np.full(len(words), UNKNOWN, dtype=np.int32)
        ids[ranked] = np.arange(FIRST_WORD, FIRST_WORD + len(ranked))
        return Vocabulary(tuple(words[number].decode(*ENCODING) for number in ranked)), ids


def _chunks(texts: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """Return texts in chunks; those on disk are read by the threads that split them."""
    return texts.chunks(size) if isinstance(texts, StoredTexts) else blocks(texts, size)


def _in_threads(tokenizer: Tokenizer, chunks: Iterable[Sequence[str]]) -> Iterator[Tokens]:
    """Yield the words of each chunk in order, while threads are a few chunks ahead."""
    cores = cores_of_all_workers()
    with ThreadPoolExecutor(
        min(len(cores), THREADS), initializer=_use, initargs=(cores,)
    ) as threads:
        waiting: deque[Future[Tokens]] = deque()
        for chunk in chunks:
            waiting.append(threads.submit(tokenizer, chunk))
            if len(waiting) > min(len(cores), THREADS):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _use(cores: Sequence[int]) -> None:
    """Let this thread run on some cores, also if its process is a worker with a part of them."""
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):  # the cores have been taken away from this machine
            os.sched_setaffinity(0, cores)


def _write(
    path: Path,
    maxlen: int,
    ids: npt.NDArray[np.int32],
    chunk_ends: Sequence[npt.NDArray[np.int64]],
    file: IO[bytes],
) -> None:
    """Write a part, whose numbers come next in the file, as `numpy.save` would."""
    shape = sum(map(len, chunk_ends)), maxlen
    header = {"descr": "<i4", "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        for ends in chunk_ends:
            numbers = np.frombuffer(file.read(4 * int(ends[-1])), dtype=np.int32)
            texts = np.split(ids[numbers], ends[:-1])
            for first in range(0, len(texts), ROWS):
                stream.write(padded(texts[first : first + ROWS], maxlen).data)
