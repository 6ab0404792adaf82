"""Streams of batches, on TensorFlow."""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import keras
import numpy as np
import pytest
from omegaconf import DictConfig

from rnnexp import data
from rnnexp.training.fit_arguments import fit_arguments
from rnnexp.training.model import build
from rnnexp.training.streams import evaluate_on_stream, fit_on_streams

Composed = Callable[..., DictConfig]
Batch = tuple[np.ndarray[Any, Any], ...]

ROWS, SIZE = 10, 4
STEPS = 3


def arguments(**others: Any) -> dict[str, Any]:
    rows = np.arange(ROWS)
    return {
        "x": rows[:, None].astype("int32"),
        "y": rows.astype(float),
        "batch_size": SIZE,
    } | others


def epochs(given: dict[str, Any], numbers: Iterable[int]) -> list[list[list[int]]]:
    """Return the rows of each batch, epoch by epoch."""
    found, (callback,) = [], given["callbacks"]
    for number in numbers:
        callback.on_epoch_begin(number, {})
        batches = given["x"].as_numpy_iterator()
        found.append([[int(label) for label in labels] for _, labels in batches])
    return found


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_each_epoch_has_each_row_once(shuffle: bool | str) -> None:
    given = fit_on_streams(arguments(shuffle=shuffle), seed=0)
    assert int(given["x"].cardinality()) == STEPS
    found = epochs(given, range(3))
    in_order = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    for epoch in found:
        assert [len(batch) for batch in epoch] == [4, 4, 2]
        assert sorted(chain(*epoch)) == list(range(ROWS))
        is_within = [sorted(batch) for batch in epoch] == in_order
        assert is_within == (shuffle is not True)
    assert (found[0] == in_order) == (shuffle is False)
    assert (found[0] == found[1]) == (shuffle is False)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first = epochs(fit_on_streams(arguments(), seed=1), range(3))
    assert epochs(fit_on_streams(arguments(), seed=1), range(3)) == first
    assert epochs(fit_on_streams(arguments(), seed=1), [2, 0]) == [first[2], first[0]]
    assert epochs(fit_on_streams(arguments(), seed=2), range(3)) != first


def test_floats_are_those_of_keras_and_weights_stay_with_their_rows() -> None:
    given = fit_on_streams(arguments(sample_weight=np.arange(ROWS) / 2), seed=0)
    for x, y, weight in given["x"].as_numpy_iterator():
        assert (x.dtype, y.dtype, weight.dtype) == ("int32", "float32", "float32")
        assert (x[:, 0] == y).all()
        assert (weight == y / 2).all()


@pytest.mark.parametrize(
    ("others", "rows", "size"),
    [
        ({"validation_split": 0.2}, [8, 9], 4),
        ({"validation_split": 0.5, "validation_batch_size": 2}, [5, 6, 7, 8, 9], 2),
        ({"validation_data": (np.zeros((3, 1)), np.arange(3))}, [0, 1, 2], 4),
    ],
)
def test_validation_is_in_order(others: dict[str, Any], rows: list[int], size: int) -> None:
    given = fit_on_streams(arguments(**others), seed=0)
    found = [y.tolist() for _, y in given["validation_data"].as_numpy_iterator()]
    assert found == [rows[first : first + size] for first in range(0, len(rows), size)]
    assert int(given["validation_data"].cardinality()) == len(found)


@pytest.mark.parametrize(
    "given",
    [
        {"x": object(), "epochs": 3},
        arguments(steps_per_epoch=2),
        arguments(validation_steps=1),
        arguments(steps=1),
    ],
)
def test_batches_and_steps_that_are_given_stay(given: dict[str, Any]) -> None:
    assert fit_on_streams(given, seed=0) == given
    assert evaluate_on_stream(given) == given


@pytest.mark.slow
def test_a_model_learns_and_is_evaluated_as_on_arrays(composed: Composed) -> None:
    config = composed("fit.shuffle=false", "fit.verbose=0", "fit.class_weight=balanced")
    dataset, histories, scores = data.load(config.data), [], []
    test = dataset.test()
    for of_fit, of_evaluate in ((dict, dict), (lambda a: fit_on_streams(a, 0), evaluate_on_stream)):
        keras.utils.clear_session()
        keras.utils.set_random_seed(0)
        model = build(config, dataset)
        histories.append(model.fit(**of_fit(fit_arguments(config, dataset))).history)
        of_test = of_evaluate({"x": test.x, "y": test.y, "batch_size": 7, "verbose": 0})
        scores.append(model.evaluate(**of_test))
    assert scores[1] == pytest.approx(scores[0], rel=1e-5)
    for name, values in histories[0].items():
        assert histories[1][name] == pytest.approx(values, rel=1e-5)
