"""The rule for a model's last layer and its labels, which follow from the loss and the data.

| loss                                | data.task       | units       | activation | labels        |
|-------------------------------------|-----------------|-------------|------------|---------------|
| binary crossentropies               | binary          | 1           | sigmoid    | 0 and 1       |
| hinge, squared hinge                | binary          | 1           | tanh       | 0 and 1       |
| categorical ones, KL divergence     | binary, classes | one a class | softmax    | one-hot       |
| sparse categorical crossentropy     | binary, classes | one a class | softmax    | class numbers |
| any other                           | binary          | 1           | sigmoid    | 0 and 1       |
|                                     | classes         | one a class | softmax    | one-hot       |
|                                     | regression      | 1           | linear     | numbers       |

With ``from_logits`` the activation is linear. Hinge losses take labels of 0 and 1, too: Keras turns
a 0 into -1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
import numpy.typing as npt
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.data import Dataset
from rnnexp.objective import VALIDATION, metric_in, value_in

ONE_HOT = (
    "categoricalcrossentropy",
    "categoricalfocalcrossentropy",
    "categoricalgeneralizedcrossentropy",
    "categoricalhinge",
    "kldivergence",
)
HINGES = ("hinge", "squaredhinge")
METRIC_KEYS = ("metrics", "weighted_metrics")  # of `compile`
NAMED = ("precision", "recall", "f1", "auc")  # metrics of classes, for any output and labels


@dataclass(frozen=True)
class Output:
    """A model's last layer, and the form of the labels that it is compared with.

    Attributes:
        units: The width of the layer.
        activation: Keras's name of the layer's activation.
        one_hot: Whether the labels are one-hot.
    """

    units: int
    activation: str
    one_hot: bool = False

    @property
    def takes_numbers(self) -> bool:
        """Whether the labels are class numbers of several classes, ``int64 (n,)``."""
        return self.units > 1 and not self.one_hot

    def labels(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels in the form that the loss needs.

        Args:
            y: ``(n,)`` labels as in the data: class numbers, or numbers to predict.

        Returns:
            ``y`` itself if `takes_numbers`, else ``float32 (n, units)``, which is the shape of the
            outputs: some metrics, such as ``F1Score``, take no other.
        """
        if self.takes_numbers:
            return y
        rows: npt.NDArray[np.float32] = (
            np.eye(self.units, dtype=np.float32)[y] if self.one_hot else y.astype(np.float32)
        )
        return rows.reshape(-1, self.units)


def output_of(config: DictConfig, dataset: Dataset) -> Output:
    """Return the output that a config's loss and its data need.

    Args:
        config: The whole config.
        dataset: The data of the config.
    """
    loss, classes = loss_of(config), len(dataset.classes)
    if dataset.task == "regression":
        output = Output(1, "linear")
    elif loss in ONE_HOT or _is_sparse(loss):
        output = Output(classes, "softmax", one_hot=loss in ONE_HOT)
    elif dataset.task == "classes" and not is_for_two_classes(loss):
        output = Output(classes, "softmax", one_hot=True)
    else:
        output = Output(1, "tanh" if loss in HINGES else "sigmoid")
    if OmegaConf.select(config, "compile.loss.from_logits"):
        return Output(output.units, "linear", output.one_hot)
    return output


def kind_of_output(config: DictConfig, dataset: Dataset) -> str:
    """Return what a model's outputs are: ``probability``, ``logit``, ``score`` or ``value``."""
    if not dataset.classes:
        return "value"
    output = output_of(config, dataset)
    if output.units == 1 and loss_of(config) in HINGES:
        return "score"
    return "logit" if output.activation == "linear" else "probability"


def compile_arguments(config: DictConfig, output: Output) -> dict[str, Any]:
    """Return the arguments of ``model.compile``.

    Metrics are adapted to a model with one output. An F score is an array with a number for each
    output; a metric has to be a number, so the average is taken. ``accuracy`` takes an output above
    0.5 for the second class; for a logit or the score of a hinge loss that is 0. A function gets
    labels ``(n,)``, as the data have them: ``(n, 1)`` and ``y_pred[:, 0]`` would give n x n values.

    The names of `NAMED` are metrics for the labels and the output, see
    `rnnexp.training.named_metrics`. One that the objective monitors need not be in the config.

    Args:
        config: The whole config.
        output: The model's output.
    """
    arguments: dict[str, Any] = instantiate(config.compile, _convert_="all")
    if arguments.get("jit_compile") is True:  # see rnnexp/training/jit.py, which turns XLA on
        arguments["jit_compile"] = "auto"
    arguments.pop("steps_per_execution", None)  # of a training; rnnexp/training sets the number
    if (monitored := monitored_metric(config)) and isinstance(arguments.get("metrics"), list):
        arguments["metrics"].append(monitored)
    for key in METRIC_KEYS:
        if isinstance(metrics := arguments.get(key), list):
            arguments[key] = [_for_output(metric, output, is_score(config)) for metric in metrics]
    return arguments


def monitored_metric(config: DictConfig) -> str | None:
    """Return the metric of `NAMED` that the objective monitors, unless the config has it."""
    monitor = str(value_in(config, "objective.monitor")).removeprefix(VALIDATION)
    return monitor if monitor in NAMED and metric_in(config, monitor) is None else None


def _for_output(metric: Any, output: Output, has_score: bool) -> Any:
    if isinstance(metric, str) and metric in NAMED:
        from rnnexp.training.named_metrics import named_metric  # which imports Keras

        return named_metric(metric, output, has_score)
    return _for_one_output(metric, has_score) if output.units == 1 else metric


def _for_one_output(metric: Any, has_score: bool) -> Any:
    metrics = keras_runtime.keras().metrics
    if isinstance(metric, metrics.FBetaScore) and metric.average is None:
        return type(metric).from_config(metric.get_config() | {"average": "micro"})
    if has_score and metric in ("accuracy", "acc"):
        return metrics.BinaryAccuracy(name=metric, threshold=0.0)
    if callable(metric) and not isinstance(metric, metrics.Metric):
        return _with_flat_labels(metric)
    return metric


def _with_flat_labels(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @wraps(function)
    def metric(y_true: Any, y_pred: Any) -> Any:
        return function(keras_runtime.keras().ops.reshape(y_true, (-1,)), y_pred)

    return metric


def is_score(config: DictConfig) -> bool:
    """Return whether outputs are logits or scores of a hinge loss, in place of probabilities."""
    from_logits = OmegaConf.select(config, "compile.loss.from_logits")
    return bool(from_logits) or loss_of(config) in HINGES


def given_loss(config: DictConfig) -> str:
    """Return a config's loss as it is given: its import path, or Keras's name."""
    return str(OmegaConf.select(config, "compile.loss._target_") or config.compile.loss)


def loss_of(config: DictConfig) -> str:
    """Return the bare name of a config's loss in lower case, such as ``binarycrossentropy``."""
    return bare_name(given_loss(config))


def bare_name(given: str) -> str:
    """Return the end of an import path, or Keras's name, in lower case without underscores."""
    return given.rpartition(".")[2].replace("_", "").lower()


def is_for_classes(loss: str) -> bool:
    """Return whether a loss, by its name as of `loss_of`, needs classes."""
    return loss in ONE_HOT or _is_sparse(loss) or is_for_two_classes(loss)


def is_for_two_classes(loss: str) -> bool:
    """Return whether a loss, by its name as of `loss_of`, needs exactly two classes."""
    return loss.startswith("binary") or loss in HINGES


def _is_sparse(loss: str) -> bool:
    return loss.startswith("sparse")
