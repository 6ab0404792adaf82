"""Learning rates by epoch, for Keras's ``LearningRateScheduler``.

Each schedule takes the epoch and the learning rate of the epoch before, as Keras passes them. So a
schedule need not know the first epoch, and a training that goes on from a checkpoint goes on with
the schedule as well.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from hydra.utils import get_method

if TYPE_CHECKING:
    import keras

Schedule = Callable[[int, float], float]


def exponential(epoch: int, rate: float, *, decay: float) -> float:
    """Multiply the rate by ``decay`` after every epoch."""
    return rate * decay if epoch else rate


def cosine(epoch: int, rate: float, *, epochs: int) -> float:
    """Lower the rate to 0 along half a cosine within ``epochs`` epochs.

    The rate is that of SGDR without restarts (https://arxiv.org/abs/1608.03983).
    """

    def height(at: int) -> float:
        return 1 + math.cos(math.pi * min(at, epochs) / epochs)

    # After the last epoch the height is 0, and the rate stays 0.
    return rate * height(epoch) / before if epoch and (before := height(epoch - 1)) else rate


def warm_up(epoch: int, rate: float, *, warm_up_epochs: int) -> float:
    """Raise the rate in equal steps, to the optimizer's rate after ``warm_up_epochs`` epochs."""
    if epoch >= warm_up_epochs:
        return rate
    return rate * (epoch + 1) / epoch if epoch else rate / warm_up_epochs


def learning_rate_scheduler(
    schedule: str, *, decay: float, epochs: int, warm_up_epochs: int
) -> "keras.callbacks.LearningRateScheduler":
    """Make Keras's callback with a schedule by its name.

    Args:
        schedule: ``exponential``, ``cosine``, ``warm_up``, or the import path of a function that
            takes the epoch, counted from 0, and the current rate, and returns the new rate.
        decay: The factor of `exponential`.
        epochs: The number of epochs after which `cosine` reaches 0.
        warm_up_epochs: The number of epochs after which `warm_up` reaches the optimizer's rate.

    Raises:
        ValueError: If there is no schedule of that name.
        Exception: Whatever the import of the function raises.
    """
    import keras

    known: dict[str, Schedule] = {
        "exponential": partial(exponential, decay=decay),
        "cosine": partial(cosine, epochs=epochs),
        "warm_up": partial(warm_up, warm_up_epochs=warm_up_epochs),
    }
    if schedule not in known and "." not in schedule:
        raise ValueError(
            f"schedule={schedule}: must be one of {', '.join(known)}, or the import path of a "
            "function, such as my_module.my_schedule"
        )
    return keras.callbacks.LearningRateScheduler(known.get(schedule) or get_method(schedule))
