"""The gradients of a SimpleRNN and an LSTM, compared with those of the backend."""

import json
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnexp.training.loop_gradient import settle
from rnnexp.training.lstm_gradient import last_states
from rnnexp.training.simple_rnn_gradient import last_state

# Prints, for each model, the losses without and with the gradient, and how often it was computed.
TRAINED = """
import json, sys
from rnnexp import keras_runtime
keras_runtime.choose(sys.argv[1], deterministic=False)
keras = keras_runtime.keras()
import numpy as np
from rnnexp.training import loop_gradient, lstm_gradient, simple_rnn_gradient

layers, RNN = keras.layers, keras.layers.SimpleRNN
RECURRENT = {
    "plain": lambda: RNN(5),
    "both directions": lambda: layers.Bidirectional(RNN(5)),
    "stateful": lambda: RNN(5, stateful=True),
    "half precision": lambda: RNN(5, dtype="mixed_bfloat16"),
    "masked": lambda: RNN(5),
    "dropout": lambda: RNN(5, dropout=0.5),
    "all states": lambda: layers.Bidirectional(RNN(5, return_sequences=True)),
    "relu": lambda: RNN(5, activation="relu"),
    "lstm": lambda: layers.LSTM(5),
    "lstm, both directions": lambda: layers.Bidirectional(layers.LSTM(5)),
    "lstm, stateful": lambda: layers.LSTM(5, stateful=True),
    "lstm, half precision": lambda: layers.LSTM(5, dtype="mixed_bfloat16"),
    "lstm, masked": lambda: layers.LSTM(5),
    "lstm, dropout": lambda: layers.LSTM(5, dropout=0.5),
    "lstm, relu": lambda: layers.LSTM(5, activation="relu"),
    "lstm, hard sigmoid": lambda: layers.LSTM(5, recurrent_activation="hard_sigmoid"),
    "gru": lambda: layers.GRU(5),
}
x = np.random.default_rng(0).integers(0, 20, (24, 7)).astype("int32")
y = (x.sum(1) % 2).astype("float32")
calls = []


def count(module):
    backward = module._backward
    module._backward = lambda *given: calls.append(given) or backward(*given)


count(simple_rnn_gradient)
count(lstm_gradient)


def trained(name, settles):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((None,), dtype="int32", batch_size=8),
        layers.Embedding(20, 4, mask_zero="masked" in name), RECURRENT[name](),
        *([layers.GlobalMaxPooling1D()] if name == "all states" else []), layers.Dense(1),
    ])
    is_jit = sys.argv[2] == "jit" and "dropout" not in name
    model.compile("adam", "mse", metrics=["mae"], jit_compile=is_jit)
    if settles:
        loop_gradient.settle(model)
    history = model.fit(x, y, batch_size=8, epochs=4, verbose=0, shuffle=False).history
    return history["loss"]


for name in RECURRENT:
    without = trained(name, False)
    before = len(calls)
    print(json.dumps([name, without, trained(name, True), len(calls) - before]))
"""


def plain(words: Any, first: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    state = first
    for word in words:
        state = tf.tanh(word @ kernel + bias + state @ recurrent)
    return state


def plain_lstm(words: Any, state: Any, carry: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    for word in words:
        i, f, c, o = tf.split(word @ kernel + state @ recurrent + bias, 4, axis=1)
        carry = tf.sigmoid(f) * carry + tf.sigmoid(i) * tf.tanh(c)
        state = tf.sigmoid(o) * tf.tanh(carry)
    return state, carry


def one_state(function: Any) -> Any:
    return lambda *given: (function(*given),)


SIZES = pytest.mark.parametrize(
    ("words", "rows", "inputs", "units"), [(1, 1, 1, 1), (1, 4, 3, 5), (2, 1, 3, 5), (9, 6, 5, 3)]
)


def assert_equal(own: Any, plain: Any, shapes: list[tuple[int, ...]]) -> None:
    """Compare the states that two functions return, and their gradients."""
    rng = np.random.default_rng(0)
    given = [tf.constant(rng.normal(size=shape), "float32") for shape in shapes]
    weights = rng.normal(size=shapes[1]).astype("float32")

    def gradients(function: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(given)
            value = sum(
                tf.reduce_sum(state * weights * n) for n, state in enumerate(function(*given), 1)
            )
        return tape.gradient(value, given)

    for state, expected in zip(own(*given), plain(*given), strict=True):
        assert np.array_equal(state, expected)
    for found, expected in zip(gradients(own), gradients(plain), strict=True):
        assert found.shape == expected.shape
        assert np.asarray(found) == pytest.approx(np.asarray(expected), rel=1e-4, abs=1e-5)


@SIZES
def test_it_is_the_gradient_of_the_loop(words: int, rows: int, inputs: int, units: int) -> None:
    shapes = [(words, rows, inputs), (rows, units), (inputs, units), (units, units), (units,)]
    assert_equal(one_state(last_state()), one_state(plain), shapes)


@SIZES
def test_it_is_the_gradient_of_an_lstm(words: int, rows: int, inputs: int, units: int) -> None:
    states = (rows, units), (rows, units)
    weights = (inputs, 4 * units), (units, 4 * units), (4 * units,)
    assert_equal(last_states(), plain_lstm, [(words, rows, inputs), *states, *weights])


def test_an_eager_step_keeps_that_of_the_backend() -> None:
    model = keras.Sequential([keras.Input((None, 1)), keras.layers.SimpleRNN(2)])
    model.compile(loss="mse", run_eagerly=True)
    settle(model)
    assert "train_step" not in vars(model)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "xla"), [("jax", "jit"), ("tensorflow", "jit"), ("tensorflow", "")]
)
def test_a_training_is_that_of_keras(backend: str, xla: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", TRAINED, backend, xla], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    rows = {name: rest for name, *rest in map(json.loads, ended.stdout.splitlines())}
    traces = 1 if backend == "jax" else 2  # without rnnexp/training/early_variables.py
    assert {name: calls for name, (_, _, calls) in rows.items()} == {
        "plain": traces,
        "both directions": 2 * traces,
        "stateful": traces,
        "half precision": traces,
        "masked": 0,
        "dropout": 0,
        "all states": 0,
        "relu": 0,
        "lstm": traces,
        "lstm, both directions": 2 * traces,
        "lstm, stateful": traces,
        "lstm, half precision": traces,
        "lstm, masked": 0,
        "lstm, dropout": 0,
        "lstm, relu": 0,
        "lstm, hard sigmoid": 0,
        "gru": 0,
    }
    for name, (without, with_gradient, _) in rows.items():
        tolerance = 1e-2 if "half precision" in name else 1e-5
        assert with_gradient == pytest.approx(without, rel=tolerance), name
        assert with_gradient[-1] < with_gradient[0], name
