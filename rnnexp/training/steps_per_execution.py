"""How many steps run between two calls of the callbacks: ``compile.steps_per_execution``.

Keras calls the callbacks after each batch, and on TensorFlow its loop over batches takes a
millisecond a batch, as long as a small model trains. With Keras's argument ``steps_per_execution``,
a loop of TensorFlow's stands in its place; on JAX, Keras's shorter loop doesn't wait for the values
of each batch. Losses are equal to the last bit, and callbacks hear of several batches at once.
``auto`` turns the loop on where steps are short, and no callback needs to hear of each batch.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.number_ranges import COUNT
from rnnexp.training import jit
from rnnexp.training.array_arguments import BATCH_SIZE, NUMBERS_OF_STEPS
from rnnexp.training.streams import are_arrays

if TYPE_CHECKING:
    import keras

KEY = "compile.steps_per_execution"
STEPS = 16  # more are no faster
# Multiplications of a step, forwards. Steps of more take longer than 40 ms on a core, and gain
# nothing; Ctrl-C waits for the end of a loop.
MOST_PRODUCTS = 500_000_000
OF_BATCHES = (
    "on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end",
    "on_test_batch_begin", "on_test_batch_end",
)  # fmt: skip


def problems(config: DictConfig) -> list[str]:
    """Return why a number of steps that the config gives can't be.

    Args:
        config: The whole config.
    """
    given = OmegaConf.select(config, KEY, default=jit.AUTO)
    if given == jit.AUTO:
        return []
    if found := COUNT.problems(KEY, given, f", or {jit.AUTO}"):
        return found
    return [
        f"fit.{name}={steps}: Keras would run steps until there are a multiple of {KEY}={given}; "
        "give such a multiple"
        for name in NUMBERS_OF_STEPS
        if isinstance(steps := config.fit.get(name), int) and steps % given
    ]


def settle(
    config: DictConfig,
    model: "keras.Model",
    arguments: dict[str, Any],
    callbacks: "Iterable[keras.callbacks.Callback]",
) -> int:
    """Settle how many steps of a training run at once.

    Args:
        config: The whole config, in which `KEY` becomes what was decided, so that a replay of the
            run does the same.
        model: The model, built and compiled, which has not been trained.
        arguments: The arguments of ``model.fit``.
        callbacks: The callbacks of the config.

    Returns:
        The number of steps.
    """
    given = OmegaConf.select(config, KEY, default=jit.AUTO)
    steps = given if given != jit.AUTO else _steps(model, arguments, callbacks)
    model.steps_per_execution = steps
    OmegaConf.update(config, KEY, steps, force_add=True)
    return int(steps)


def needs_batches(callback: "keras.callbacks.Callback") -> bool:
    """Return whether a callback needs to hear of each batch.

    One that saves after epochs doesn't, nor does TerminateOnNaN, which then ends a training some
    batches later.

    Args:
        callback: The callback.
    """
    of_keras = keras_runtime.keras().callbacks
    if type(callback) is of_keras.TerminateOnNaN or getattr(callback, "save_freq", "") == "epoch":
        return False
    return any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(of_keras.Callback, name)
        for name in OF_BATCHES
    )


def products(model: "keras.Model", arguments: Mapping[str, Any]) -> int:
    """Return about how many multiplications a step takes forwards: each weight once a word.

    Args:
        model: The model.
        arguments: The arguments of ``model.fit``, with an array of texts.
    """
    # A layer for embeddings looks its weights up.
    weights = sum(math.prod(w.shape) for w in model.weights if w.name != "embeddings")
    size = arguments.get("batch_size") or BATCH_SIZE
    return int(weights * math.prod(arguments["x"].shape[1:]) * size)


def _steps(
    model: "keras.Model",
    arguments: dict[str, Any],
    callbacks: "Iterable[keras.callbacks.Callback]",
) -> int:
    # Keras's bar would count the batches of the last loop that are not there.
    has_bar = arguments.get("verbose", jit.AUTO) in (1, jit.AUTO)
    if has_bar or model.run_eagerly or not are_arrays(arguments):
        return 1
    if products(model, arguments) > MOST_PRODUCTS:
        return 1
    return 1 if any(needs_batches(callback) for callback in callbacks) else STEPS
