"""The last states of an LSTM, with the gradient of rnnexp/training/loop_gradient.py.

Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997, with the forget
gate of Gers, Schmidhuber and Cummins, 2000. Names are Keras's: ``i``, ``f``, ``c`` and ``o`` are
the gates, in the order of the kernels' columns; the carry is the second state.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from rnnexp import keras_runtime
from rnnexp.training.loops import in_rows


@cache
def last_states() -> Callable[..., Any]:
    """Return the function that gives the last states of an LSTM, with the gradient.

    Its arguments, tensors of one dtype, are the inputs, ``(words, rows, inputs)``; the first state
    and carry, ``(rows, units)`` each; the kernel, ``(inputs, 4 * units)``; the recurrent kernel,
    ``(units, 4 * units)``; and the bias, ``(4 * units,)``. It returns the last state and carry,
    ``(rows, units)`` each.
    """
    ops = keras_runtime.keras().ops

    def function(*arguments: Any) -> tuple[Any, Callable[..., tuple[Any, ...]]]:
        last, kept = _forward(ops, *arguments)

        def gradients(*given: Any) -> tuple[Any, ...]:
            # JAX gives one tuple, TensorFlow an argument for each of the last states.
            of_last = given[0] if len(given) == 1 else given
            return _backward(ops, arguments, kept, of_last)

        return last, gradients

    found: Callable[..., Any] = ops.custom_gradient(function)
    return found


def _forward(
    ops: Any, words: Any, state: Any, carry: Any, kernel: Any, recurrent: Any, bias: Any
) -> tuple[Any, Any]:
    """Return the last state and carry; and of each word the states before it, and the gates.

    Keras's scan on TensorFlow stacks what has the shapes of the states alone, so the gates of a
    word, and the activation of its carry, are states that the next word doesn't read.
    """

    def step(states: Any, word: Any) -> tuple[Any, Any]:
        state, carry = states[:2]
        i, f, c, o = ops.split(word @ kernel + state @ recurrent + bias, 4, axis=1)
        i, f, c, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(c), ops.sigmoid(o)
        following = f * carry + i * c
        active = ops.tanh(following)
        return (o * active, following, i, f, c, o, active), (state, carry, i, f, c, o, active)

    last, kept = ops.scan(step, (state, carry, *[ops.zeros_like(state)] * 5), words)
    return (last[0], last[1]), kept


def _backward(
    ops: Any, arguments: Sequence[Any], kept: Sequence[Any], gradients: Sequence[Any]
) -> tuple[Any, ...]:
    """Return the gradients of the arguments of `last_states`.

    Args:
        ops: Keras's operations.
        arguments: The arguments.
        kept: What `_forward` has kept, ``(words, rows, units)`` each.
        gradients: The gradients of the last state and carry.
    """
    words, _, _, kernel, recurrent, _ = arguments
    to_before = ops.transpose(recurrent)

    def step(of_states: Any, word: Any) -> tuple[Any, Any]:
        of_state, of_carry, _ = of_states
        _, carry, i, f, c, o, active = word
        of_carry = of_carry + of_state * o * (1 - active * active)
        of_gates = [
            of_carry * c * i * (1 - i),
            of_carry * carry * f * (1 - f),
            of_carry * i * (1 - c * c),
            of_state * active * o * (1 - o),
        ]
        of_sums = ops.concatenate(of_gates, 1)
        following = of_sums @ to_before, of_carry * f, of_sums
        return following, following

    of_state, of_carry = gradients
    first = of_state, of_carry, ops.zeros_like(ops.concatenate([of_state] * 4, 1))
    (of_first, of_first_carry, _), (_, _, sums) = ops.scan(step, first, kept, reverse=True)
    rows = in_rows(ops, sums)
    of_kernel = ops.transpose(in_rows(ops, words)) @ rows
    of_recurrent = ops.transpose(in_rows(ops, kept[0])) @ rows
    of_words = ops.reshape(rows @ ops.transpose(kernel), ops.shape(words))
    return of_words, of_first, of_first_carry, of_kernel, of_recurrent, ops.sum(rows, 0)
