"""Keras's IMDB dataset: 25,000 reviews to train on and 25,000 to test on, half of them positive.

Keras numbers the words by their frequency in both parts together. This module turns the reviews
back into words, so that the vocabulary is made as for every other source: of the training part
alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rnnexp import keras_runtime
from rnnexp.data.source import Corpus, Source
from rnnexp.errors import DataError


@dataclass(kw_only=True)
class Imdb(Source):
    """The IMDB dataset as Keras provides it, downloaded once to Keras's cache.

    With ``task=regression`` the two labels are the numbers 0.0 and 1.0.
    """

    def fingerprint(self) -> dict[str, object]:
        """Return nothing: Keras checks the digest of the file that it downloads."""
        return {}

    def read(self) -> dict[str, Corpus]:
        """Read both parts.

        Raises:
            DataError: If Keras has not downloaded the dataset before, and can't now.
        """
        datasets = keras_runtime.keras().datasets
        try:
            # With no id added and no word left out, the ids are those of the word index.
            (x_train, y_train), (x_test, y_test) = datasets.imdb.load_data(
                start_char=None, oov_char=None, index_from=0, num_words=10**9
            )
            index = datasets.imdb.get_word_index()
        except Exception as error:  # Keras raises a bare Exception for a failed download
            raise DataError(
                [
                    f"data=imdb: Keras could not get its IMDB set ({error}). On a machine with "
                    "an open network run `python -c 'import keras; keras.datasets.imdb.load_data();"
                    " keras.datasets.imdb.get_word_index()'` and copy ~/.keras/datasets here, or "
                    "use your own files with data=table, or data=generated"
                ]
            ) from error
        return {
            "train": from_keras(x_train, y_train, index),
            "test": from_keras(x_test, y_test, index),
        }


def from_keras(
    sequences: Iterable[Sequence[int]], labels: Iterable[int], index: Mapping[str, int]
) -> Corpus:
    """Turn Keras's sequences of ids back into texts.

    Args:
        sequences: The reviews as ids of the word index, which begin at 1.
        labels: 0 for a negative review, 1 for a positive one.
        index: Keras's word index: the id of each word.
    """
    words = {number: word for word, number in index.items()}
    texts = [" ".join(words[number] for number in sequence) for sequence in sequences]
    return Corpus(texts, [int(label) for label in labels])
