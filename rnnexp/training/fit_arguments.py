"""The arguments of ``model.fit``: those of the config, and those that the data give."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig, OmegaConf

from rnnexp.data import Dataset
from rnnexp.data.dataset import Label
from rnnexp.data.source import rows_to_train_on
from rnnexp.training.output_layer import output_of

log = logging.getLogger(__name__)

BALANCED = "balanced"
# Keys of the `fit` config that are no arguments of Keras's; see rnnexp/training/folds.py.
OWN = ("folds", "groups", "repeats", "refit")

ClassWeight = Mapping[Any, float] | Sequence[float] | str | None


def fit_arguments(config: DictConfig, dataset: Dataset) -> dict[str, Any]:
    """Return all arguments of ``keras.Model.fit`` but the callbacks of the config.

    Args:
        config: The whole config; ``fit`` has Keras's names.
        dataset: The data. A validation part of their own replaces ``fit.validation_split``.
    """
    fit: dict[str, Any] = OmegaConf.to_container(config.fit, resolve=True)  # type: ignore[assignment]
    for key in OWN:
        fit.pop(key, None)
    output, train, validation = output_of(config, dataset), dataset.train(), dataset.validation()
    if dataset.chosen:  # all rows of the fold, or of the training part, are trained on
        fit.pop("validation_split", None)
    if validation:
        if fit.pop("validation_split", None):
            log.info("fit.validation_split is ignored: there is fit.validation_data")
        weight = [] if validation.weight is None else [validation.weight]
        fit["validation_data"] = (validation.x, output.labels(validation.y), *weight)
    trained = rows_to_train_on(len(train.y), fit.get("validation_split"))
    weights = class_weight(fit.get("class_weight"), dataset.classes, train.y[:trained])
    arguments = fit | {
        "x": train.x,
        "y": output.labels(train.y),
        "sample_weight": train.weight,
        "class_weight": weights,
    }
    if not dataset.lengths:
        return arguments
    # Imported here, since the module imports Keras, which only a process that trains needs.
    from rnnexp.training.bucketing import fit_in_buckets

    return fit_in_buckets(arguments, dataset.lengths, config.seed)


def class_weight(
    given: ClassWeight, classes: Sequence[Label], y: npt.NDArray[Any]
) -> dict[int, float] | None:
    """Return weights by class number, as Keras needs them.

    Args:
        given: Weights by label, or a list of the weights of all classes in the order of
            ``classes``, or ``balanced``, which gives all classes the same total weight:
            rows / (classes * rows of the class), as scikit-learn does.
        classes: The labels; ``classes[k]`` has the number ``k``.
        y: ``int64 (n,)`` class numbers of the rows that are trained on. Classes without a row
            don't count for ``balanced``.

    Returns:
        The weights; None if none are given.
    """
    if given is None:
        return None
    if isinstance(given, Mapping):
        weights = {class_number(label, classes): weight for label, weight in given.items()}
        return {number: float(w) for number, w in weights.items() if number is not None}
    if not isinstance(given, str):
        return {number: float(weight) for number, weight in enumerate(given)}
    counts = np.bincount(y, minlength=len(classes))
    present = np.flatnonzero(counts)
    return {int(k): len(y) / (len(present) * int(counts[k])) for k in present}


def class_number(given: object, classes: Sequence[Label]) -> int | None:
    """Return the number of the class that a key of a config names; None if there is none.

    Args:
        given: The key, whose type YAML has chosen: ``1.0`` names the class 1, and ``true`` the
            class "True".
        classes: The labels; ``classes[k]`` has the number ``k``.
    """
    names = [str(label) for label in classes]
    if str(given) in names:
        return names.index(str(given))
    if isinstance(given, bool):
        lower = [name.lower() for name in names]
        return lower.index(str(given).lower()) if str(given).lower() in lower else None
    return classes.index(given) if isinstance(given, float) and given in classes else None
