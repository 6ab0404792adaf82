from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from omegaconf import OmegaConf

from rnnexp.data import Dataset
from rnnexp.training.checks.output_layer import output_problems
from rnnexp.training.output_layer import Output, compile_arguments, output_of

CLASSES = {"binary": ("bad", "good"), "classes": (1, 2, 3), "regression": ()}


def dataset(task: str) -> Dataset:
    return Dataset(Path("nowhere"), ("a", "b"), CLASSES[task], task)


@pytest.mark.parametrize(
    ("loss", "task", "expected"),
    [
        ("binary_crossentropy", "binary", Output(1, "sigmoid")),
        ("keras.losses.BinaryFocalCrossentropy", "binary", Output(1, "sigmoid")),
        ("hinge", "binary", Output(1, "tanh")),
        ("mse", "binary", Output(1, "sigmoid")),
        ("categorical_crossentropy", "binary", Output(2, "softmax", one_hot=True)),
        ("sparse_categorical_crossentropy", "binary", Output(2, "softmax")),
        ("keras.losses.CategoricalCrossentropy", "classes", Output(3, "softmax", one_hot=True)),
        ("keras.losses.KLDivergence", "classes", Output(3, "softmax", one_hot=True)),
        ("keras.losses.SparseCategoricalCrossentropy", "classes", Output(3, "softmax")),
        ("my.own_loss", "classes", Output(3, "softmax", one_hot=True)),
        ("keras.losses.MeanSquaredError", "regression", Output(1, "linear")),
        ("my.own_loss", "regression", Output(1, "linear")),
    ],
)
@pytest.mark.parametrize("from_logits", [False, True])
def test_output(loss: str, task: str, expected: Output, from_logits: bool) -> None:
    given: Any = {"_target_": loss, "from_logits": from_logits} if "." in loss else loss
    config = OmegaConf.create({"compile": {"loss": given}})
    found = output_of(config, dataset(task))
    activation = "linear" if from_logits and "." in loss else expected.activation
    assert found == Output(expected.units, activation, expected.one_hot)
    assert output_problems(config, dataset(task)) == []


@pytest.mark.parametrize(
    ("output", "y", "expected"),
    [
        (Output(3, "softmax"), [2, 0], [2, 0]),
        (Output(3, "softmax", one_hot=True), [2, 0], [[0, 0, 1], [1, 0, 0]]),
        (Output(1, "sigmoid"), [1, 0], [[1.0], [0.0]]),
        (Output(1, "linear"), [0.5, -2.0], [[0.5], [-2.0]]),
    ],
)
def test_labels(output: Output, y: list[float], expected: list[object]) -> None:
    labels = output.labels(np.array(y))
    assert labels.tolist() == expected
    assert labels.dtype == (np.int64 if output.takes_numbers else np.float32)


F1 = "keras.metrics.F1Score"
ROWS = {"binary": [0, 1, 1, 0], "classes": [0, 1, 2, 0], "regression": [0.5, 1.5, -1.0, 0.0]}
OUTPUTS = {
    "binary": [[0.2], [0.9], [0.4], [0.6]],
    "classes": [[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.9, 0.05, 0.05]],
    "regression": [[0.4], [1.5], [-1.0], [0.5]],
}


def share_of_hits(y_true: Any, y_pred: Any) -> Any:
    """Take labels ``(n,)``: with ``(n, 1)`` the product would have n x n values, and sum 4."""
    return keras.ops.sum(y_true * keras.ops.round(y_pred[:, 0])) / 4


@pytest.mark.parametrize(
    ("loss", "task", "metric", "expected"),
    [
        ("binary_crossentropy", "binary", {"_target_": F1, "threshold": 0.5}, 0.5),
        ("binary_crossentropy", "binary", {"_target_": "keras.metrics.AUC"}, 0.75),
        ("binary_crossentropy", "binary", {"_target_": "keras.metrics.Precision"}, 0.5),
        ("binary_crossentropy", "binary", {"_target_": "keras.metrics.Recall"}, 0.5),
        ("binary_crossentropy", "binary", "accuracy", 0.5),
        ("binary_crossentropy", "binary",
         {"_target_": "hydra.utils.get_method", "path": f"{__name__}.share_of_hits"}, 0.25),
        ("hinge", "binary", {"_target_": "keras.metrics.Precision", "thresholds": 0.0}, 0.5),
        ("hinge", "binary", "accuracy", 0.5),  # every output is above 0
        ("mse", "binary", {"_target_": "keras.metrics.Recall"}, 0.5),
        ("categorical_crossentropy", "classes",
         {"_target_": F1, "average": "macro"}, 5 / 9),
        ("categorical_crossentropy", "classes", {"_target_": "keras.metrics.Recall"}, 0.75),
        ("categorical_crossentropy", "classes", "accuracy", 0.75),
        ("sparse_categorical_crossentropy", "classes", "accuracy", 0.75),
        ("sparse_categorical_crossentropy", "classes", "sparse_top_k_categorical_accuracy", 1.0),
        ("mse", "regression", {"_target_": "keras.metrics.R2Score"}, 0.92),
        ("mse", "regression", "mae", 0.15),
    ],
)  # fmt: skip
def test_metrics_on_labels(loss: str, task: str, metric: Any, expected: float) -> None:
    config = OmegaConf.create({"compile": {"loss": loss, "optimizer": "sgd", "metrics": [metric]}})
    output = output_of(config, dataset(task))
    model = keras.Sequential([keras.Input((output.units,))])
    model.compile(**compile_arguments(config, output))
    y = output.labels(np.array(ROWS[task]))
    scores = model.evaluate(np.array(OUTPUTS[task]), y, verbose=0, return_dict=True)
    (score,) = (value for name, value in scores.items() if name != "loss")
    assert np.shape(score) == ()
    assert score == pytest.approx(expected, abs=1e-4)
    assert output_problems(config, dataset(task)) == []


@pytest.mark.parametrize(
    "loss",
    ["hinge", {"_target_": "keras.losses.BinaryCrossentropy", "from_logits": True}],
)
def test_accuracy_of_scores_has_its_border_at_0(loss: Any) -> None:
    config = OmegaConf.create(
        {"compile": {"loss": loss, "optimizer": "sgd", "metrics": ["accuracy"]}}
    )
    output = output_of(config, dataset("binary"))
    model = keras.Sequential([keras.Input((1,))])
    model.compile(**compile_arguments(config, output))
    scores = np.array([[-0.2], [0.3], [0.4], [-0.9]])
    y = output.labels(np.array([0, 1, 1, 1]))
    assert model.evaluate(scores, y, verbose=0, return_dict=True)["accuracy"] == 0.75
