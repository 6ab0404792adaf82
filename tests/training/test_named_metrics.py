"""Metrics by one name, compared with their definitions."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from omegaconf import OmegaConf

from rnnexp.data import Dataset
from rnnexp.training.checks.output_layer import output_problems
from rnnexp.training.named_metrics import named_metric
from rnnexp.training.output_layer import NAMED, Output, compile_arguments, output_of

RNG = np.random.default_rng(0)
BINARY = Output(1, "sigmoid")
NUMBERS = Output(4, "softmax")  # of which the last class is never there
ONE_HOT = Output(4, "softmax", one_hot=True)


def of_classes(kind: str, labels: npt.NDArray[Any], predicted: npt.NDArray[Any], n: int) -> float:
    """The definition: the mean over the classes."""
    scores = []
    for number in range(n):
        hits = float(((labels == number) & (predicted == number)).sum())
        said, there = float((predicted == number).sum()), float((labels == number).sum())
        among = {"precision": said, "recall": there, "f1": (said + there) / 2}[kind]
        scores.append(hits / among if among else 0.0)
    return float(np.mean(scores))


def area(is_class: npt.NDArray[Any], scores: npt.NDArray[Any]) -> float:
    """The probability that a row of the class has a higher score than another row."""
    own, other = scores[is_class], scores[~is_class]
    return float(np.mean(own[:, None] > other[None]))


@pytest.mark.parametrize("kind", ["precision", "recall", "f1"])
@pytest.mark.parametrize("output", [NUMBERS, ONE_HOT])
def test_macro_averages_of_several_classes(kind: str, output: Output) -> None:
    labels, scores = RNG.integers(3, size=200), RNG.normal(size=(200, 4)).astype("float32")
    metric = named_metric(kind, output, from_logits=True)
    for part in (slice(120), slice(120, None)):  # in batches
        metric.update_state(output.labels(labels)[part], scores[part])
    expected = of_classes(kind, labels, scores.argmax(1), 4)
    assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["precision", "recall", "f1"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_the_second_of_two_classes(kind: str, from_logits: bool) -> None:
    labels = RNG.integers(2, size=100)
    outputs = RNG.normal(size=(100, 1)) if from_logits else RNG.uniform(size=(100, 1))
    predicted = outputs[:, 0] > (0 if from_logits else 0.5)
    metric = named_metric(kind, BINARY, from_logits)
    metric.update_state(BINARY.labels(labels), outputs)
    hits = (predicted & (labels == 1)).sum()
    among = {"precision": predicted.sum(), "recall": labels.sum(),
             "f1": (predicted.sum() + labels.sum()) / 2}  # fmt: skip
    assert float(metric.result()) == pytest.approx(hits / among[kind], abs=1e-6)


@pytest.mark.parametrize("output", [BINARY, Output(3, "softmax"), Output(3, "softmax", True)])
@pytest.mark.parametrize("from_logits", [False, True])
def test_the_area_under_the_curve(output: Output, from_logits: bool) -> None:
    labels = RNG.integers(max(output.units, 2), size=300)
    outputs = RNG.normal(size=(300, output.units)).astype("float32")
    softmax = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    probabilities = softmax if output.units > 1 else 1 / (1 + np.exp(-outputs))
    metric = named_metric("auc", output, from_logits)
    metric.update_state(output.labels(labels), outputs if from_logits else probabilities)
    classes = range(output.units) if output.units > 1 else [1]
    areas = [area(labels == n, probabilities[:, n % output.units]) for n in classes]
    assert float(metric.result()) == pytest.approx(np.mean(areas), abs=0.01)


def test_weights_of_rows() -> None:
    metric = named_metric("recall", BINARY, from_logits=False)
    weights = np.array([3.0, 1.0, 1.0])
    metric.update_state(np.array([[1], [1], [0]]), np.array([[0.9], [0.1], [0.9]]), weights)
    assert float(metric.result()) == pytest.approx(0.75)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("output", [BINARY, NUMBERS])
def test_a_saved_model_has_the_metric(name: str, output: Output, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(output.units, "sigmoid")])
    model.compile(loss="mse", metrics=[named_metric(name, output, from_logits=False)])
    x, labels = RNG.normal(size=(20, 2)), RNG.integers(2, size=20)
    y = output.labels(labels)
    if output.takes_numbers:  # mse takes one-hot labels, and the metric as well
        y = np.eye(4, dtype=np.float32)[labels]
    model.fit(x, y, verbose=0)
    expected = model.evaluate(x, y, verbose=0)
    model.save(tmp_path / "best.keras")
    again = keras.models.load_model(tmp_path / "best.keras")
    assert again.evaluate(x, y, verbose=0) == expected


@pytest.mark.parametrize(
    ("metrics", "monitor", "names"),
    [
        (["accuracy"], "val_loss", ["accuracy"]),
        (["accuracy"], "val_auc", ["accuracy", "auc"]),
        (["accuracy", "f1"], "val_f1", ["accuracy", "f1"]),
        ([], "recall", ["recall"]),
        ([{"_target_": "keras.metrics.AUC", "name": "auc"}], "val_auc", ["auc"]),
    ],
)
def test_a_monitored_name_need_not_be_given(
    metrics: list[Any], monitor: str, names: list[str]
) -> None:
    config = OmegaConf.create(
        {"compile": {"loss": "binary_crossentropy", "metrics": metrics},
         "objective": {"monitor": monitor}}
    )  # fmt: skip
    found = compile_arguments(config, BINARY)["metrics"]
    assert [getattr(metric, "name", metric) for metric in found] == names


@pytest.mark.parametrize("name", NAMED)
def test_numbers_have_no_classes(name: str) -> None:
    config = OmegaConf.create({"compile": {"loss": "mse", "metrics": [name]}})
    numbers = Dataset(Path("nowhere"), ("a", "b"), (), "regression")
    (problem,) = output_problems(config, numbers)
    assert problem.startswith(f"compile.metrics={name} is a metric of classes")
    for loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        classes = Dataset(Path("nowhere"), ("a", "b"), (1, 2, 3), "classes")
        config.compile.loss = loss
        assert output_of(config, classes).units == 3
        assert output_problems(config, classes) == []
