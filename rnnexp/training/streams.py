"""Batches on TensorFlow: one stream for all epochs, in an order that the seed and the epoch decide.

Keras makes such a stream anew for each epoch, with threads that tune it. On a core of its own, a
worker then waits for these threads for up to a second at the end of each epoch. JAX gets arrays,
of which Keras makes batches without threads, in an order that depends on the same two numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnexp import keras_runtime
from rnnexp.training.array_arguments import Array, ArrayArguments


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
    size, validation_size = given.batch_size, given.validation_batch_size
    first = given.others.get("initial_epoch") or 0
    streamed = given.others | {
        "x": _stream(given.arrays, size, _Order(first, seed, given.shuffle)),
        "steps_per_epoch": _steps(given.arrays, size),
        "shuffle": False,  # or Keras warns that the stream is not shuffled by Keras
    }
    if given.validation:
        streamed["validation_data"] = _stream(given.validation, validation_size)
        streamed["validation_steps"] = _steps(given.validation, validation_size)
    return streamed


def evaluate_on_stream(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``model.evaluate`` with a stream in place of arrays, on TensorFlow.

    Args:
        arguments: The arguments; without arrays, they stay as they are.
    """
    if not _is_streamed(arguments):
        return dict(arguments)
    given = ArrayArguments.of(arguments)
    return given.others | {
        "x": _stream(given.arrays, given.batch_size),
        "steps": _steps(given.arrays, given.batch_size),
    }


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


def _steps(arrays: Sequence[Array], batch_size: int) -> int:
    return math.ceil(len(arrays[0]) / batch_size)


def _is_streamed(arguments: Mapping[str, Any]) -> bool:
    """Return whether there are arrays, all rows of which are an epoch, on TensorFlow."""
    is_tensorflow = keras_runtime.keras().backend.backend() == "tensorflow"
    is_all = not any(arguments.get(key) for key in ("steps_per_epoch", "validation_steps", "steps"))
    return is_tensorflow and is_all and isinstance(arguments["x"], np.ndarray)


@dataclass(frozen=True)
class _Order:
    """The order of the rows in each epoch.

    Attributes:
        first_epoch: The first epoch.
        seed: The order depends on the seed and the epoch alone.
        shuffle: As in ``model.fit``: true for rows in random order; ``batch`` for random order
            within each batch; or false.
    """

    first_epoch: int = 0
    seed: int = 0
    shuffle: bool | str = False


def _stream(arrays: Sequence[Array], batch_size: int, order: _Order = _Order()) -> Any:
    """Return a ``tf.data.Dataset`` of batches, epoch after epoch without an end.

    Args:
        arrays: Of equal lengths: the texts, the labels and, if there are any, weights.
        batch_size: The number of rows in a batch; the last of an epoch may have fewer.
        order: The order of the rows.
    """
    import tensorflow as tf

    parts = [tf.constant(_as_keras_has(array)) for array in arrays]

    def mixed(rows: Any, epoch: Any) -> Any:
        seed = tf.stack([tf.constant(order.seed, tf.int64), epoch])
        return tf.random.experimental.stateless_shuffle(rows, seed)

    def batches(epoch: Any) -> Any:
        rows = tf.range(len(arrays[0]))
        if order.shuffle is True:
            rows = mixed(rows, epoch)
        of_epoch = tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
        return (
            of_epoch.map(lambda rows: mixed(rows, epoch)) if order.shuffle == "batch" else of_epoch
        )

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return (
        tf.data.Dataset.counter(order.first_epoch, dtype=tf.int64)
        .flat_map(batches)
        .map(lambda rows: tuple(tf.gather(part, rows) for part in parts))
        .with_options(options)
    )


def _as_keras_has(array: Array) -> Array:
    """Return an array with Keras's type of floats, as Keras converts the arrays that it gets."""
    is_float = np.issubdtype(array.dtype, np.floating)
    return array.astype(keras_runtime.keras().config.floatx()) if is_float else np.asarray(array)
