"""Counts of the rows that trials train on, in the log before the first trial."""

import logging
from collections.abc import Sequence

from omegaconf import DictConfig, OmegaConf

from rnnexp import data

log = logging.getLogger(__name__)


def log_counts(configs: Sequence[DictConfig]) -> None:
    """Log the rows of the data of some configs, and what may be a mistake; each line once.

    Args:
        configs: Whole configs, whose data can be loaded.
    """
    distinct = {OmegaConf.to_yaml(config.data, resolve=True): config for config in configs}
    datasets = [data.load(config.data) for config in distinct.values()]
    for line in dict.fromkeys(line for d in datasets for line in d.counts.lines(d.classes)):
        log.info(line)
    for line in dict.fromkeys(line for d in datasets for line in d.counts.warnings(d.classes)):
        log.warning(line)
