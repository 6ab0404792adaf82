"""Batches of texts of similar length, as ``data.bucketing`` asks for.

Texts are stored with padding in front, all of one width. A batch of short texts is cut to a smaller
width here, for models that give the same answers with less padding. Which models do is found out
before the first trial (rnnexp/training/checks/bucketing.py).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from rnnexp.data.lengths import text_lengths
from rnnexp.training.array_arguments import Array, ArrayArguments


class Batches(keras.utils.PyDataset):
    """Batches of texts of similar length, each cut to one of a few widths.

    The texts are sorted by the width that they need, and each `batch_size` of them are a batch. So
    there are as many batches as without bucketing, and only the last may have fewer texts.

    Without `shuffle`, the widest batch comes first, and the others follow from narrow to wide: on
    TensorFlow, Keras takes from the first two batches whether all have the same width.

    Args:
        arrays: The texts, ``int32 (n, width)`` with padding in front; their labels; and sample
            weights, if there are any.
        lengths: The widths to cut to, ascending. A text that is longer keeps the whole width.
        batch_size: The number of texts in a batch.

    Attributes:
        batch_size: The number of texts in a batch.
        rows: The number of texts.
        widths: ``int64 (batches,)``, the width of each batch, ascending.
    """

    def __init__(self, arrays: Sequence[Array], lengths: Sequence[int], batch_size: int) -> None:
        super().__init__()
        self._x, *self._others = arrays
        self.batch_size, self.rows = batch_size, len(self._x)
        widths = np.array([*lengths, self._x.shape[1]])
        self._needed = widths[np.searchsorted(widths, text_lengths(self._x))]
        self._rows = self._sorted(np.arange(self.rows))
        last = np.minimum(np.arange(0, self.rows, batch_size) + batch_size, self.rows) - 1
        self.widths = self._needed[self._rows[last]]
        self._order = np.roll(np.arange(len(last)), 1)

    def _sorted(self, rows: Array) -> Array:
        in_order: Array = rows[np.argsort(self._needed[rows], kind="stable")]
        return in_order

    @property
    def order(self) -> Array:
        """``int64 (rows,)``: the numbers of the texts, from 0, in the order of the batches."""
        starts = self._order * self.batch_size
        return np.concatenate([self._rows[start:][: self.batch_size] for start in starts])

    @property
    def num_batches(self) -> int:
        """The number of batches."""
        return len(self.widths)

    def shuffle(self, seed: tuple[int, int], *, texts: bool) -> None:
        """Draw a new order of the batches.

        Args:
            seed: Equal seeds draw equal orders.
            texts: Whether other texts come together, too.
        """
        rng = np.random.default_rng(seed)
        self._order = rng.permutation(self.num_batches)
        if texts:
            self._rows = self._sorted(rng.permutation(self.rows))

    def __getitem__(self, index: int) -> tuple[Array, ...]:
        """Return a batch: texts, labels and, if there are any, sample weights."""
        batch = self._order[index]
        rows = self._rows[batch * self.batch_size :][: self.batch_size]
        return (self._x[rows, -self.widths[batch] :], *(array[rows] for array in self._others))


class ShuffleBatches(keras.callbacks.Callback):
    """Draws the order of the batches of each epoch, which depends on the seed and the epoch alone.

    So a training that is resumed goes on with the order that it would have had.

    Args:
        batches: The batches to train on.
        seed: The seed of the training.
        texts: Whether other texts come together in each epoch.
    """

    def __init__(self, batches: Batches, seed: int, *, texts: bool) -> None:
        super().__init__()
        self._batches, self._seed, self._texts = batches, seed, texts

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:  # noqa: ARG002
        """Draw the order of an epoch, before Keras asks for its batches."""
        self._batches.shuffle((self._seed, epoch), texts=self._texts)


def fit_in_buckets(
    arguments: Mapping[str, Any], lengths: Sequence[int], seed: int
) -> dict[str, Any]:
    """Return the arguments of ``model.fit`` for batches of texts of similar length.

    Args:
        arguments: The arguments with arrays. Those that ask Keras to make batches of them are
            replaced: ``batch_size``, ``validation_split``, ``shuffle`` and the like.
        lengths: The lengths to which texts are padded.
        seed: The seed of the order, if ``shuffle`` is not false.
    """
    given = ArrayArguments.of(arguments)
    batches = Batches(given.arrays, lengths, given.batch_size)
    bucketed = given.others | {"x": batches, "shuffle": False}
    if given.shuffle:
        texts = given.shuffle != "batch"
        bucketed["callbacks"] = [ShuffleBatches(batches, seed, texts=texts)]
    if given.validation:
        size = given.validation_batch_size
        bucketed["validation_data"] = Batches(given.validation, lengths, size)
    return bucketed


def evaluate_in_buckets(arguments: Mapping[str, Any], lengths: Sequence[int]) -> dict[str, Any]:
    """Return the arguments of ``model.evaluate`` for batches of texts of similar length.

    Args:
        arguments: The arguments with arrays.
        lengths: The lengths to which texts are padded.
    """
    given = ArrayArguments.of(arguments)
    return given.others | {"x": Batches(given.arrays, lengths, given.batch_size)}
