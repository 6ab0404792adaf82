"""The model of a config: building, compiling and restoring it, and helpers of ``conf/model``."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, open_dict

from rnnexp import keras_runtime
from rnnexp.data import Dataset
from rnnexp.training.output_layer import compile_arguments, output_of
from rnnexp.training.word_vectors import embeddings

if TYPE_CHECKING:
    import keras


@keras_runtime.quick_to_compile()
def build(
    config: DictConfig, dataset: Dataset, recorder: "keras.metrics.Metric | None" = None
) -> "keras.Model":
    """Build and compile the model of a config.

    Args:
        config: The whole config. Three keys that follow from the data and the loss are set in the
            config: ``model.input_dim``, and for the last layer ``model.output_dim`` and
            ``model.output_activation``.
        dataset: The data that the model is for.
        recorder: One more metric; None for none.

    Returns:
        The compiled model.

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
    arguments = compile_arguments(config, output)
    if recorder:
        arguments["metrics"] = [*(arguments.get("metrics") or []), recorder]
    model.compile(**arguments)
    if not model.built:  # a subclass of keras.Model has no variables before its first call
        model(dataset.train().x[:1])
    return model


def module_of(config: DictConfig) -> str:
    """Return the module of a model's own function; empty if the model has none."""
    return str(config.model.get("function") or "").rpartition(".")[0]


def stacked(layer: "Callable[..., keras.layers.Layer]", depth: int) -> "list[keras.layers.Layer]":
    """Make recurrent layers to be stacked; all but the last return their whole sequence.

    Args:
        layer: Makes one layer; called with ``return_sequences``.
        depth: The number of layers, at least 1.

    Raises:
        ValueError: If the depth is less than 1.
    """
    if depth < 1:
        raise ValueError(f"depth={depth}: must be at least 1")
    return [layer(return_sequences=number < depth) for number in range(1, depth + 1)]


def sequential(layers: "Sequence[keras.layers.Layer | list[keras.layers.Layer]]") -> "keras.Model":
    """Make a ``keras.Sequential`` of layers and lists of layers, such as those of `stacked`.

    A model in place of the list would be a layer without a mask.
    """
    import keras

    nested = [layer if isinstance(layer, list) else [layer] for layer in layers]
    return keras.Sequential([layer for part in nested for layer in part])


def variables(model: "keras.Model") -> list[Any]:
    """Return all variables that training changes: the model's, then the optimizer's.

    The model's are its weights and the states of its random generators, as of dropout.
    """
    return [*model.variables, *model.optimizer.variables]


def restore(model: "keras.Model", values: Sequence[Any]) -> None:
    """Assign values to the variables of a model.

    Args:
        model: The model, compiled, with its optimizer built.
        values: Arrays or variables, in the order of `variables`.

    Raises:
        ValueError: If the values are of another model or optimizer.
    """
    own = variables(model)
    if [tuple(v.shape) for v in own] != [tuple(v.shape) for v in values]:
        raise ValueError("the saved variables are of another model or optimizer")
    for variable, value in zip(own, values, strict=True):
        variable.assign(value)


def _embedding(model: "keras.Model") -> "keras.layers.Embedding":
    import keras

    layer: keras.layers.Embedding = next(
        layer for layer in model.layers if isinstance(layer, keras.layers.Embedding)
    )
    return layer
