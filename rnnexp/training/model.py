"""Build and compile a model from its config."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, open_dict

from rnnexp.data import Dataset
from rnnexp.training.output_layer import output_of
from rnnexp.training.word_vectors import embeddings

if TYPE_CHECKING:
    import keras


def build(config: DictConfig, dataset: Dataset) -> "keras.Model":
    """The compiled model of a config.

    Args:
        config: The whole config. What follows from the data and the loss is set in it:
            ``model.input_dim``, the number of ids, and the output layer's ``model.output_dim``
            and ``model.output_activation``.
        dataset: The data that the model is for.

    Raises:
        DataError: If ``model.embedding_file`` can't be used.
        hydra.errors.InstantiationException: If a class refuses its arguments.
    """
    output = output_of(config, dataset)
    with open_dict(config):
        config.model.input_dim = dataset.input_dim
        config.model.output_dim = output.units
        config.model.output_activation = output.activation
    model: keras.Model
    if "function" in config.model:
        model = get_method(config.model.function)(dataset.input_dim, config)
    else:
        model = instantiate(config.model.network, _convert_="all")
    if config.model.get("embedding_file"):
        _embedding(model).set_weights([embeddings(config.model, dataset)])
    model.compile(**instantiate(config.compile, _convert_="all"))
    return model


def stacked(layer: "Callable[..., keras.layers.Layer]", depth: int) -> "list[keras.layers.Layer]":
    """Recurrent layers to stand on top of each other; the topmost gives its last output alone.

    Args:
        layer: Makes one; called with ``return_sequences``.
        depth: How many, at least 1.
    """
    if depth < 1:
        raise ValueError(f"depth={depth}: must be at least 1")
    return [layer(return_sequences=number < depth) for number in range(1, depth + 1)]


def sequential(layers: "Sequence[keras.layers.Layer | list[keras.layers.Layer]]") -> "keras.Model":
    """Keras's Sequential, which takes no lists within the list; a model as a layer has no mask."""
    import keras

    nested = [layer if isinstance(layer, list) else [layer] for layer in layers]
    return keras.Sequential([layer for part in nested for layer in part])


def variables(model: "keras.Model") -> list[Any]:
    """All that training changes: the model's weights, then the optimizer's variables."""
    return [*model.weights, *model.optimizer.variables]


def restore(model: "keras.Model", values: Sequence[Any]) -> None:
    """Give a model, whose optimizer is built, what `variables` were at another time.

    Raises:
        ValueError: If they are of another model, or of another optimizer.
    """
    mine = variables(model)
    if [tuple(v.shape) for v in mine] != [tuple(v.shape) for v in values]:
        raise ValueError("it is of another model, or of another optimizer")
    for variable, value in zip(mine, values, strict=True):
        variable.assign(value)


def _embedding(model: "keras.Model") -> "keras.layers.Embedding":
    import keras

    layer: keras.layers.Embedding = next(
        layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)
    )
    return layer
