"""The arguments of model.fit: those of the config, and what the data give."""

import inspect
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.data import Dataset
from rnnexp.data.dataset import Label
from rnnexp.data.source import is_count
from rnnexp.training.output_layer import output_of

log = logging.getLogger(__name__)

BALANCED = "balanced"


def fit_arguments(config: DictConfig, dataset: Dataset) -> dict[str, Any]:
    """Everything that `keras.Model.fit` is called with, but for the callbacks.

    Args:
        config: The whole config; ``fit`` has Keras's names.
        dataset: The data, whose own validation part goes before ``fit.validation_split``.
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
    """Weights by class number, as Keras wants them.

    Args:
        given: Weights by label; ``balanced`` gives each class the same weight in all, which is
            rows / (classes * rows of the class), as in scikit-learn.
        classes: The labels; ``classes[k]`` has the number ``k``.
        y: ``(n,)`` class numbers of the rows.
    """
    if given is None:
        return None
    if not isinstance(given, Mapping):
        counts = np.bincount(y, minlength=len(classes))
        return {k: len(y) / (len(classes) * int(count)) for k, count in enumerate(counts)}
    numbers = {str(label): number for number, label in enumerate(classes)}
    return {numbers[str(label)]: float(weight) for label, weight in given.items()}


def class_weight_problems(given: object, classes: Sequence[Label]) -> list[str]:
    """What is wrong with ``fit.class_weight``; empty if nothing."""
    where = f"fit.class_weight={given}"
    if given is None or (given == BALANCED and classes):
        return []
    if not classes:
        return [f"{where}: data.task=regression has no classes; use fit.sample_weight"]
    if not isinstance(given, Mapping):
        return [f"{where}: must be weights by label, such as {{{classes[0]}: 2.0}}, or {BALANCED}"]
    known = [str(label) for label in classes]
    problems = [
        f"{where}: there is no class {label}; there are {', '.join(known[:10])}"
        for label in given
        if str(label) not in known
    ]
    return problems + [
        f"{where}: the weight of {label} must be a number, at least 0"
        for label, weight in given.items()
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not weight >= 0
    ]


def fit_problems(config: DictConfig) -> list[str]:
    """What of the ``fit`` config can't work with any data; empty if nothing."""
    fit = config.fit
    known = inspect.signature(keras_runtime.keras().Model.fit).parameters
    problems = [f"fit.{key}: model.fit has no such argument" for key in fit if key not in known]
    for key, may_be_null in (
        ("fit.batch_size", False), ("fit.epochs", False), ("fit.validation_batch_size", True),
        ("evaluate.batch_size", False),
    ):  # fmt: skip
        value = OmegaConf.select(config, key)
        if not (is_count(value) or (value is None and may_be_null)):
            problems.append(f"{key}={value}: must be a whole number, at least 1")
    for key, choices in (("verbose", (0, 1, 2, "auto")), ("shuffle", (True, False, "batch"))):
        value = fit.get(key, choices[-1])
        if not any(value is choice or value == choice for choice in choices):
            shown = ", ".join(str(choice).lower() for choice in choices)
            problems.append(f"fit.{key}={value}: must be one of {shown}")
    split = fit.get("validation_split")
    if fit.get("validation_data") is None and not _is_share(split):
        problems.append(
            f"fit.validation_split={split}: must be between 0 and 1, both excluded, such as 0.2"
        )
    if fit.get("class_weight") is not None and fit.get("sample_weight") is not None:
        problems.append(
            "fit.class_weight and fit.sample_weight: Keras takes one of them; leave one"
        )
    return problems if problems else _epoch_problems(fit)


def _epoch_problems(fit: DictConfig) -> list[str]:
    problems, epochs, first = [], fit.epochs, fit.get("initial_epoch", 0)
    if not (first == 0 or is_count(first)) or first >= epochs:
        problems.append(
            f"fit.initial_epoch={first}: must be a whole number from 0, below fit.epochs={epochs}"
        )
        return problems
    freq = fit.get("validation_freq", 1)
    if OmegaConf.is_list(freq):
        if not any(first < epoch <= epochs for epoch in freq):
            problems.append(f"fit.validation_freq={freq}: none of the epochs to come is in it")
    elif not is_count(freq):
        problems.append(
            f"fit.validation_freq={freq}: must be a whole number, at least 1, or a list"
        )
    elif epochs // freq == first // freq:
        problems.append(
            f"fit.validation_freq={freq}: no epoch before fit.epochs={epochs} would be validated"
        )
    return problems


def fit_data_problems(config: DictConfig, dataset: Dataset) -> list[str]:
    """What of the ``fit`` config can't work with these data; empty if nothing."""
    fit, train, validation = config.fit, dataset.train(), dataset.validation()
    problems = class_weight_problems(fit.get("class_weight"), dataset.classes)
    for key, found in (("validation_data", validation), ("sample_weight", train.weight)):
        if fit.get(key) is not None and found is None:
            problems.append(f"fit.{key}={fit[key]}: only data=table has files to read it from")
    rows, split = len(train.x), fit.get("validation_split")
    if not validation and _is_share(split) and not 0 < int(rows * (1 - split)) < rows:
        problems.append(
            f"fit.validation_split={split} of {rows} training reviews leaves none to train "
            "on, or none to validate on"
        )
    return problems


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1
