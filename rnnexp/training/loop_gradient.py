"""The gradient of a SimpleRNN or LSTM, with one product of matrices for all words.

JAX and TensorFlow differentiate a loop by another loop, which adds the gradients of the kernels
word by word. The products of so few rows are slow. Here the loop back through the words finds the
gradients of the states alone, and those of the kernels follow from all states at once. They are
equal but for the order of summation. The values of the loop itself are computed as Keras does.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rnnexp import keras_runtime
from rnnexp.training import lstm_gradient, simple_rnn_gradient
from rnnexp.training.loops import loops, while_traced

if TYPE_CHECKING:
    import keras


def settle(model: "keras.Model") -> None:
    """Let the SimpleRNN and LSTM layers of a model have this gradient in its training steps.

    Layers with dropout, masks or other activations than Keras's defaults, and those that return all
    states, keep the backend's gradient, and so does an LSTM on a GPU, where Keras has cuDNN's. The
    saved model has Keras's layers.

    Args:
        model: The model, built and compiled, which has not been trained.
    """
    layers = list(filter(_is_covered, loops(model)))
    if layers and not model.run_eagerly:
        own = {layer: _inner_loop(layer) for layer in layers}
        model.train_step = while_traced(model.train_step, "inner_loop", own)


def covers(model: "keras.Model") -> bool:
    """Return whether all loops of a model have this gradient in a training."""
    is_masked = any(getattr(layer, "mask_zero", False) for layer in model.layers)
    return not is_masked and all(map(_is_covered, loops(model)))


def _is_covered(layer: "keras.layers.RNN") -> bool:
    return _is_simple_rnn(layer) or _is_lstm(layer)


def _is_simple_rnn(layer: "keras.layers.RNN") -> bool:
    return type(layer) is keras_runtime.keras().layers.SimpleRNN and _is_plain(layer)


def _is_lstm(layer: "keras.layers.RNN") -> bool:
    keras = keras_runtime.keras()
    return (
        type(layer) is keras.layers.LSTM
        and layer.recurrent_activation is keras.activations.sigmoid
        and _is_plain(layer)
        and not keras_runtime.has_gpu()
    )


def _is_plain(layer: "keras.layers.RNN") -> bool:
    return (
        layer.activation is keras_runtime.keras().activations.tanh
        and layer.use_bias
        and not (layer.dropout or layer.recurrent_dropout or layer.return_sequences)
    )


def _inner_loop(layer: "keras.layers.RNN") -> Callable[..., Any]:
    """Return what a layer calls to loop over the words, in place of its own loop."""
    keras_loop, ops = layer.inner_loop, keras_runtime.keras().ops

    def inner_loop(
        sequences: Any, initial_state: Sequence[Any], mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        if mask is not None:
            masked: tuple[Any, Any, list[Any]] = keras_loop(
                sequences, initial_state, mask, training
            )
            return masked
        words, cell = ops.swapaxes(sequences, 0, 1), layer.cell
        words = ops.flip(words, 0) if layer.go_backwards else words
        weights = map(ops.convert_to_tensor, (cell.kernel, cell.recurrent_kernel, cell.bias))
        if _is_simple_rnn(layer):
            states = [simple_rnn_gradient.last_state()(words, *initial_state, *weights)]
        else:
            states = list(lstm_gradient.last_states()(words, *initial_state, *weights))
        return states[0], states[0][:, None], states

    return inner_loop
