"""Build and compile a model from its config."""

from typing import TYPE_CHECKING

from hydra.utils import instantiate
from omegaconf import DictConfig, open_dict

from rnnexp.data import Dataset

if TYPE_CHECKING:
    import keras


def build(config: DictConfig, dataset: Dataset) -> "keras.Model":
    """The compiled model of a config.

    Args:
        config: The whole config. ``model.input_dim`` is set in it, to the number of ids
            that the data have.
        dataset: The data that the model is for.

    Raises:
        hydra.errors.InstantiationException: If a class refuses its arguments.
    """
    with open_dict(config):
        config.model.input_dim = dataset.input_dim
    model: keras.Model = instantiate(config.model.network, _convert_="all")
    model.compile(**instantiate(config.compile, _convert_="all"))
    return model
