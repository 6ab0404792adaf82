"""Texts in a file on disk, so that reviews that are read do not fill the memory."""

import os
import tempfile
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import overload

import numpy as np
import numpy.typing as npt

from rnnexp.cache_folder import cache_folder
from rnnexp.errors import DataError

ENCODING = ("utf-8", "surrogatepass")
_BLOCK = 2**18  # bytes that are written, or read where texts follow each other, at once


class StoredTexts(Sequence[str]):
    """A sequence of texts, each of which is read from a file when it is asked for.

    Args:
        file: The file, which all slices and selections share.
        starts: ``int64 (n,)`` offsets of the texts in the file.
        sizes: ``int64 (n,)`` numbers of bytes of the texts.
        digests: ``uint8 (n, 32)`` SHA-256 of each text.
    """

    def __init__(
        self,
        file: "_Nameless",
        starts: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
        digests: npt.NDArray[np.uint8],
    ) -> None:
        self._file = file
        self._starts = starts
        self._sizes = sizes
        self._digests = digests

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> "StoredTexts": ...
    def __getitem__(self, row: int | slice) -> "str | StoredTexts":
        if isinstance(row, slice):
            return self._chosen(row)
        return self._file.read(int(self._starts[row]), int(self._sizes[row])).decode(*ENCODING)

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __iter__(self) -> Iterator[str]:
        block, first = b"", 0
        for start, size in zip(self._starts.tolist(), self._sizes.tolist(), strict=True):
            place = start - first
            if not 0 <= place <= place + size <= len(block):
                follows = 0 <= place <= len(block)
                block = self._file.read(start, max(size, _BLOCK) if follows else size)
                first, place = start, 0
            yield block[place : place + size].decode(*ENCODING)

    def rows(self, chosen: Sequence[int]) -> "StoredTexts":
        """Return some of the texts, by their numbers from 0, in the order of the numbers."""
        return self._chosen(np.array(chosen, dtype=np.int64))

    def chunks(self, size: int) -> "Iterator[StoredTexts]":
        """Yield the texts by so many bytes at most, but for a longer text by itself; reads none."""
        ends = np.cumsum(self._sizes)
        first = 0
        while first < len(self):
            most = size + (int(ends[first - 1]) if first else 0)
            after = max(int(np.searchsorted(ends, most, side="right")), first + 1)
            yield self[first:after]
            first = after

    def digests(self) -> list[bytes]:
        """Return the SHA-256 of each text."""
        content, size = self._digests.tobytes(), self._digests.shape[1]
        return [content[start : start + size] for start in range(0, len(content), size)]

    def _chosen(self, rows: slice | npt.NDArray[np.int64]) -> "StoredTexts":
        columns = self._starts[rows], self._sizes[rows], self._digests[rows]
        return StoredTexts(self._file, *columns)


class TextWriter:
    """Writes texts into a file in the folder of the cache, where there has to be room for them.

    Raises:
        DataError: If the file can't be made.
    """

    def __init__(self) -> None:
        self._sizes = array("q")
        self._digests = bytearray()
        try:
            self._file = _Nameless()
        except OSError as error:
            raise _not_stored(error) from error

    def append(self, text: str) -> None:
        """Add a text.

        Raises:
            DataError: If the disk is full or can't be written.
        """
        content = text.encode(*ENCODING)
        self._sizes.append(len(content))
        self._digests += sha256(content).digest()
        try:
            self._file.stream.write(content)
        except OSError as error:
            raise _not_stored(error) from error

    def texts(self) -> StoredTexts:
        """Return the texts that were added.

        Raises:
            DataError: If the disk is full or can't be written.
        """
        try:
            self._file.stream.flush()
        except OSError as error:
            raise _not_stored(error) from error
        sizes = np.array(self._sizes, dtype=np.int64)
        digests = np.frombuffer(bytes(self._digests), dtype=np.uint8).reshape(
            -1, sha256().digest_size
        )
        return StoredTexts(self._file, np.cumsum(sizes) - sizes, sizes, digests)


class _Nameless:
    """A file without a name, which is gone with this object, or with the process."""

    def __init__(self) -> None:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        self.stream = tempfile.TemporaryFile(  # noqa: SIM115, it lives as long as this
            buffering=_BLOCK, dir=folder
        )

    def read(self, start: int, size: int) -> bytes:
        return os.pread(self.stream.fileno(), size, start)

    def __del__(self) -> None:
        if hasattr(self, "stream"):
            with suppress(OSError):  # of what a full disk has no room for, and nobody reads
                self.stream.close()


def digests(texts: Sequence[str]) -> list[bytes]:
    """Return the SHA-256 of each text, for comparisons of texts that need not be in memory."""
    if isinstance(texts, StoredTexts):
        return texts.digests()
    return [sha256(text.encode(*ENCODING)).digest() for text in texts]


def _not_stored(error: OSError) -> DataError:
    where = error.filename or cache_folder()
    return DataError([f"encoded data can't be stored: {where}: {error.strerror}"])
