"""Models, layers and metrics of one's own, as users write them, with what Keras can't read back."""

from typing import Any

import keras
from omegaconf import DictConfig


class Twice(keras.layers.Layer):
    """A layer that isn't registered with Keras."""

    def call(self, x: Any) -> Any:
        return x * 2


@keras.saving.register_keras_serializable()
class Registered(Twice):
    """A layer that is registered."""


class WithoutConfig(keras.layers.Layer):
    """A layer whose arguments Keras can't write."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self._function = function

    def call(self, x: Any) -> Any:
        return self._function(x)


class Subclassed(keras.Model):
    """A model without a graph of layers."""

    def __init__(self, input_dim: int, units: int, outputs: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.sizes = {"input_dim": input_dim, "units": units, "outputs": outputs}
        self.embedding = keras.layers.Embedding(input_dim, 4)
        self.rnns = [keras.layers.GRU(units)]
        self.last = keras.layers.Dense(outputs, activation="sigmoid")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.sizes}

    def call(self, ids: Any) -> Any:
        return self.last(self.rnns[0](self.embedding(ids)))


class Spelled(keras.layers.Layer):
    """A layer that handles strings, which XLA can't compile."""

    def call(self, x: Any) -> Any:
        import tensorflow as tf

        lengths = tf.strings.length(tf.strings.as_string(x))
        return x + 0 * keras.ops.cast(lengths, x.dtype)


def shifted(x: Any) -> Any:
    """Activate as a function of one's own."""
    return keras.ops.tanh(x) + 0.1


@keras.saving.register_keras_serializable()
def doubled(x: Any) -> Any:
    """Activate as a registered function of one's own."""
    return keras.ops.tanh(x) * 2


def _with(config: DictConfig, input_dim: int, *layers: Any) -> keras.Model:
    own = config.model
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.GRU(own.units)(keras.layers.Embedding(input_dim, 4)(ids))
    for layer in layers:
        x = layer(x)
    return keras.Model(ids, keras.layers.Dense(own.output_dim, own.output_activation)(x))


def twice(input_dim: int, config: DictConfig) -> keras.Model:
    return _with(config, input_dim, Twice())


def spelled(input_dim: int, config: DictConfig) -> keras.Model:
    return _with(config, input_dim, Spelled())


def registered(input_dim: int, config: DictConfig) -> keras.Model:
    return _with(config, input_dim, Registered())


def activated(input_dim: int, config: DictConfig) -> keras.Model:
    return _with(
        config,
        input_dim,
        keras.layers.Dense(3, activation=shifted),
        keras.layers.Dense(3, activation=doubled),
        keras.layers.Activation(keras.ops.tanh),
    )


def anonymous(input_dim: int, config: DictConfig) -> keras.Model:
    return _with(config, input_dim, keras.layers.Lambda(lambda x: x * 2))


def without_config(input_dim: int, config: DictConfig) -> keras.Model:
    return _with(config, input_dim, WithoutConfig(shifted))


def subclassed(input_dim: int, config: DictConfig) -> keras.Model:
    return Subclassed(input_dim, config.model.units, config.model.output_dim)


def convolved(input_dim: int, config: DictConfig) -> keras.Model:  # noqa: ARG001
    """Read four words at a time: no text of two words can be read without padding."""
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Conv1D(4, 4)(keras.layers.Embedding(input_dim, 4)(ids))
    return keras.Model(ids, keras.layers.Dense(1)(keras.layers.GlobalMaxPooling1D()(x)))


def averaged(input_dim: int, config: DictConfig) -> keras.Model:
    """Average the vectors of words, but not of padding; penalize what ``model.penalty`` says."""
    ids = keras.Input((None,), dtype="int32")
    penalty = {config.model.get("penalty", "embeddings_regularizer"): keras.regularizers.L2(1.0)}
    x = keras.layers.Embedding(input_dim, 4, mask_zero=True, **penalty)(ids)
    return keras.Model(ids, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(x)))


counted: list[int] = []


def growing(input_dim: int, config: DictConfig) -> keras.Model:
    """Build another model each time."""
    counted.append(len(counted) + 2)
    return _with(config, input_dim, keras.layers.Dense(counted[-1]))


def f1(y_true: Any, y_pred: Any) -> Any:
    """Score as a function, which Keras takes as a metric."""
    y_true = keras.ops.cast(y_true, "float32")
    y_pred = keras.ops.cast(y_pred[:, 0] > 0.5, "float32")
    both = keras.ops.sum(y_true * y_pred)
    return 2 * both / (keras.ops.sum(y_true) + keras.ops.sum(y_pred) + 1e-7)


class PerClass(keras.metrics.Metric):
    """A metric of two numbers."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Keep nothing."""

    def result(self) -> Any:
        return keras.ops.ones((2,))


class Untrainable(keras.losses.Loss):
    """A loss that can be computed, but not trained."""

    def call(self, y_true: Any, y_pred: Any) -> Any:  # noqa: ARG002
        return keras.ops.cast(y_pred > 0.5, "float32")
