"""The gradient of a SimpleRNN, with one product of matrices for all words.

JAX and TensorFlow differentiate a loop by another loop, which adds the gradients of the kernels
word by word. The products of so few rows are slow. Here the loop back through the words finds the
gradients of the states alone, and those of the kernels follow from all states at once. They are
equal but for the order of summation. The values of the loop itself are computed as Keras does.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rnnexp import keras_runtime
from rnnexp.training.loops import loops, while_traced

if TYPE_CHECKING:
    import keras


def settle(model: "keras.Model") -> None:
    """Let the SimpleRNN layers of a model have this gradient in its training steps.

    Layers with dropout, masks or another activation than tanh, and those that return all states,
    keep the backend's gradient. The saved model has Keras's layers.

    Args:
        model: The model, built and compiled, which has not been trained.
    """
    layers = [layer for layer in loops(model) if _is_plain(layer)]
    if layers and not model.run_eagerly:
        own = {layer: _inner_loop(layer) for layer in layers}
        model.train_step = while_traced(model.train_step, "inner_loop", own)


def covers(model: "keras.Model") -> bool:
    """Return whether all loops of a model have this gradient in a training."""
    is_masked = any(getattr(layer, "mask_zero", False) for layer in model.layers)
    return not is_masked and all(map(_is_plain, loops(model)))


def _is_plain(layer: "keras.layers.RNN") -> bool:
    keras = keras_runtime.keras()
    return (
        type(layer) is keras.layers.SimpleRNN
        and layer.activation is keras.activations.tanh
        and layer.use_bias
        and not (layer.dropout or layer.recurrent_dropout or layer.return_sequences)
    )


def _inner_loop(layer: "keras.layers.SimpleRNN") -> Callable[..., Any]:
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
        state = last_state()(words, *initial_state, *weights)
        return state, state[:, None], [state]

    return inner_loop


@cache
def last_state() -> Callable[..., Any]:
    """Return the function that gives the last state of a SimpleRNN, with the gradient.

    Its arguments, tensors of one dtype, are the inputs, ``(words, rows, inputs)``; the first state,
    ``(rows, units)``; the kernel, ``(inputs, units)``; the recurrent kernel, ``(units, units)``;
    and the bias, ``(units,)``. It returns the last state, ``(rows, units)``.
    """
    ops = keras_runtime.keras().ops

    def function(*arguments: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
        last, states = _forward(ops, *arguments)
        return last, lambda gradient: _backward(ops, arguments, states, gradient)

    found: Callable[..., Any] = ops.custom_gradient(function)
    return found


def _forward(
    ops: Any, words: Any, first: Any, kernel: Any, recurrent: Any, bias: Any
) -> tuple[Any, Any]:
    """Return the last state, and those after each word."""

    def step(state: Any, word: Any) -> tuple[Any, Any]:
        state = ops.tanh(word @ kernel + bias + state @ recurrent)
        return state, state

    last, states = ops.scan(step, first, words)
    return last, states


def _backward(ops: Any, arguments: Sequence[Any], states: Any, gradient: Any) -> tuple[Any, ...]:
    """Return the gradients of the arguments of `last_state`, for that of the last state.

    Args:
        ops: Keras's operations.
        arguments: The arguments.
        states: The states after each word, ``(words, rows, units)``.
        gradient: The gradient of the last state, ``(rows, units)``.
    """
    words, first, kernel, recurrent, _ = arguments
    to_before = ops.transpose(recurrent)

    def step(of_state: Any, state: Any) -> tuple[Any, Any]:
        of_sum = of_state * (1 - state * state)
        return of_sum @ to_before, of_sum

    of_first, sums = ops.scan(step, gradient, states, reverse=True)
    rows = _in_rows(ops, sums)
    before = ops.transpose(_in_rows(ops, states[:-1])) @ _in_rows(ops, sums[1:])
    of_recurrent = before + ops.transpose(first) @ sums[0]
    of_kernel = ops.transpose(_in_rows(ops, words)) @ rows
    of_words = ops.reshape(rows @ ops.transpose(kernel), ops.shape(words))
    return of_words, of_first, of_kernel, of_recurrent, ops.sum(rows, 0)


def _in_rows(ops: Any, tensor: Any) -> Any:
    """Return a tensor as a matrix with its last axis."""
    return ops.reshape(tensor, (-1, tensor.shape[-1]))
