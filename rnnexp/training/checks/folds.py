"""Checks of folds and repeats: their numbers, and what can't be had together with them."""

from collections.abc import Iterator

from omegaconf import DictConfig

from rnnexp.data import Dataset
from rnnexp.data.folds import fold_problems
from rnnexp.errors import one_line
from rnnexp.number_ranges import Range
from rnnexp.objective import value_in
from rnnexp.training.averaging import AVERAGE, build_to_use, is_averaged
from rnnexp.training.checks.choices import choice_problems

SEVERAL = Range(2, is_whole=True)
WEIGHTS_ONLY = "callbacks.model_checkpoint.save_weights_only"
HYPERBAND = "HyperbandPruner"
WILCOXON = "WilcoxonPruner"


def stage_problems(config: DictConfig) -> list[str]:
    """Return the problems of ``fit.folds`` and ``fit.repeats`` that no data could solve.

    Args:
        config: The whole config.
    """
    fit = config.fit
    folds, repeats = fit.get("folds"), fit.get("repeats")
    problems = choice_problems("fit.refit", fit.get("refit", True), (True, False, AVERAGE))
    for key, given in (("folds", folds), ("repeats", repeats)):
        if given is not None:
            problems += SEVERAL.problems(f"fit.{key}", given, ", or null for one training")
    if problems:
        return problems
    if fit.get("groups") is not None and folds is None:
        problems.append(f"fit.groups={fit.groups}: groups are for folds; give fit.folds, or null")
    if folds is not None and repeats is not None:
        problems.append(
            "fit.folds and fit.repeats: each fold has a seed of its own, so that its mean has both "
            "in it; remove one"
        )
    key, number = ("fit.folds", folds) if folds is not None else ("fit.repeats", repeats)
    if number is None:
        return problems
    if folds is not None:
        problems += _parts(config)
    if fit.get("refit") == AVERAGE and value_in(config, WEIGHTS_ONLY):
        problems.append(
            f"{WEIGHTS_ONLY}=true: the average of several models is saved as a whole; remove it, "
            "or fit.refit=average"
        )
    return [*problems, *_start(config, key), *_pruner(config, key, number)]


def _parts(config: DictConfig) -> Iterator[str]:
    """Find a validation part that would not be used."""
    if (file := config.fit.get("validation_data")) is not None:
        yield f"fit.folds: each fold is validated on, not fit.validation_data={file}; remove one"
    for text in value_in(config, "hydra.overrides.task") or []:
        key, _, value = str(text).lstrip("+").partition("=")
        if key == "fit.validation_split" and value != "null":
            yield f"fit.folds: each fold is validated on, not {text}; remove one"


def _start(config: DictConfig, key: str) -> Iterator[str]:
    """Find a start from an earlier training, which has seen the rows to validate on."""
    first = config.fit.get("initial_epoch") or 0
    given = f"checkpoint={config.checkpoint}" if config.checkpoint else f"fit.initial_epoch={first}"
    if config.checkpoint or first:
        yield f"{given}: with {key}, each training begins with new weights; remove one"


def _pruner(config: DictConfig, key: str, number: int) -> Iterator[str]:
    """Find a pruner that would take the mean so far for something else."""
    target = str(value_in(config, "pruner._target_")).rpartition(".")[2]
    most = value_in(config, "pruner.max_resource")
    if target == HYPERBAND and most not in ("auto", number):
        yield (
            f"pruner.max_resource={most}: with {key} a step is one training, not an epoch; give "
            f"pruner.max_resource={number}"
        )
    if target == WILCOXON:
        yield (
            f"pruner={WILCOXON}: with {key} a trial reports the mean so far, and this pruner "
            "compares the values of single trainings; give pruner=early_stopping or median"
        )


def average_problems(config: DictConfig, dataset: Dataset) -> list[str]:
    """Return why the models of the folds can't be averaged; empty if they can, or are not to be.

    Args:
        config: The whole config, whose model can be built.
        dataset: The data.
    """
    if not is_averaged(config):
        return []
    try:
        build_to_use(config.copy(), dataset)
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        return [
            "fit.refit=average: the model can't be made again from its own get_config: "
            f"{type(error).__name__}: {one_line(error)}; give fit.refit=true"
        ]
    return []


def stage_data_problems(config: DictConfig, dataset: Dataset) -> list[str]:
    """Return why some data can't be divided into folds.

    Args:
        config: The whole config, in which `stage_problems` found nothing.
        dataset: The data.
    """
    fit = config.fit
    if (folds := fit.get("folds")) is None:
        return []
    groups = dataset.groups()
    if fit.get("groups") is not None and groups is None:
        return [f"fit.groups={fit.groups}: only data=table has a column to read it from"]
    return fold_problems(dataset.train().y, dataset.classes, folds, groups)
