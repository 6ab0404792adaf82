"""The last state of a SimpleRNN, with the gradient of rnnexp/training/loop_gradient.py."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from rnnexp import keras_runtime
from rnnexp.training.loops import in_rows


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
    rows = in_rows(ops, sums)
    before = ops.transpose(in_rows(ops, states[:-1])) @ in_rows(ops, sums[1:])
    of_recurrent = before + ops.transpose(first) @ sums[0]
    of_kernel = ops.transpose(in_rows(ops, words)) @ rows
    of_words = ops.reshape(rows @ ops.transpose(kernel), ops.shape(words))
    return of_words, of_first, of_kernel, of_recurrent, ops.sum(rows, 0)
