"""Checks of the names of classes and functions in a config: does each exist, and which is near?"""

import importlib
from collections.abc import Iterator
from inspect import isclass, isfunction
from types import ModuleType
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.formatting import did_you_mean
from rnnexp.training.output_layer import NAMED

# The module in which Keras looks up a name that is given as plain text, by config key.
KERAS_MODULES = {
    "compile.optimizer": "keras.optimizers",
    "compile.loss": "keras.losses",
    "compile.metrics": "keras.metrics",
    "compile.weighted_metrics": "keras.metrics",
}
# Metrics whose function Keras chooses by the loss; `keras.metrics` has no such names.
METRICS_BY_LOSS = ("accuracy", "acc", "crossentropy", "ce")


def import_path_problems(config: DictConfig) -> list[str]:
    """Return what is wrong with the names in a config.

    Args:
        config: The whole config. Names are each ``_target_`` below ``data``, ``model``, ``compile``
            and ``callbacks``, ``model.function``, and optimizers, losses and metrics as plain text.
    """
    keras_runtime.keras()
    # Not resolved, since some interpolations only a job can resolve; the node that an interpolation
    # points at is visited by itself.
    plain: Any = OmegaConf.to_container(config, resolve=False)
    problems = []
    for part in ("data", "model", "compile", "callbacks"):
        for key, target in _targets(plain.get(part), part):
            name = str(OmegaConf.select(config, key)) if "${" in target else target
            problems += [f"{key}={name}: {problem}" for problem in _path_problems(name)]
    if function := OmegaConf.select(config, "model.function"):
        problems += [
            f"model.function={function}: {problem}" for problem in _path_problems(str(function))
        ]
    for key, module in KERAS_MODULES.items():
        given = OmegaConf.select(config, key)
        problems += [
            f"{key}={name}: {_unknown(name, module)}"
            for name in (given if isinstance(given, ListConfig) else [given])
            if isinstance(name, str) and not _is_known(module, name)
        ]
    return problems


def _targets(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        if "_target_" in node:
            yield f"{path}._target_", str(node["_target_"])
        items = [(str(key), value) for key, value in node.items()]
    elif isinstance(node, list):
        items = [(str(number), item) for number, item in enumerate(node)]
    else:
        return
    for key, child in items:
        yield from _targets(child, f"{path}.{key}")


def _path_problems(path: str) -> list[str]:
    module_name, _, name = path.rpartition(".")
    if not module_name:
        return [f"must be an import path, such as my_module.{name}"]
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if _is_in_class(module_name, name):
            return []
        return [f"{module_name} can't be imported: {error}"]
    return [] if hasattr(module, name) else [_unknown(name, module_name)]


def _is_in_class(class_path: str, name: str) -> bool:
    module_name, _, class_name = class_path.rpartition(".")
    try:
        return hasattr(getattr(importlib.import_module(module_name), class_name), name)
    except (ImportError, AttributeError, ValueError):
        return False


def _is_known(module: str, name: str) -> bool:
    if module == "keras.metrics" and name in (*METRICS_BY_LOSS, *NAMED):
        return True
    try:
        importlib.import_module(module).get(name)
    except ValueError:
        return False
    return True


def _unknown(name: str, module_name: str) -> str:
    module: ModuleType = importlib.import_module(module_name)
    public = [
        known
        for known, value in vars(module).items()
        if not known.startswith("_") and (isclass(value) or isfunction(value))
    ]
    if module_name == "keras.metrics":
        public += [*METRICS_BY_LOSS, *NAMED]
    hint = did_you_mean(name, public) or f"; there are {', '.join(public[:30])}"
    return f"{module_name} has no {name}{hint}"
