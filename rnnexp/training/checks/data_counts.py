"""What is worth knowing of the data of trials, in the log before the first trial."""

import logging
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from rnnexp import data

log = logging.getLogger(__name__)


def log_counts(configs: Sequence[DictConfig]) -> None:
    """Log the rows of the data of some configs, and what may be a mistake; each line once.

    With ``data.bucketing``, the lengths that were chosen are logged, too.

    Args:
        configs: Whole configs, whose data can be loaded.
    """
    distinct = {OmegaConf.to_yaml(config.data, resolve=True): config for config in configs}
    datasets = [data.load(config.data) for config in distinct.values()]
    for line in dict.fromkeys(line for d in datasets for line in d.counts.lines(d.classes)):
        log.info(line)
    for text in dict.fromkeys(_lengths(d) for d in datasets if d.lengths):
        log.info(text)
    for line in dict.fromkeys(line for d in datasets for line in d.counts.warnings(d.classes)):
        log.warning(line)


def _lengths(dataset: data.Dataset) -> str:
    lengths = ", ".join(map(str, dataset.lengths))
    width = dataset.train().x.shape[1]
    return f"data.bucketing={dataset.bucketing}: batches are cut from {width} to {lengths} ids"
