import math
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from rnnexp.training.checks.learning_rates import (
    learning_rate_problems,
    schedule_problem,
    scheduler_problems,
)
from rnnexp.training.schedules import exponential

ROWS = 40
KEY = "compile.optimizer.learning_rate"
PLATEAU = keras.callbacks.ReduceLROnPlateau()


def decay(**arguments: object) -> dict[str, object]:
    target = "keras.optimizers.schedules.ExponentialDecay"
    return {"_target_": target, "decay_steps": 5, "decay_rate": 0.5, **arguments}


def sgd(rate: object, **arguments: object) -> dict[str, object]:
    return {"_target_": "keras.optimizers.SGD", "learning_rate": rate, **arguments}


def scaled(rate: object) -> dict[str, object]:
    return {"_target_": "keras.optimizers.LossScaleOptimizer", "inner_optimizer": sgd(rate)}


def compiled(optimizer: object) -> tuple[Any, keras.Model]:
    config = OmegaConf.create(
        {"compile": {"optimizer": optimizer}, "fit": {"batch_size": 10, "epochs": 2}}
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(**instantiate(config.compile, _convert_="all"), loss="mse")
    return config, model


@pytest.mark.parametrize(
    ("optimizer", "problems"),
    [
        ("sgd", []),
        (sgd(0.1), []),
        (sgd(-0.1), [f"{KEY}=-0.1: must be a number, at least 0"]),
        (sgd(decay(initial_learning_rate=0.1)), []),
        (sgd(decay(initial_learning_rate=0.1), gradient_accumulation_steps=2), []),
        (
            sgd(decay(initial_learning_rate=math.nan)),
            [f"{KEY}: the schedule gives nan at step 0 of 8"],
        ),
        (scaled(-0.5), [f"{KEY}=-0.5: must be a number, at least 0"]),
    ],
)
def test_learning_rates_of_the_optimizer(optimizer: object, problems: list[str]) -> None:
    assert learning_rate_problems(*compiled(optimizer), ROWS) == problems


def test_a_schedule_that_fails_is_a_problem() -> None:
    (found,) = learning_rate_problems(
        *compiled(sgd(decay(initial_learning_rate=0.1, decay_rate="half"))), ROWS
    )
    assert found.startswith(f"{KEY}: the schedule fails at step 0: ")


@pytest.mark.parametrize(
    ("optimizer", "is_refused"),
    [
        (sgd(0.1), False),
        (scaled(0.1), False),
        (sgd(decay(initial_learning_rate=0.1)), True),
        (scaled(decay(initial_learning_rate=0.1)), True),
    ],
)
def test_a_callback_can_not_change_the_rate_of_a_schedule(
    optimizer: object, is_refused: bool
) -> None:
    config, model = compiled(optimizer)
    problem = (
        f"callbacks.plateau: {KEY} is a schedule, which no callback can change; remove one of them"
    )
    found = list(scheduler_problems(config, {"plateau": PLATEAU}, model))
    assert found == ([problem] if is_refused else [])


def broken(epoch: int) -> float:
    return math.nan if epoch == 3 else 0.1


def raising(epoch: int, rate: float) -> float:  # noqa: ARG001
    raise ZeroDivisionError("no rate")


def whole(epoch: int) -> int:  # noqa: ARG001
    return 1


def negative(epoch: int, rate: float) -> float:  # noqa: ARG001
    return -rate


def nothing(epoch: int, rate: float) -> None:
    """Forget to return the rate."""


@pytest.mark.parametrize(
    ("schedule", "epochs", "problem"),
    [
        (broken, 3, None),  # not called after fit.epochs
        (broken, 4, "gives nan at epoch 3"),
        (raising, 1, "fails at epoch 0: ZeroDivisionError: no rate"),
        (negative, 1, "gives -0.1 at epoch 0"),
        (nothing, 1, "gives None at epoch 0; a learning rate must be a float, at least 0"),
        (whole, 1, "gives 1 at epoch 0; a learning rate must be a float, at least 0"),
        (partial(exponential, decay=0.9), 100, None),
    ],
)
def test_a_schedule_is_tried(schedule: Callable[..., float], epochs: int, problem: str) -> None:
    callback = keras.callbacks.LearningRateScheduler(schedule)
    found = schedule_problem(callback, 0.1, 0, epochs)
    assert found is None if problem is None else found and problem in found
