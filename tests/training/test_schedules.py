from functools import partial

import pytest

from rnnexp.training.schedules import (
    Schedule,
    cosine,
    exponential,
    learning_rate_scheduler,
    warm_up,
)


def rates(schedule: Schedule, epochs: int, rate: float = 1.0) -> list[float]:
    """Call a schedule as Keras does: each epoch with the rate of the epoch before."""
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
        (partial(cosine, epochs=2), [1, 0.5, 0, 0, 0]),  # later epochs keep the last rate
    ],
)
def test_rates(schedule: Schedule, expected: list[float]) -> None:
    assert rates(schedule, 5) == pytest.approx(expected, abs=1e-12)


def halved(epoch: int, rate: float) -> float:  # noqa: ARG001
    return rate / 2


def test_the_users_own_schedule_by_its_import_path() -> None:
    path = f"{__name__}.{halved.__name__}"
    made = learning_rate_scheduler(path, decay=0.9, epochs=5, warm_up_epochs=2)
    assert made.schedule is halved


def test_unknown_schedule() -> None:
    with pytest.raises(ValueError, match=r"schedule=linear: must be one of exponential, cosine"):
        learning_rate_scheduler("linear", decay=0.9, epochs=5, warm_up_epochs=2)
