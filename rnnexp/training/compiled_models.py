"""Compiled models, kept in a process for later trainings of the same structure.

Keras traces a model's steps, and XLA compiles them, in the first epoch of a training. A later
training in the process whose config differs in seed, learning rate and size of batches alone takes
the model of the earlier one, and gives it the variables of a new model: initial weights, states of
random numbers, learning rate. Its metrics are equal to the last bit to those of the new model. So
a paused trial that goes on, in a process that has trained such a model, compiles nothing.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnexp.objective import value_in
from rnnexp.training.array_arguments import NUMBERS_OF_STEPS
from rnnexp.training.output_layer import monitored_metric

if TYPE_CHECKING:
    import keras

MOST = 16  # models that are kept: the graphs of each take some 30 MB of memory
PARTS = ("data", "model", "compile", "fit")  # what a compiled model depends on
SIZES = ("batch_size", "validation_batch_size")  # of `fit`: Keras's steps take batches of any size

_kept: "dict[str, keras.Model]" = {}


def take(config: DictConfig, model: "keras.Model") -> "keras.Model":
    """Return a kept model that trains as a new one does; the new one itself if there is none.

    Args:
        config: The whole config of the new model.
        model: The new model, built and compiled, which has not been trained.
    """
    kept = _kept.pop(_structure(config), None)
    if kept is None:
        return model
    model.optimizer.build(model.trainable_variables)
    for variable, value in zip(_variables(kept), _variables(model), strict=True):
        variable.assign(value)
    return kept


def keep(config: DictConfig, model: "keras.Model") -> None:
    """Keep a model whose training has ended well.

    A model with parts of the user's own is not kept: the parts may remember their past.

    Args:
        config: The whole config of the model.
        model: The model.
    """
    if is_of_keras(config):
        _kept[_structure(config)] = model
        while len(_kept) > MOST:
            del _kept[next(iter(_kept))]


def are_kept() -> bool:
    """Return whether the process keeps compiled models."""
    return bool(_kept)


def forget() -> None:
    """Keep no model any more."""
    _kept.clear()


def is_of_keras(config: DictConfig) -> bool:
    """Return whether a training has no parts of the user's own, but those of Keras and rnnexp."""
    parts = OmegaConf.masked_copy(config, [*PARTS, "callbacks"])
    targets = _targets(OmegaConf.to_container(parts, resolve=False))
    return all(target.startswith(("keras.", "rnnexp.", "${")) for target in targets)


def have_own_seeds(config: DictConfig) -> bool:
    """Return whether no part of a training draws from random numbers of the backend's own.

    Keras's layers and initializers have seeds of their own, which Python's generator gives to them,
    and the streams of batches have that of the config. With a number of steps, Keras shuffles with
    TensorFlow's random numbers.

    Args:
        config: The whole config of the training.
    """
    has_steps = any(config.fit.get(name) for name in NUMBERS_OF_STEPS)
    return is_of_keras(config) and not has_steps


def _variables(model: "keras.Model") -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _structure(config: DictConfig) -> str:
    """Return the config of a training, without what compiled steps take as an input."""
    parts = {name: value_in(config, name) for name in PARTS}
    parts["monitored"] = monitored_metric(config)  # which the config of metrics need not have
    for name in SIZES:
        parts["fit"].pop(name, None)
    optimizer = parts["compile"].get("optimizer")
    if isinstance(optimizer, dict) and isinstance(optimizer.get("learning_rate"), float):
        del optimizer["learning_rate"]
    return json.dumps(parts, sort_keys=True, default=str)


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("_target_", "function", "layer") and isinstance(value, str):
                yield value
            yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
