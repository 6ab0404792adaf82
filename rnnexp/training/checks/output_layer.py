"""Check that a loss suits the data, and that the metrics suit the labels of the loss."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from rnnexp.data import Dataset
from rnnexp.training.checks.import_paths import METRICS_BY_LOSS
from rnnexp.training.output_layer import (
    METRIC_KEYS,
    NAMED,
    bare_name,
    given_loss,
    is_for_classes,
    is_for_two_classes,
    is_score,
    loss_of,
    output_of,
)

OF_SEVERAL_OUTPUTS = ("categorical", "sparse", "topk", "onehot")  # metrics, by their beginning
F_SCORES = ("f1score", "fbetascore")
# What metrics of probabilities need for logits and for the scores of a hinge loss.
OF_PROBABILITIES = {
    "auc": ("from_logits", "true"),
    "binaryaccuracy": ("threshold", "0.0"),
    "precision": ("thresholds", "0.0"),
    "recall": ("thresholds", "0.0"),
}


def output_problems(config: DictConfig, dataset: Dataset) -> list[str]:
    """Return why the loss of a config can't work with some data, or its metrics with the loss.

    Args:
        config: The whole config.
        dataset: The data.
    """
    loss, where = loss_of(config), f"compile.loss={given_loss(config)}"
    if dataset.task == "regression":
        if is_for_classes(loss):
            return [f"{where} is for classes, but data.task=regression; use compile=regression"]
    elif is_for_two_classes(loss) and len(dataset.classes) > 2:
        return [
            f"{where} is for two classes, but data.label has {_shown(dataset)}; use "
            "compile=categorical or compile=sparse_categorical"
        ]
    return list(_metric_problems(config, dataset))


def _metric_problems(config: DictConfig, dataset: Dataset) -> Iterator[str]:
    """Find Keras's metrics that fail on the labels of the loss, or give the same number always."""
    output, loss = output_of(config, dataset), given_loss(config)
    for where, given, arguments in _metrics(config):
        name = bare_name(given)
        if given in NAMED:
            if not dataset.classes:
                yield f"{where} is a metric of classes, but data.task=regression; use mae or mse"
        elif output.takes_numbers:
            if not (name.startswith("sparse") or name in METRICS_BY_LOSS or "iou" in name):
                yield (
                    f"{where} takes one-hot labels, but compile.loss={loss} takes class numbers; "
                    "use compile=categorical, the same loss with one-hot labels"
                )
        elif output.one_hot and name.startswith("sparse"):
            yield (
                f"{where} takes class numbers, but compile.loss={loss} takes one-hot labels; use "
                "compile=sparse_categorical, or the metric without sparse in its name"
            )
        elif output.units == 1 and name.startswith(OF_SEVERAL_OUTPUTS):
            yield (
                f"{where} compares one output a class, but with compile.loss={loss} the model has "
                "one output; use accuracy, or compile=categorical"
            )
        elif output.units == 1 and name in F_SCORES and arguments.get("threshold") is None:
            yield (
                f"{where} without a threshold counts every row as positive, since the model has "
                "one output; give threshold: 0.5"
            )
        elif output.units == 1 and dataset.classes and is_score(config):
            argument, value = OF_PROBABILITIES.get(name, ("", ""))
            if name in F_SCORES or (argument and not _is_given(arguments.get(argument))):
                remedy = f"give {argument}: {value}" if argument else "use Precision and Recall"
                yield (
                    f"{where} is for probabilities, but with compile.loss={loss} the output is a "
                    f"score from below 0; {remedy}"
                )


def _is_given(argument: object) -> bool:
    return argument is not None and argument is not False


def _metrics(config: DictConfig) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the metrics of a config that are Keras's: key and name, name, arguments."""
    for name in METRIC_KEYS:
        key = f"compile.{name}"
        metrics: Any = OmegaConf.select(config, key) or []
        if OmegaConf.is_config(metrics):
            metrics = OmegaConf.to_container(metrics, resolve=True)
        for metric in metrics if isinstance(metrics, list) else [metrics]:
            arguments = metric if isinstance(metric, dict) else {}
            given = str(arguments.get("_target_", metric))
            if "." not in given or given.startswith("keras."):
                yield f"{key}={given}", given, arguments


def _shown(dataset: Dataset) -> str:
    count = len(dataset.classes)
    shown = ", ".join(map(str, dataset.classes[:5])) + (", ..." if count > 5 else "")
    return f"{count} ({shown})"
