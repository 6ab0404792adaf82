"""Reviews and their labels as arrays of integers, read from a source and kept in a cache.

a source (generated.py, imdb.py, table.py) -> texts and labels (source.py)
  -> ids of words (encoding.py) -> arrays on disk (cache.py) -> Dataset (dataset.py)
"""

from hydra.utils import instantiate
from omegaconf import DictConfig

from rnnexp.data.dataset import Dataset, Part
from rnnexp.data.source import Source

__all__ = ["Dataset", "Part", "Source", "load"]


def load(config: DictConfig) -> Dataset:
    """Load the encoded data of a ``data`` config.

    Args:
        config: The config, whose ``_target_`` is a `Source`.

    Returns:
        The data, from the cache if they were encoded before.

    Raises:
        DataError: If the config or the data can't work; lists every problem.
    """
    source: Source = instantiate(config)
    return source.load()
