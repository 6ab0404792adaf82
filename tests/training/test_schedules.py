import math
from collections.abc import Callable
from functools import partial

import keras
import pytest

from rnnexp.training.checks.learning_rates import schedule_problem
from rnnexp.training.schedules import (
    Schedule,
    cosine,
    exponential,
    learning_rate_scheduler,
    warm_up,
)


def rates(schedule: Schedule, epochs: int, rate: float = 1.0) -> list[float]:
    """As Keras calls it: each epoch with the rate of the one before."""
    found = []
    for epoch in range(epochs):
        rate = schedule(epoch, rate)
        found.append(rate)
    return found


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (partial(exponential, decay=0.5), [1, 0.5, 0.25, 0.125, 0.0625]),
        (partial(warm_up, warm_up_epochs=4), [0.25, 0.5, 0.75, 1, 1]),
        (partial(warm_up, warm_up_epochs=1), [1, 1, 1, 1, 1]),
        (partial(cosine, epochs=4), [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5, 0]),
        (partial(cosine, epochs=2), [1, 0.5, 0, 0, 0]),  # what comes later stays at the end
    ],
)
def test_rates(schedule: Schedule, expected: list[float]) -> None:
    assert rates(schedule, 5) == pytest.approx(expected, abs=1e-12)


def broken(epoch: int) -> float:
    return math.nan if epoch == 3 else 0.1


def raising(epoch: int, rate: float) -> float:  # noqa: ARG001
    raise ZeroDivisionError("no rate")


def negative(epoch: int, rate: float) -> float:  # noqa: ARG001
    return -rate


def nothing(epoch: int, rate: float) -> None:
    """Forgets to return the rate."""


@pytest.mark.parametrize(
    ("schedule", "epochs", "problem"),
    [
        (broken, 3, None),  # it is not called after fit.epochs
        (broken, 4, "gives nan at epoch 3"),
        (raising, 1, "fails at epoch 0: ZeroDivisionError: no rate"),
        (negative, 1, "gives -0.1 at epoch 0"),
        (nothing, 1, "fails at epoch 0: TypeError"),
        (partial(exponential, decay=0.9), 100, None),
    ],
)
def test_a_schedule_is_tried(schedule: Callable[..., float], epochs: int, problem: str) -> None:
    callback = keras.callbacks.LearningRateScheduler(schedule)
    found = schedule_problem(callback, 0.1, 0, epochs)
    assert found is None if problem is None else found and problem in found


def test_own_schedule_by_its_path() -> None:
    path = f"{__name__}.{raising.__name__}"
    made = learning_rate_scheduler(path, decay=0.9, epochs=5, warm_up_epochs=2)
    assert made.schedule is raising


def test_unknown_schedule() -> None:
    with pytest.raises(ValueError, match=r"schedule=linear: must be one of exponential, cosine"):
        learning_rate_scheduler("linear", decay=0.9, epochs=5, warm_up_epochs=2)
