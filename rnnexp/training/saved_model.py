"""Whole models in files: which classes and functions of one's own a file needs, and loading it.

This file is copied into every MLflow model (see `rnnexp.serving.packing`), so it imports nothing of
this project.
"""

import importlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

_CONFIG = "config.json"  # in a .keras file, which is a ZIP archive
_KERAS = ("keras", "builtins")


def own_objects(file: Path, module: str = "") -> dict[str, str]:
    """Return the classes and functions that a saved model needs and Keras lacks.

    Nothing of the model's own is imported.

    Args:
        file: A ``.keras`` file.
        module: The module of the model's own functions, which Keras does not store.

    Returns:
        Import paths, such as ``own.Twice``, by the name under which Keras looks each up.
    """
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read(_CONFIG))
    config.pop("compile_config", None)  # a model that predicts needs no loss
    return dict(_own(config, module))


def load_saved(file: Path, needed: Mapping[str, str]) -> "keras.Model":
    """Load a saved model to predict with, in Keras's safe mode.

    The modules of the model's own classes and functions are imported.

    Args:
        file: A ``.keras`` file.
        needed: The classes and functions that the model needs, as of `own_objects`.

    Raises:
        ValueError: If one of them can't be imported.
        TypeError: If Keras can't load the model.
    """
    import keras

    found = {name: _imported(name, path) for name, path in needed.items()}
    known = {name: value for name, value in found.items() if value is not None}
    model: keras.Model = keras.models.load_model(
        file, compile=False, safe_mode=True, custom_objects=known
    )
    return model


def _own(node: Any, own_module: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        module, kind = node.get("module"), node.get("class_name")
        if kind == "function" and module == "builtins":  # such as an activation
            name = str(node.get("config"))
            if own_module and not _is_of_keras(name):
                yield name, f"{own_module}.{name.rpartition('>')[2]}"
        elif isinstance(module, str) and module and module.partition(".")[0] not in _KERAS:
            yield str(node.get("registered_name") or kind), f"{module}.{kind}"
        for value in node.values():
            yield from _own(value, own_module)
    elif isinstance(node, list):
        for value in node:
            yield from _own(value, own_module)


def _is_of_keras(name: str) -> bool:
    import keras

    return any(hasattr(part, name) for part in (keras.activations, keras.ops, keras.losses))


def _imported(name: str, path: str) -> Any:
    """Return a class or function; None if importing its module has made it known to Keras."""
    module, _, own_name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), own_name)
    except (ImportError, AttributeError) as error:
        if isinstance(error, AttributeError) and ">" in name:  # registered in yet another module
            return None
        raise ValueError(
            f"the model needs {path}, which can't be imported here: {error}; add the folder of "
            f"{module.partition('.')[0]} to PYTHONPATH"
        ) from error
    is_class = isinstance(found, type) and hasattr(found, "from_config")
    if not (is_class or isinstance(found, FunctionType)):
        raise ValueError(f"the model names {path}, which is no part of a model")
    return found
