"""Names that a config gives to classes and functions: are there such, and what is near?"""

import importlib
from collections.abc import Iterator
from difflib import get_close_matches
from inspect import isclass, isfunction
from types import ModuleType
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from rnnexp import keras_runtime

# Where Keras looks up a name that is given as plain text.
TEXTS = {
    "compile.optimizer": "keras.optimizers",
    "compile.loss": "keras.losses",
    "compile.metrics": "keras.metrics",
    "compile.weighted_metrics": "keras.metrics",
}
# Metrics that Keras has no function for: what they compute follows from the loss.
BY_LOSS = ("accuracy", "acc", "crossentropy", "ce")


def name_problems(config: DictConfig) -> list[str]:
    """Every ``_target_`` that can't be imported, and every unknown optimizer, loss or metric.

    Args:
        config: The whole config.
    """
    keras_runtime.keras()
    # Not resolved: some interpolations only a job can resolve, and what they point at comes up.
    plain: Any = OmegaConf.to_container(config, resolve=False)
    found = []
    for part in ("data", "model", "compile", "callbacks"):
        for key, target in _targets(plain.get(part), part):
            name = str(OmegaConf.select(config, key)) if "${" in target else target
            if problem := _problem(name):
                found.append(f"{key}={name}: {problem}")
    function = OmegaConf.select(config, "model.function")
    if function and (problem := _problem(str(function))):
        found.append(f"model.function={function}: {problem}")
    for key, module in TEXTS.items():
        given = OmegaConf.select(config, key)
        found += [
            f"{key}={name}: {_nearest(name, module)}"
            for name in (given if isinstance(given, ListConfig) else [given])
            if isinstance(name, str) and not _is_known(module, name)
        ]
    return found


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


def _problem(target: str) -> str | None:
    module_name, _, name = target.rpartition(".")
    if not module_name:
        return f"must be an import path, such as my_module.{name}"
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        if _is_inside_class(module_name, name):
            return None
        return f"{module_name or target} can't be imported: {error}"
    return None if hasattr(module, name) else _nearest(name, module_name)


def _is_inside_class(module_name: str, name: str) -> bool:
    outer_module, _, outer = module_name.rpartition(".")
    try:
        return hasattr(getattr(importlib.import_module(outer_module), outer), name)
    except (ImportError, AttributeError, ValueError):
        return False


def _is_known(module: str, name: str) -> bool:
    if module == "keras.metrics" and name in BY_LOSS:
        return True
    try:
        importlib.import_module(module).get(name)
    except ValueError:
        return False
    return True


def _nearest(name: str, module_name: str) -> str:
    module: ModuleType = importlib.import_module(module_name)
    public = [
        known
        for known, value in vars(module).items()
        if not known.startswith("_") and (isclass(value) or isfunction(value))
    ]
    if module_name == "keras.metrics":
        public += BY_LOSS
    lower = {known.lower(): known for known in public}
    near = [lower[text] for text in get_close_matches(name.lower(), lower, n=3)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(public[:30])}"
    return f"{module_name} has no {name}; {hint}"
