"""Texts as ids: 0 pads, 1 starts a text, 2 is an unknown word, known words have ids from 3."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PAD, START, UNKNOWN, FIRST_WORD = 0, 1, 2, 3
SPLITS = ("whitespace", "character")

Rows = npt.NDArray[np.int32]


class _Punctuation(dict[int, str]):
    """A table for `str.translate` that blanks punctuation, filled when a character first occurs.

    Apostrophes stay, as in "don't". So do symbols beyond ASCII, since an emoji says much about an
    opinion.
    """

    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        category = unicodedata.category(character)
        is_blank = category[0] == "P" or (category[0] == "S" and character.isascii())
        self[codepoint] = " " if is_blank and character != "'" else character
        return self[codepoint]


_PUNCTUATION = _Punctuation({0x2019: "'"})  # the typographic apostrophe


def blanked(codepoint: int) -> str:
    """Return a character as `tokenize` splits it: a space for punctuation."""
    return _PUNCTUATION[codepoint]


def joined(texts: Iterable[str]) -> str:
    """Return the texts of a row's columns as one text."""
    return " ".join(filter(None, texts))


def tokenize(text: str, split: str) -> list[str]:
    """Return the words of a text, in lower case.

    Args:
        text: Any text, in any language.
        split: ``whitespace`` splits at white space and removes punctuation. ``character`` makes a
            word of each character but white space, for languages written without spaces.
    """
    if split == "character":
        return [character for character in text.lower() if not character.isspace()]
    words = text.lower().translate(_PUNCTUATION).split()
    return [word for token in words if (word := token.strip("'"))]


@dataclass(frozen=True)
class Vocabulary:
    """The known words.

    Attributes:
        words: The words, most frequent first; ``words[i]`` has the id ``i + 3``.
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]], num_words: int | None) -> "Vocabulary":
        """Make the vocabulary of some texts.

        Args:
            texts: Texts as lists of words.
            num_words: The number of words to keep, the most frequent first, and among equally
                frequent words the first by the alphabet; None for all.
        """
        counts = Counter(word for text in texts for word in text)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(tuple(ranked[:num_words]))

    def encode(self, texts: Iterable[Sequence[str]], maxlen: int) -> Rows:
        """Encode texts as ids.

        As in Keras's ``pad_sequences``, padding comes before the text, and a text of more than
        ``maxlen`` ids loses its beginning, the start id first.

        Args:
            texts: At least one text, each a list of words.
            maxlen: The number of ids of each row.

        Returns:
            ``int32 (n, maxlen)``.
        """
        ids = {word: number for number, word in enumerate(self.words, start=FIRST_WORD)}
        return padded([[ids.get(word, UNKNOWN) for word in text] for text in texts], maxlen)


def padded(texts: Sequence[Sequence[int] | npt.NDArray[np.int32]], maxlen: int) -> Rows:
    """Return texts of ids as rows of the same length, as `Vocabulary.encode` describes."""
    rows = np.full((len(texts), maxlen), PAD, dtype=np.int32)
    for row, ids in zip(rows, texts, strict=True):
        if len(ids) < maxlen:
            row[maxlen - len(ids) - 1] = START
            row[maxlen - len(ids) :] = ids
        else:
            row[:] = ids[len(ids) - maxlen :]
    return rows
