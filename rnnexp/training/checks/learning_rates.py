"""What is wrong with learning rates, found before any work starts."""

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from rnnexp import keras_runtime
from rnnexp.errors import one_line

if TYPE_CHECKING:
    import keras


def rate_problems(config: DictConfig, model: "keras.Model", rows: int) -> list[str]:
    """Why the optimizer's learning rate, or its schedule, can't be used; empty if it can.

    Args:
        config: The whole config.
        model: Its model, built and compiled.
        rows: Of the training part.
    """
    keras = keras_runtime.keras()
    schedule = model.optimizer._learning_rate
    where = "compile.optimizer.learning_rate"
    if not isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        rate = float(model.optimizer.learning_rate)
        return [] if _is_rate(rate) else [f"{where}={rate:g}: must be a number, at least 0"]
    steps = math.ceil(rows / config.fit.batch_size) * config.fit.epochs
    for step in (0, 1, steps // 2, steps):
        try:
            rate = float(schedule(step))
        except Exception as error:  # whatever TensorFlow raises at arguments that it can't compute
            return [f"{where}: the schedule fails at step {step}: {one_line(error)[:200]}"]
        if not _is_rate(rate):
            return [f"{where}: the schedule gives {rate} at step {step} of {steps}"]
    return []


def scheduler_problems(
    config: DictConfig, callbacks: Mapping[str, object], model: "keras.Model"
) -> Iterator[str]:
    """What is wrong with callbacks that set the learning rate.

    Args:
        config: The whole config.
        callbacks: Its callbacks, made, by name.
        model: Its model, built and compiled.
    """
    keras = keras_runtime.keras()
    has_own = isinstance(
        model.optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule
    )
    setters = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    for name, callback in callbacks.items():
        if not isinstance(callback, setters):
            continue
        if has_own:
            yield (
                f"callbacks.{name}: compile.optimizer.learning_rate is a schedule, which no "
                "callback can change; leave one of them"
            )
        elif isinstance(callback, keras.callbacks.LearningRateScheduler):
            first, epochs = config.fit.get("initial_epoch", 0), config.fit.epochs
            problem = schedule_problem(
                callback, float(model.optimizer.learning_rate), first, epochs
            )
            if problem:
                yield f"callbacks.{name}.schedule: {problem}"


def schedule_problem(
    callback: "keras.callbacks.LearningRateScheduler", rate: float, first: int, epochs: int
) -> str | None:
    """Why a schedule can't be used, tried for every epoch; None if it can.

    Args:
        callback: Keras's callback with the schedule.
        rate: The optimizer's learning rate.
        first: The first epoch, counted from 0.
        epochs: The epoch to stop before.
    """
    for epoch in range(first, epochs):
        try:
            # Keras takes functions of the epoch alone, too.
            takes_rate = len(inspect.signature(callback.schedule).parameters) > 1
            rate = callback.schedule(epoch, rate) if takes_rate else callback.schedule(epoch)
            is_rate = _is_rate(rate)
        except Exception as error:  # whatever a function of the user's raises
            return f"fails at epoch {epoch}: {type(error).__name__}: {one_line(error)}"
        if not is_rate:
            return f"gives {rate} at epoch {epoch}; a learning rate must be a number, at least 0"
    return None


def _is_rate(value: float) -> bool:
    return math.isfinite(value) and value >= 0
