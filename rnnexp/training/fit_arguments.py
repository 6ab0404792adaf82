"""The arguments of ``model.fit``: those of the config, and those that the data give."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig, OmegaConf

from rnnexp.data import Dataset
from rnnexp.data.dataset import Label
from rnnexp.training.output_layer import output_of

log = logging.getLogger(__name__)

BALANCED = "balanced"


def fit_arguments(config: DictConfig, dataset: Dataset) -> dict[str, Any]:
    """Return all arguments of ``keras.Model.fit`` but the callbacks.

    Args:
        config: The whole config; ``fit`` has Keras's names.
        dataset: The data. A validation part of their own replaces ``fit.validation_split``.
    """
    fit: dict[str, Any] = OmegaConf.to_container(config.fit, resolve=True)  # type: ignore[assignment]
    output, train, validation = output_of(config, dataset), dataset.train(), dataset.validation()
    if validation:
        if fit.pop("validation_split", None):
            log.info("fit.validation_split is ignored: there is fit.validation_data")
        weight = [] if validation.weight is None else [validation.weight]
        fit["validation_data"] = (validation.x, output.labels(validation.y), *weight)
    return fit | {
        "x": train.x,
        "y": output.labels(train.y),
        "sample_weight": train.weight,
        "class_weight": class_weight(fit.get("class_weight"), dataset.classes, train.y),
    }


def class_weight(
    given: Mapping[Label, float] | str | None, classes: Sequence[Label], y: npt.NDArray[Any]
) -> dict[int, float] | None:
    """Return weights by class number, as Keras needs them.

    Args:
        given: Weights by label, or ``balanced``, which gives all classes the same total weight:
            rows / (classes * rows of the class), as scikit-learn does.
        classes: The labels; ``classes[k]`` has the number ``k``.
        y: ``int64 (n,)`` class numbers of the rows.

    Returns:
        The weights; None if none are given.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        counts = np.bincount(y, minlength=len(classes))
        return {k: len(y) / (len(classes) * int(count)) for k, count in enumerate(counts)}
    numbers = {str(label): number for number, label in enumerate(classes)}
    return {numbers[str(label)]: float(weight) for label, weight in given.items()}
