"""Checks of the ``fit`` config: the arguments of ``model.fit`` and what they need of the data."""

import inspect
from collections.abc import Mapping, Sequence

from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.data import Dataset
from rnnexp.data.dataset import Label
from rnnexp.data.source import rows_to_train_on
from rnnexp.number_ranges import COUNT, NOT_NEGATIVE, SHARE, Range
from rnnexp.training.checks.choices import choice_problems
from rnnexp.training.checks.folds import stage_data_problems, stage_problems
from rnnexp.training.fit_arguments import BALANCED, OWN, class_number

COUNTS = ("fit.batch_size", "fit.epochs", "evaluate.batch_size")
COUNTS_OR_NULL = ("fit.validation_batch_size",)
CHOICES: dict[str, tuple[object, ...]] = {
    "verbose": (0, 1, 2, "auto"),
    "shuffle": (True, False, "batch"),
}


def fit_problems(config: DictConfig) -> list[str]:
    """Return the problems of the ``fit`` config that no data could solve.

    Args:
        config: The whole config.
    """
    fit = config.fit
    known = inspect.signature(keras_runtime.keras().Model.fit).parameters
    problems = [
        f"fit.{key}: model.fit has no such argument"
        for key in fit
        if key not in known and key not in OWN
    ]
    for key in (*COUNTS, *COUNTS_OR_NULL):
        value = OmegaConf.select(config, key)
        if value is not None or key in COUNTS:
            problems += COUNT.problems(key, value)
    for key, choices in CHOICES.items():
        if key in fit:
            problems += choice_problems(f"fit.{key}", fit[key], choices)
    if fit.get("validation_data") is None and fit.get("folds") is None:
        problems += SHARE.problems(
            "fit.validation_split", fit.get("validation_split"), ", such as 0.2"
        )
    if fit.get("class_weight") is not None and fit.get("sample_weight") is not None:
        problems.append(
            "fit.class_weight and fit.sample_weight: Keras takes one of them; remove one"
        )
    return problems or [*_epoch_problems(fit), *stage_problems(config)]


def _epoch_problems(fit: DictConfig) -> list[str]:
    epochs, first, freq = fit.epochs, fit.get("initial_epoch", 0), fit.get("validation_freq", 1)
    before_the_end = Range(0, epochs, is_whole=True, excludes_high=True)
    if problems := before_the_end.problems("fit.initial_epoch", first, " (fit.epochs)"):
        return problems
    if OmegaConf.is_list(freq):
        if any(first < epoch <= epochs for epoch in freq):
            return []
        return [f"fit.validation_freq={freq}: no epoch to come is in the list"]
    if problems := COUNT.problems("fit.validation_freq", freq, ", or a list"):
        return problems
    if epochs // freq == first // freq:
        return [
            f"fit.validation_freq={freq}: no epoch before fit.epochs={epochs} would be validated"
        ]
    return []


def fit_data_problems(config: DictConfig, dataset: Dataset) -> list[str]:
    """Return the problems of the ``fit`` config with some data.

    Args:
        config: The whole config, in which `fit_problems` found nothing.
        dataset: The data.
    """
    fit, train, validation = config.fit, dataset.train(), dataset.validation()
    problems = class_weight_problems(fit.get("class_weight"), dataset.classes)
    for key, found in (("validation_data", validation), ("sample_weight", train.weight)):
        if fit.get(key) is not None and found is None:
            problems.append(f"fit.{key}={fit[key]}: only data=table has files to read it from")
    rows, split = len(train.x), fit.get("validation_split")
    if fit.get("folds") is not None:
        problems += stage_data_problems(config, dataset)
    elif not validation and split in SHARE and rows_to_train_on(rows, split) == rows:
        problems.append(
            f"fit.validation_split={split} of {rows} training reviews leaves none to train "
            "on, or none to validate on"
        )
    return problems


def class_weight_problems(given: object, classes: Sequence[Label]) -> list[str]:
    """Return what is wrong with ``fit.class_weight``.

    Args:
        given: The value in the config.
        classes: The labels; empty for a regression.
    """
    where = f"fit.class_weight={given}"
    if given is None or (given == BALANCED and classes):
        return []
    if not classes:
        return [f"{where}: data.task=regression has no classes; use fit.sample_weight"]
    known = ", ".join(str(label) for label in classes[:10]) + (", ..." if len(classes) > 10 else "")
    in_order = f"[{','.join(['1.0'] * len(classes[:10]))}]"
    hint = f"a list of weights in the order of the classes, such as {in_order} for {known}"
    if isinstance(given, Mapping):
        unknown = [label for label in given if class_number(label, classes) is None]
        problems = [
            f"{where}: there is no class {label}; there are {known}; or give {hint}"
            for label in unknown
        ]
        weights = [(f"the weight of {label}", weight) for label, weight in given.items()]
    elif isinstance(given, Sequence) and not isinstance(given, str):
        problems = [f"{where}: has {len(given)} weights for {len(classes)} classes; give {hint}"]
        problems *= len(given) != len(classes)
        weights = [("each weight", weight) for weight in given]
    else:
        return [
            f"{where}: must be weights by label, such as {{{classes[0]}: 2.0}}, {hint}, or "
            f"{BALANCED}"
        ]
    wrong = [name for name, weight in weights if weight not in NOT_NEGATIVE]
    return problems + [f"{where}: {name} must be {NOT_NEGATIVE}" for name in dict.fromkeys(wrong)]
