"""Reviews as integers: sources (generated, imdb, table), encoding and its cache."""

from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnexp.data.dataset import Dataset, Part
from rnnexp.data.source import Source

__all__ = ["Dataset", "Part", "Source", "load"]


def load(config: DictConfig) -> Dataset:
    """The encoded data of a ``data`` config.

    Raises:
        DataError: If the settings or the data can't work; lists every problem.
    """
    source: Source = instantiate(config)
    return source.load()
