"""Whether the loops of recurrent layers are unrolled while a model is trained: ``model.unroll``.

TensorFlow hands each word of a text from one of its operations to the next, which costs more than
the arithmetic in them. ``unroll`` is Keras's argument of recurrent layers: a graph without a loop,
which is faster and takes longer to make, the longer the texts are. Here it holds for the steps of
training and validation alone. The saved model has loops, so that it reads texts of any length.
"""

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.data.source import rows_to_train_on
from rnnexp.errors import one_line
from rnnexp.training import jit, loop_gradient
from rnnexp.training.loops import FIRST_EPOCHS, epochs_to_train, loops, while_traced

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

KEY = "model.unroll"
# What benchmarks/jit.py measures: a graph of longer texts takes longer to make than XLA compiles.
MOST_WORDS = 50
LEAST_BATCHES = 300  # that give back the time of making the graph


def pays(words: int, rows: int, batch_size: int, epochs: int) -> bool:
    """Return whether unrolling makes a training shorter. The number of layers has no influence.

    Args:
        words: The length of the texts.
        rows: The number of texts to train on.
        batch_size: The number of texts in a batch.
        epochs: The largest number of epochs, of which the first `FIRST_EPOCHS` count.
    """
    batches = math.ceil(rows / batch_size) * min(epochs, FIRST_EPOCHS)
    return words <= MOST_WORDS and batches >= LEAST_BATCHES


def problems(config: DictConfig) -> list[str]:
    """Return why loops can't be unrolled, if the config asks for it."""
    if OmegaConf.select(config, KEY) is not True:
        return []
    if config.backend == keras_runtime.JAX:
        reason = "is for TensorFlow, since JAX compiles loops, and would take minutes without them"
    elif config.data.get("bucketing") is not None:
        reason = "needs texts of one length, which data.bucketing takes from it"
    else:
        return []
    return [f"{KEY}=true: {reason}; give {KEY}=auto or false"]


def settle(config: DictConfig, model: "keras.Model", arguments: dict[str, Any]) -> bool:
    """Unroll the loops of a model in its steps, or leave them.

    Args:
        config: The whole config, in which `KEY` becomes what was decided, so that a replay of the
            run does the same.
        model: The model, built and compiled, which has not been trained.
        arguments: The arguments of ``model.fit``.

    Returns:
        Whether the loops are unrolled.
    """
    given = OmegaConf.select(config, KEY, default=jit.AUTO)
    layers = _loops_of_keras(model) if _can_have(model, arguments) else []
    is_on = bool(layers) and (
        given is True or (given == jit.AUTO and _pays(config, model, arguments))
    )
    if is_on:
        unrolled = dict.fromkeys(layers, True)
        model.train_step = while_traced(model.train_step, "unroll", unrolled)
        model.test_step = while_traced(model.test_step, "unroll", unrolled)
    OmegaConf.update(config, KEY, is_on, force_add=True)
    return is_on


def turn_off(config: DictConfig, error: Exception) -> bool:
    """Leave the loops of a training that has failed without them, and log why.

    Args:
        config: The config, as of `settle`.
        error: The error of the training.

    Returns:
        Whether to train again: loops were unrolled, and Keras could not do so.
    """
    if OmegaConf.select(config, KEY) is not True or "nroll" not in str(error):
        return False
    log.warning("%s is off, since the training failed with it: %s", KEY, one_line(error))
    OmegaConf.update(config, KEY, value=False)
    return True


def _can_have(model: "keras.Model", arguments: dict[str, Any]) -> bool:
    """Return whether TensorFlow makes a graph for texts of one length."""
    is_tensorflow = keras_runtime.keras().backend.backend() == "tensorflow"
    return is_tensorflow and not model.run_eagerly and isinstance(arguments["x"], np.ndarray)


def _pays(config: DictConfig, model: "keras.Model", arguments: dict[str, Any]) -> bool:
    if model.jit_compile or OmegaConf.select(config, jit.KEY) is True:
        return False
    if loop_gradient.covers(model):  # with which loops are as fast
        return False
    rows, words = arguments["x"].shape
    trained = rows_to_train_on(rows, arguments.get("validation_split"))
    return pays(words, trained, arguments["batch_size"], epochs_to_train(arguments))


def _loops_of_keras(model: "keras.Model") -> "list[keras.layers.RNN]":
    """Return the loops whose cells are Keras's own, which may be called once for each word."""
    layers = keras_runtime.keras().layers
    own = layers.SimpleRNN, layers.LSTM, layers.GRU
    return [layer for layer in loops(model) if type(layer) in own]
