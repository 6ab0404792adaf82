"""Batches on TensorFlow, in an order that the seed and the epoch decide, without threads.

Keras makes such a stream of arrays with threads that tune it. On a core of its own, a worker then
waits for these threads for up to a second at the end of each epoch. JAX gets arrays, of which Keras
makes batches without threads, in an order that depends on the same two numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from rnnexp import keras_runtime
from rnnexp.training.array_arguments import NUMBERS_OF_STEPS, Array, ArrayArguments

if TYPE_CHECKING:
    import keras


def fit_on_streams(arguments: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the arguments of ``model.fit`` with streams in place of arrays, on TensorFlow.

    Args:
        arguments: The arguments. Those that ask Keras to make batches of arrays are replaced:
            ``batch_size``, ``validation_split``, ``shuffle`` and the like. Arguments without
            arrays, or with numbers of steps, stay as they are; on JAX, a callback is added.
        seed: The seed of the order, if ``shuffle`` is not false.
    """
    if not _is_streamed(arguments):
        return dict(arguments) | _seeded_order(arguments, seed)
    given = ArrayArguments.of(arguments)
    order = _Order.drawn(seed, given.shuffle)
    streamed = given.others | {
        "x": _stream(given.arrays, given.batch_size, order),
        "shuffle": False,  # or Keras warns that the stream is not shuffled by Keras
        "callbacks": [_set_at_epochs(order.epoch)],
    }
    if given.validation:
        streamed["validation_data"] = _stream(given.validation, given.validation_batch_size)
    return streamed


def evaluate_on_stream(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``model.evaluate`` with a stream in place of arrays, on TensorFlow.

    Args:
        arguments: The arguments; without arrays, they stay as they are.
    """
    if not _is_streamed(arguments):
        return dict(arguments)
    given = ArrayArguments.of(arguments)
    return given.others | {"x": _stream(given.arrays, given.batch_size)}


def are_arrays(arguments: Mapping[str, Any]) -> bool:
    """Return whether there are arrays, all rows of which are an epoch.

    Args:
        arguments: The arguments of ``model.fit`` or ``model.evaluate``.
    """
    is_all = not any(arguments.get(key) for key in (*NUMBERS_OF_STEPS, "steps"))
    return is_all and isinstance(arguments["x"], np.ndarray)


def _is_streamed(arguments: Mapping[str, Any]) -> bool:
    return keras_runtime.keras().backend.backend() == "tensorflow" and are_arrays(arguments)


def _seeded_order(arguments: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the callback that seeds the order of arrays on JAX; nothing on TensorFlow.

    On TensorFlow, what has a number of steps is read from one stream for all epochs, which Keras
    shuffles.
    """
    is_array = isinstance(arguments["x"], np.ndarray)
    if not is_array or keras_runtime.keras().backend.backend() == "tensorflow":
        return {}
    from rnnexp.training.callbacks import SeedOrder

    return {"callbacks": [SeedOrder(seed)]}


@dataclass(frozen=True)
class _Order:
    """The order of the rows in each epoch.

    Attributes:
        epoch: A variable of TensorFlow: the epoch, which a callback sets.
        seed: The order depends on the seed and the epoch alone.
        shuffle: As in ``model.fit``: true for rows in random order; ``batch`` for random order
            within each batch; or false.
    """

    epoch: Any
    seed: int
    shuffle: bool | str

    @classmethod
    def drawn(cls, seed: int, shuffle: bool | str) -> Self:
        """Make an order that begins with the first epoch."""
        import tensorflow as tf

        return cls(tf.Variable(0, trainable=False, dtype=tf.int64), seed, shuffle)

    def mixed(self, rows: Any) -> Any:
        """Return rows in the random order of the epoch."""
        import tensorflow as tf

        seed = tf.stack([tf.constant(self.seed, tf.int64), self.epoch])
        return tf.random.experimental.stateless_shuffle(rows, seed)


def _set_at_epochs(variable: Any) -> "keras.callbacks.Callback":
    """Return a callback that sets a variable to the epoch that begins."""
    at_epochs = keras_runtime.keras().callbacks.LambdaCallback
    return at_epochs(on_epoch_begin=lambda epoch, _: variable.assign(epoch))


def _stream(arrays: Sequence[Array], batch_size: int, order: _Order | None = None) -> Any:
    """Return a ``tf.data.Dataset`` of the batches of an epoch.

    Args:
        arrays: Of equal lengths: the texts, the labels and, if there are any, weights.
        batch_size: The number of rows in a batch; the last may have fewer.
        order: The order of the rows; None for that of the arrays.
    """
    import tensorflow as tf

    parts = [tf.constant(_as_keras_has(array)) for array in arrays]
    number, shuffle = len(arrays[0]), order.shuffle if order else False

    def batches(rows: Any) -> Any:
        rows = order.mixed(rows) if order and shuffle is True else rows
        of_epoch = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
        return of_epoch.map(order.mixed) if order and shuffle == "batch" else of_epoch

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return (
        tf.data.Dataset.from_tensors(tf.range(number))
        .flat_map(batches)
        .map(lambda rows: tuple(tf.gather(part, rows) for part in parts))
        .apply(tf.data.experimental.assert_cardinality(math.ceil(number / batch_size)))
        .with_options(options)
    )


def _as_keras_has(array: Array) -> Array:
    """Return an array with Keras's type of floats, as Keras converts the arrays that it gets."""
    is_float = np.issubdtype(array.dtype, np.floating)
    return array.astype(keras_runtime.keras().config.floatx()) if is_float else np.asarray(array)
