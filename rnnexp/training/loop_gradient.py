"""The gradient of a SimpleRNN on JAX, with one product of matrices for all words.

JAX differentiates a loop by another loop, which adds the gradients of the kernels word by word. The
products of so few rows are slow. Here the loop back through the words finds the gradients of the
states alone, and those of the kernels follow from all states at once. They are equal but for the
order of summation. The values of the loop itself are computed as Keras does.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rnnexp import keras_runtime
from rnnexp.training.loops import loops, while_traced

if TYPE_CHECKING:
    import keras


def settle(model: "keras.Model") -> None:
    """Let the SimpleRNN layers of a model have this gradient in its training steps, on JAX.

    Layers with dropout, masks or another activation than tanh, and those that return all states,
    keep JAX's gradient. The saved model has Keras's layers.

    Args:
        model: The model, built and compiled, which has not been trained.
    """
    layers = [layer for layer in loops(model) if _is_plain(layer)]
    if layers and keras_runtime.keras().backend.backend() == keras_runtime.JAX:
        own = {layer: _inner_loop(layer) for layer in layers}
        model.train_step = while_traced(model.train_step, "inner_loop", own)


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
    keras_loop = layer.inner_loop

    def inner_loop(
        sequences: Any, initial_state: Sequence[Any], mask: Any, training: bool = False
    ) -> tuple[Any, Any, list[Any]]:
        if mask is not None:
            masked: tuple[Any, Any, list[Any]] = keras_loop(
                sequences, initial_state, mask, training
            )
            return masked
        words = sequences.swapaxes(0, 1)
        cell = layer.cell
        weights = (cell.kernel.value, cell.recurrent_kernel.value, cell.bias.value)
        state = last_state()(words[::-1] if layer.go_backwards else words, *initial_state, *weights)
        return state, state[:, None], [state]

    return inner_loop


@cache
def last_state() -> Callable[..., Any]:
    """Return the function that gives the last state of a SimpleRNN, with the gradient.

    Its arguments, arrays of one dtype, are the inputs, ``(words, rows, inputs)``; the first state,
    ``(rows, units)``; the kernel, ``(inputs, units)``; the recurrent kernel, ``(units, units)``;
    and the bias, ``(units,)``. It returns the last state, ``(rows, units)``.
    """
    import jax

    function = jax.custom_vjp(lambda *arguments: _forward(*arguments)[0])
    function.defvjp(_forward, _backward)
    return function


def _forward(words: Any, first: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
    """Return the last state, and what the gradient needs."""
    from jax import lax, numpy

    def step(state: Any, word: Any) -> tuple[Any, Any]:
        state = numpy.tanh(word @ kernel + bias + state @ recurrent)
        return state, state

    last, states = lax.scan(step, first, words)
    return last, (words, first, kernel, recurrent, states)


def _backward(kept: Any, gradient: Any) -> tuple[Any, ...]:
    """Return the gradients of the arguments of `_forward`, for that of the last state."""
    from jax import lax

    words, first, kernel, recurrent, states = kept

    def step(of_state: Any, state: Any) -> tuple[Any, Any]:
        of_sum = of_state * (1 - state * state)
        return of_sum @ recurrent.T, of_sum

    of_first, sums = lax.scan(step, gradient, states, reverse=True)
    units = states.shape[-1]
    rows = sums.reshape(-1, units)
    before = states[:-1].reshape(-1, units)
    of_recurrent = before.T @ sums[1:].reshape(-1, units) + first.T @ sums[0]
    of_kernel = words.reshape(-1, words.shape[-1]).T @ rows
    of_words = (rows @ kernel.T).reshape(words.shape)
    return of_words, of_first, of_kernel, of_recurrent, rows.sum(0)
