"""Learning rates by epoch, for Keras's LearningRateScheduler.

Each takes the epoch and the rate of the epoch before, as Keras hands them over, and so needs to
know nothing of where training began: a training that goes on from a checkpoint keeps its pace.
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
    """Times ``decay`` after every epoch."""
    return rate * decay if epoch else rate


def cosine(epoch: int, rate: float, *, epochs: int) -> float:
    """Down to 0 along half a cosine, over ``epochs`` epochs (https://arxiv.org/abs/1608.03983)."""

    def height(at: int) -> float:
        return 1 + math.cos(math.pi * min(at, epochs) / epochs)

    # Past the end, height 0 stays 0.
    return rate * height(epoch) / before if epoch and (before := height(epoch - 1)) else rate


def warm_up(epoch: int, rate: float, *, warm_up_epochs: int) -> float:
    """Up to the optimizer's rate in equal steps, over ``warm_up_epochs`` epochs."""
    if epoch >= warm_up_epochs:
        return rate
    return rate * (epoch + 1) / epoch if epoch else rate / warm_up_epochs


def learning_rate_scheduler(
    schedule: str, *, decay: float, epochs: int, warm_up_epochs: int
) -> "keras.callbacks.LearningRateScheduler":
    """Keras's callback with a schedule by its name.

    Args:
        schedule: ``exponential``, ``cosine``, ``warm_up``, or the import path of a function that
            takes the epoch, counted from 0, and the present rate, and returns the new rate.
        decay: What `exponential` multiplies the rate by.
        epochs: After how many epochs `cosine` reaches 0.
        warm_up_epochs: After how many epochs `warm_up` reaches the optimizer's rate.

    Raises:
        Exception: If there is no function of that name, or if it can't be imported.
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
