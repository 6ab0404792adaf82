"""The file of a backup: NumPy's arrays and JSON, so that reading it runs no code.

The file is a ``.npz`` archive, read with ``allow_pickle=False``. Its array ``json`` has everything
that is not an array, as text; an array or a NumPy number is named there by its place. What an
attribute of a callback can be: None, a bool, a number, a string, an array, a list, a tuple or a
dict of these, or a comparison of NumPy or of ``keras.ops``, which is stored by its name: Keras's
callbacks keep ``less`` or ``greater`` as ``monitor_op``.
"""

import io
import json
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

JSON = "json"  # name of the array with everything that is not an array
PLAIN = (type(None), bool, int, float, str)
MODULES = {"numpy": np, "keras.ops": keras.ops}
COMPARISONS = ("less", "less_equal", "greater", "greater_equal")


class UnstorableError(TypeError):
    """A value that a backup can't hold."""


def dump(state: Mapping[str, Any]) -> bytes:
    """Return a state as the content of a file.

    Raises:
        UnstorableError: If a value of the state can't be stored.
    """
    arrays: dict[str, Any] = {}
    text = json.dumps({key: _pack(value, arrays) for key, value in state.items()})
    arrays[JSON] = np.frombuffer(text.encode(), np.uint8)
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def load(content: bytes) -> dict[str, Any]:
    """Return the state that `dump` was given.

    Raises:
        Exception: Whatever NumPy, zipfile and json raise if the content is torn.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        packed = json.loads(arrays[JSON].tobytes().decode())
        return {key: _unpack(value, arrays) for key, value in packed.items()}


def storable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that a backup can hold."""
    return {name: value for name, value in values.items() if _is_storable(value)}


def _is_storable(value: object) -> bool:
    try:
        _pack(value, {})
    except UnstorableError:
        return False
    return True


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Return a value as JSON: a plain value as it is, any other as a dict with its kind."""
    if type(value) in PLAIN:
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _pack_array(value, arrays)
    if isinstance(value, dict):
        return {"dict": [[_pack(part, arrays) for part in pair] for pair in value.items()]}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_pack(part, arrays) for part in value]}
    if comparison := _comparison(value):
        return {"comparison": comparison}
    raise UnstorableError(f"{type(value).__name__} can't be stored in a backup")


def _pack_array(value: "np.ndarray | np.generic", arrays: dict[str, np.ndarray]) -> Any:
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise UnstorableError("an array of objects can't be stored in a backup")
    if array.dtype.kind == "V":  # such as bfloat16, of which each value is a float32 as well
        array = array.astype(np.float32)
    name = str(len(arrays))
    arrays[name] = array
    return {"array" if isinstance(value, np.ndarray) else "number": name}


def _unpack(packed: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(packed, dict):
        return packed
    ((kind, stored),) = packed.items()
    match kind:
        case "array":
            return arrays[stored]
        case "number":
            return arrays[stored][()]
        case "list" | "tuple":
            parts = [_unpack(part, arrays) for part in stored]
            return tuple(parts) if kind == "tuple" else parts
        case "dict":
            return {_unpack(key, arrays): _unpack(value, arrays) for key, value in stored}
        case "comparison" if stored[1] in COMPARISONS:
            return getattr(MODULES[stored[0]], stored[1])
    raise ValueError(f"unknown kind of value: {kind}")


def _comparison(value: object) -> tuple[str, str] | None:
    """Return the module and the name of a comparison; None for anything else."""
    for name, module in MODULES.items():
        for comparison in COMPARISONS:
            if getattr(module, comparison) is value:
                return name, comparison
    return None
