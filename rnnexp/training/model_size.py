"""The sizes of models, for a dry run of a sweep."""

from collections.abc import Sequence

from omegaconf import DictConfig

from rnnexp import data, keras_runtime
from rnnexp.training.model import build


def count_parameters(configs: Sequence[DictConfig]) -> list[int]:
    """Return the number of parameters that the model of each config has.

    Args:
        configs: Composed configs of trials, which the check has found to be in order.
    """
    counts = []
    for config in configs:
        keras_runtime.choose(config.backend, deterministic=config.deterministic)
        keras_runtime.new_session()
        model = build(config, data.load(config.data))
        counts.append(int(model.count_params()))
    return counts
