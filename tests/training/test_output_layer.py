from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from rnnexp.data import Dataset
from rnnexp.training.checks.output_layer import output_problems
from rnnexp.training.output_layer import Output, output_of

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


def test_labels() -> None:
    y = np.array([2, 0])
    assert Output(3, "softmax").labels(y) is y
    assert Output(3, "softmax", one_hot=True).labels(y).tolist() == [[0, 0, 1], [1, 0, 0]]
