"""Whether XLA compiles the steps of a training: ``compile.jit_compile``.

Keras's ``auto`` leaves XLA off where TensorFlow has no GPU. There, XLA trains recurrent layers in
half the time, but compiles for seconds. So here ``auto`` also turns XLA on for trainings that are
long enough, if their loops are not unrolled (rnnexp/training/unroll.py), and off again where XLA
can't compile a model. Keras's JAX backend always uses XLA.
"""

import logging
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.data.source import rows_to_train_on
from rnnexp.errors import one_line
from rnnexp.training.loops import FIRST_EPOCHS, epochs_to_train, loops

if TYPE_CHECKING:
    import keras

log = logging.getLogger(__name__)

KEY = "compile.jit_compile"
AUTO = "auto"
# Steps of recurrent loops that give back the time of compiling, as benchmarks/jit.py measures them.
LEAST_STEPS = 30_000
REFUSED = "Keras has no XLA for deterministic or eager training, nor for some layers"


def pays(
    layers: int, words: float, rows: int, batch_size: int, epochs: int, lengths: int = 1
) -> bool:
    """Return whether a training is long enough to give back the time that XLA compiles.

    Args:
        layers: The number of recurrent layers, each of which loops over the words.
        words: The length of the texts; the mean over the batches, if their lengths differ.
        rows: The number of texts to train on.
        batch_size: The number of texts in a batch. A last batch that is smaller is compiled, too.
        epochs: The largest number of epochs, of which the first `FIRST_EPOCHS` count.
        lengths: The number of lengths that batches have. Each is compiled.
    """
    steps = layers * words * math.ceil(rows / batch_size) * min(epochs, FIRST_EPOCHS)
    return steps >= LEAST_STEPS * (lengths + (1 if rows % batch_size else 0))


def settle(
    config: DictConfig, model: "keras.Model", arguments: dict[str, Any], *, has_loops: bool = True
) -> bool:
    """Turn XLA on for a training, or leave it as Keras has decided.

    Args:
        config: The whole config, in which `KEY` becomes what was decided, so that a replay of the
            run does the same.
        model: The model, built and compiled, which has not been trained.
        arguments: The arguments of ``model.fit``.
        has_loops: False if the steps are without loops, so that XLA gains little.

    Returns:
        Whether XLA compiles the training.
    """
    given = OmegaConf.select(config, KEY, default=AUTO)
    pays_here = given == AUTO and has_loops and not model.jit_compile and _pays(model, arguments)
    wants = given is True or pays_here
    if wants and not turn_on(model):
        log.info("%s is off: %s", KEY, REFUSED)
    is_on = bool(model.jit_compile)
    OmegaConf.update(config, KEY, is_on, force_add=True)
    return is_on


def turn_on(model: "keras.Model") -> bool:
    """Let XLA compile the steps of a model that has not been trained.

    Returns:
        Whether Keras allows it: Keras has no XLA for some layers, nor for deterministic training.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Model doesn't support `jit_compile=True`")
        model.jit_compile = not model.run_eagerly
    return bool(model.jit_compile)


def turn_off(config: DictConfig, error: Exception) -> bool:
    """Turn XLA off for a training that has failed with it, and log why.

    Args:
        config: The config, as of `settle`.
        error: The error of the training.

    Returns:
        Whether to train again: XLA was on, and TensorFlow has raised the error.
    """
    is_of_tensorflow = type(error).__module__.startswith("tensorflow.")
    if not is_of_tensorflow or OmegaConf.select(config, KEY) is not True:
        return False
    log.warning("%s is off, since the training failed with XLA: %s", KEY, message(error))
    OmegaConf.update(config, KEY, value=False)
    return True


def message(error: Exception) -> str:
    """Return the message of an error of XLA, shortened to what is wrong."""
    text = one_line(error).partition("The op is created at")[0].partition("Stack trace")[0]
    return f"{type(error).__name__}: {text[:300]}"


def _pays(model: "keras.Model", arguments: dict[str, Any]) -> bool:
    if keras_runtime.keras().backend.backend() != "tensorflow":
        return False
    number, epochs, x = len(list(loops(model))), epochs_to_train(arguments), arguments["x"]
    if isinstance(x, np.ndarray):
        rows = rows_to_train_on(len(x), arguments.get("validation_split"))
        return pays(number, x.shape[1], rows, arguments["batch_size"], epochs)
    words, lengths = x.widths.mean(), len(set(x.widths))
    return pays(number, words, x.rows, x.batch_size, epochs, lengths)
