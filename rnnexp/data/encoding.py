"""From text to integers: 0 pads, 1 starts a review, 2 is any unknown word, words begin at 3."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PAD, START, UNKNOWN, FIRST_WORD = 0, 1, 2, 3
SPLITS = ("whitespace", "character")


class _Punctuation(dict[int, str]):
    """A table for `str.translate` that blanks punctuation, filled as characters come up.

    Apostrophes stay, for the sake of words like "don't"; so do symbols beyond ASCII,
    since an emoji says more than most words.
    """

    def __missing__(self, codepoint: int) -> str:
        character = chr(codepoint)
        category = unicodedata.category(character)
        blank = category[0] == "P" or (category[0] == "S" and character.isascii())
        self[codepoint] = " " if blank and character != "'" else character
        return self[codepoint]


_PUNCTUATION = _Punctuation({0x2019: "'"})  # the typographic apostrophe


def tokenize(text: str, split: str) -> list[str]:
    """The words of a text, in lower case.

    Args:
        text: Any text, in any language.
        split: ``whitespace``: words are what stands between white space, without
            punctuation. ``character``: every character but white space is a word, which
            suits languages that write no spaces.
    """
    if split == "character":
        return [character for character in text.lower() if not character.isspace()]
    words = text.lower().translate(_PUNCTUATION).split()
    return [word for token in words if (word := token.strip("'"))]


@dataclass(frozen=True)
class Vocabulary:
    """The known words, most frequent first; ``words[i]`` has the id ``i + 3``."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]], num_words: int | None) -> "Vocabulary":
        """The ``num_words`` most frequent words of tokenized texts; equals by alphabet."""
        counts = Counter(word for text in texts for word in text)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(tuple(ranked[:num_words]))

    def encode(self, texts: Iterable[Sequence[str]], maxlen: int) -> npt.NDArray[np.int32]:
        """Tokenized texts as ids, ``int32 (n, maxlen)``.

        As in Keras's ``pad_sequences``, rows are padded before the text, and a text of
        more than ``maxlen`` ids loses its beginning, the start id first.
        """
        ids = {word: number for number, word in enumerate(self.words, start=FIRST_WORD)}
        rows = []
        for text in texts:
            row = np.full(maxlen, PAD, dtype=np.int32)
            sequence = [START, *(ids.get(word, UNKNOWN) for word in text)][-maxlen:]
            row[-len(sequence) :] = sequence
            rows.append(row)
        return np.stack(rows)
