"""Checks of the learning rate: the optimizer's, and those that callbacks set by epoch."""

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rnnexp import keras_runtime
from rnnexp.errors import one_line
from rnnexp.number_ranges import NOT_NEGATIVE

if TYPE_CHECKING:
    import keras

KEY = "compile.optimizer.learning_rate"


def learning_rate_problems(config: DictConfig, model: "keras.Model", rows: int) -> list[str]:
    """Return why the optimizer's learning rate can't be used; a schedule is tried at four steps.

    Args:
        config: The whole config.
        model: The model of the config, built and compiled.
        rows: The number of rows of the training part.
    """
    given = OmegaConf.select(config, KEY)
    schedule = instantiate(given, _convert_="all") if OmegaConf.is_dict(given) else None
    if not isinstance(schedule, keras_runtime.keras().optimizers.schedules.LearningRateSchedule):
        rate = float(model.optimizer.learning_rate)
        return [] if rate in NOT_NEGATIVE else [f"{KEY}={rate:g}: must be {NOT_NEGATIVE}"]
    steps = math.ceil(rows / config.fit.batch_size) * config.fit.epochs
    for step in (0, 1, steps // 2, steps):
        try:
            rate = float(schedule(step))
        except Exception as error:  # whatever TensorFlow raises at arguments that it can't compute
            return [f"{KEY}: the schedule fails at step {step}: {one_line(error)[:200]}"]
        if rate not in NOT_NEGATIVE:
            return [f"{KEY}: the schedule gives {rate} at step {step} of {steps}"]
    return []


def scheduler_problems(
    config: DictConfig, callbacks: Mapping[str, object], model: "keras.Model"
) -> Iterator[str]:
    """Find the problems of callbacks that set the learning rate.

    Args:
        config: The whole config.
        callbacks: The config's callbacks, instantiated, by name.
        model: The model of the config, built and compiled.

    Yields:
        One message per problem.
    """
    keras = keras_runtime.keras()
    setters = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    # Keras keeps the rate of an optimizer in a variable, unless a schedule computes the rate.
    has_schedule = not isinstance(model.optimizer.learning_rate, keras.Variable)
    first, epochs = config.fit.get("initial_epoch", 0), config.fit.epochs
    for name, callback in callbacks.items():
        if not isinstance(callback, setters):
            continue
        if has_schedule:
            yield (
                f"callbacks.{name}: {KEY} is a schedule, which no callback can change; remove "
                "one of them"
            )
        elif isinstance(callback, keras.callbacks.LearningRateScheduler):
            rate = float(model.optimizer.learning_rate)
            if problem := schedule_problem(callback, rate, first, epochs):
                yield f"callbacks.{name}.schedule: {problem}"


def schedule_problem(
    callback: "keras.callbacks.LearningRateScheduler", rate: float, first: int, epochs: int
) -> str | None:
    """Return why a schedule can't be used, after trying the schedule for every epoch.

    Args:
        callback: Keras's callback with the schedule.
        rate: The optimizer's learning rate.
        first: The first epoch, counted from 0.
        epochs: The epoch to stop before.

    Returns:
        The end of a message; None if there is no problem.
    """
    for epoch in range(first, epochs):
        try:
            # Keras takes functions of the epoch alone, too.
            takes_rate = len(inspect.signature(callback.schedule).parameters) > 1
            rate = callback.schedule(epoch, rate) if takes_rate else callback.schedule(epoch)
        except Exception as error:  # whatever a function of the user's raises
            return f"fails at epoch {epoch}: {type(error).__name__}: {one_line(error)}"
        # Keras refuses whole numbers.
        if not isinstance(rate, float | np.float32) or float(rate) not in NOT_NEGATIVE:
            return f"gives {rate} at epoch {epoch}; a learning rate must be a float, at least 0"
    return None
