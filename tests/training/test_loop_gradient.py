"""The gradient of a SimpleRNN, compared with that of the backend."""

import json
import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnnexp.training.loop_gradient import last_state, settle

# Prints, for each model, the losses without and with the gradient, and how often it was computed.
TRAINED = """
import json, sys
from rnnexp import keras_runtime
keras_runtime.choose(sys.argv[1], deterministic=False)
keras = keras_runtime.keras()
import numpy as np
from rnnexp.training import loop_gradient

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
}
x = np.random.default_rng(0).integers(0, 20, (24, 7)).astype("int32")
y = (x.sum(1) % 2).astype("float32")
backward, calls = loop_gradient._backward, []
loop_gradient._backward = lambda *given: calls.append(given) or backward(*given)


def trained(name, settles):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((None,), dtype="int32", batch_size=8),
        layers.Embedding(20, 4, mask_zero=name == "masked"), RECURRENT[name](),
        *([layers.GlobalMaxPooling1D()] if name == "all states" else []), layers.Dense(1),
    ])
    is_jit = sys.argv[2] == "jit" and name != "dropout"
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


@pytest.mark.parametrize(
    ("words", "rows", "inputs", "units"), [(1, 1, 1, 1), (1, 4, 3, 5), (2, 1, 3, 5), (9, 6, 5, 3)]
)
def test_it_is_the_gradient_of_the_loop(words: int, rows: int, inputs: int, units: int) -> None:
    shapes = [(words, rows, inputs), (rows, units), (inputs, units), (units, units), (units,)]
    rng = np.random.default_rng(0)
    given = [tf.constant(rng.normal(size=shape), "float32") for shape in shapes]
    weights = rng.normal(size=(rows, units)).astype("float32")

    def gradients(function: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(given)
            value = tf.reduce_sum(function(*given) * weights)
        return tape.gradient(value, given)

    assert np.array_equal(last_state()(*given), plain(*given))
    for own, expected in zip(gradients(last_state()), gradients(plain), strict=True):
        assert own.shape == expected.shape
        assert np.asarray(own) == pytest.approx(np.asarray(expected), rel=1e-4, abs=1e-5)


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
        "lstm": 0,
    }
    for name, (without, with_gradient, _) in rows.items():
        tolerance = 1e-2 if name == "half precision" else 1e-5
        assert with_gradient == pytest.approx(without, rel=tolerance), name
        assert with_gradient[-1] < with_gradient[0], name
