"""Keras's IMDB set: 25,000 reviews to train and 25,000 to test on, half of them positive.

Keras numbers the words by their frequency in training and test part together, and
begins with 4. The reviews are turned back into words here, so that the vocabulary is
made as for every other source: of the training part alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rnnexp import keras_runtime
from rnnexp.data.source import Corpus, Source
from rnnexp.errors import DataError


@dataclass(kw_only=True)
class Imdb(Source):
    """The IMDB set as Keras provides it, downloaded once to Keras's cache.

    With ``task=regression`` its two labels are the numbers 0.0 and 1.0.
    """

    def fingerprint(self) -> dict[str, object]:
        """Nothing to add: Keras checks the digest of the file that it downloads."""
        return {}

    def read(self) -> dict[str, Corpus]:
        """Both parts.

        Raises:
            DataError: If Keras has not downloaded the set yet and can't now.
        """
        datasets = keras_runtime.keras().datasets
        try:
            # No marks added, nothing left out: the ids are then those of the word index.
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
    """Keras's integer sequences as texts.

    Args:
        sequences: Word ids, from 1, as in the word index.
        labels: 0 for a negative, 1 for a positive review.
        index: Keras's word index: word to id.
    """
    words = {number: word for word, number in index.items()}
    texts = [" ".join(words[number] for number in sequence) for sequence in sequences]
    return Corpus(texts, [int(label) for label in labels])
