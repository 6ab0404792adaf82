"""Compiled models, kept in a process for later trainings of the same structure.

TensorFlow traces a model's steps, and XLA compiles them, in the first epoch of a training. A later
training in the process whose config differs in seed and learning rate alone takes the model of the
earlier one, and gives it the variables of a new model: initial weights, states of random numbers,
learning rate. Its metrics are equal to the last bit to those of the new model.
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.objective import value_in

if TYPE_CHECKING:
    import keras

MOST = 4  # models that are kept: each has its graphs in memory
PARTS = ("data", "model", "compile", "fit")  # what a compiled model depends on

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
    is_tensorflow = keras_runtime.keras().backend.backend() == "tensorflow"
    parts = OmegaConf.masked_copy(config, [*PARTS, "callbacks"])
    targets = _targets(OmegaConf.to_container(parts, resolve=False))
    if is_tensorflow and all(map(_is_of_keras, targets)):
        _kept[_structure(config)] = model
        while len(_kept) > MOST:
            del _kept[next(iter(_kept))]


def forget() -> None:
    """Keep no model any more."""
    _kept.clear()


def _variables(model: "keras.Model") -> list[Any]:
    return [*model.variables, *model.optimizer.variables]


def _structure(config: DictConfig) -> str:
    """Return the config of a training without the learning rate, which is a variable."""
    parts = {name: value_in(config, name) for name in PARTS}
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


def _is_of_keras(target: str) -> bool:
    return target.startswith(("keras.", "rnnexp.", "${"))
