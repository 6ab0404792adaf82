"""What the rules of rnnexp/training/jit.py and unroll.py count: loops over words, and epochs."""

from collections.abc import Iterator, Mapping
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
