"""The words of many texts at once: what `tokenize` returns, several times as fast.

NumPy and Arrow see the characters of all texts as one array, and do not hold Python's lock while
they work, so that several threads can.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rnnexp.data.encoding import blanked
from rnnexp.data.stored_texts import ENCODING

if TYPE_CHECKING:
    import pyarrow as pa

_SPACE, _END = 0x20, 0x0A  # between words, and after each text
_UNSEEN = np.uint32(0xFFFFFFFF)
_UTF32 = ("utf-32-le", "surrogatepass")
CHARACTERS = 2**19  # that are looked at at once, so that they stay in the processor's cache


@dataclass(frozen=True)
class Tokens:
    """The words of some texts.

    Attributes:
        words: Words in UTF-8, possibly the same word several times; binary.
        numbers: ``int32 (tokens,)`` places of the words of all texts in ``words``.
        ends: ``int64 (texts,)`` ends of the texts in ``numbers``.
    """

    words: "pa.Array"
    numbers: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]


class Tokenizer:
    """Splits texts into words, exactly as `rnnexp.data.encoding.tokenize` does.

    Args:
        split: ``whitespace`` or ``character``.
    """

    def __init__(self, split: str) -> None:
        self._by_character = split == "character"
        # What each character of a text becomes, as code points; filled when one first occurs.
        self._becomes = np.full(0x110000, _UNSEEN, dtype=np.uint32)
        # The same of a text in ASCII, whose bytes are its characters.
        ascii_codes = (self._seen(ord(chr(code).lower())) for code in range(0x80))
        self._ascii = bytes([*ascii_codes, *range(0x80, 0x100)])

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Return the words of some texts."""
        import pyarrow as pa  # only data that are not in the cache yet need pyarrow
        import pyarrow.compute as pc

        arrays, ends, tokens = [], [], 0
        for block in blocks(texts, CHARACTERS):
            content = self._cleaned(block)
            characters = np.frombuffer(content, dtype=np.uint8)
            is_end = characters == _END
            starts, sizes = self._bounds(characters, (characters == _SPACE) | is_end)
            offsets = np.zeros(len(starts) + 1, dtype=np.int32)
            np.cumsum(sizes, out=offsets[1:])
            inside = content.translate(None, bytes([_SPACE, _END]))
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(inside)]
            arrays.append(pa.Array.from_buffers(pa.binary(), len(starts), buffers))
            ends.append(tokens + np.searchsorted(starts, np.flatnonzero(is_end)))
            tokens += len(starts)
        encoded = pa.chunked_array(arrays, pa.binary()).dictionary_encode().combine_chunks()
        words, numbers = encoded.dictionary, encoded.indices.to_numpy()
        if not self._by_character:
            words = pc.ascii_trim(words.view(pa.string()), "'").view(pa.binary())
        return _without_empty(Tokens(words, numbers, np.concatenate(ends)))

    def _cleaned(self, texts: Sequence[str]) -> bytes:
        """Return all texts in UTF-8 and lower case; only spaces are between their words."""
        cleaned: list[bytes] = []
        for is_ascii, run in groupby(texts, str.isascii):
            if is_ascii:
                cleaned += [text.encode().translate(self._ascii) for text in run]
            else:
                cleaned.append(self._decoded(list(run)))
        return b"\n".join([*cleaned, b""])

    def _decoded(self, texts: Sequence[str]) -> bytes:
        lower = [text.lower() for text in texts]  # each by itself, since a sigma's form depends
        codes = np.frombuffer("\n".join(lower).encode(*_UTF32), dtype=np.uint32)
        cleaned = self._becomes.take(codes)
        if (unseen := cleaned == _UNSEEN).any():
            for code in set(codes[unseen].tolist()):
                self._becomes[code] = self._seen(code)
            cleaned = self._becomes.take(codes)
        sizes = np.array([len(text) + 1 for text in lower], dtype=np.int64)
        cleaned[np.cumsum(sizes)[:-1] - 1] = _END
        return cleaned.tobytes().decode(*_UTF32).encode(*ENCODING)

    def _seen(self, code: int) -> int:
        character = chr(code) if self._by_character else blanked(code)
        return _SPACE if character.isspace() else ord(character)

    def _bounds(
        self, characters: npt.NDArray[np.uint8], is_outside: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the starts of the words, and their numbers of bytes."""
        if self._by_character:
            starts = np.flatnonzero(~is_outside & (characters & 0xC0 != 0x80))
            first = characters[starts]  # of UTF-8, tells how many bytes the character has
            return starts, 1 + (first >= 0xC0) + (first >= 0xE0) + (first >= 0xF0).astype(np.int64)
        is_edge = np.empty(len(characters), dtype=np.bool_)
        is_edge[:1] = ~is_outside[:1]
        np.not_equal(is_outside[1:], is_outside[:-1], out=is_edge[1:])
        edges = np.flatnonzero(is_edge)
        return edges[::2], edges[1::2] - edges[::2]


def _without_empty(tokens: Tokens) -> Tokens:
    """Drop the words of which nothing is left."""
    import pyarrow.compute as pc

    is_left = pc.binary_length(tokens.words).to_numpy() > 0
    if is_left.all():
        return tokens
    is_word = is_left[tokens.numbers]
    kept = np.concatenate([[0], np.cumsum(is_word)])
    return Tokens(tokens.words, tokens.numbers[is_word], kept[tokens.ends])


def blocks(texts: Iterable[str], characters: int) -> Iterator[list[str]]:
    """Yield texts in lists of so many characters at most, but for a longer text by itself."""
    block: list[str] = []
    size = 0
    for text in texts:
        if block and size + len(text) + 1 > characters:
            yield block
            block, size = [], 0
        block.append(text)
        size += len(text) + 1
    if block:
        yield block
