"""The loops over words and the epochs that rules count, and steps whose loops are changed."""

from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from rnnexp import keras_runtime

if TYPE_CHECKING:
    import keras

FIRST_EPOCHS = 5  # a longer training may be stopped early or pruned


def loops(layer: "keras.Layer") -> "Iterator[keras.layers.RNN]":
    """Yield the recurrent layers of a layer or a model; one that is unrolled has no loop."""
    layers = keras_runtime.keras().layers
    if isinstance(layer, layers.RNN):
        if not layer.unroll:
            yield layer
    elif isinstance(layer, layers.Bidirectional):
        yield from loops(layer.forward_layer)
        yield from loops(layer.backward_layer)
    else:
        for part in getattr(layer, "layers", ()):
            yield from loops(part)


def epochs_to_train(arguments: Mapping[str, Any]) -> int:
    """Return the largest number of epochs of a training.

    Args:
        arguments: The arguments of ``model.fit``.
    """
    return int(arguments["epochs"] - (arguments.get("initial_epoch") or 0))


def while_traced(
    step: Callable[..., Any], name: str, values: "Mapping[keras.layers.RNN, Any]"
) -> Callable[..., Any]:
    """Return a step of a model that has its layers changed while the step is traced, and only then.

    Args:
        step: The ``train_step`` or ``test_step`` of the model.
        name: The attribute of the layers that is changed.
        values: The attribute's value by layer.
    """

    @wraps(step)
    def changed(*args: Any, **kwargs: Any) -> Any:
        before = {layer: getattr(layer, name) for layer in values}
        try:
            for layer, value in values.items():
                setattr(layer, name, value)
            return step(*args, **kwargs)
        finally:
            for layer, value in before.items():
                setattr(layer, name, value)

    return changed


def in_rows(ops: Any, tensor: Any) -> Any:
    """Return a tensor as a matrix with its last axis.

    Args:
        ops: Keras's operations.
        tensor: The tensor, such as ``(words, rows, units)``.
    """
    return ops.reshape(tensor, (-1, tensor.shape[-1]))
