"""Which paused trial goes on, and for how long: each decision is a row of a table."""

import math
from math import nan

import pytest

from rnnexp.objective import Objective
from rnnexp.pausing import Pausing
from rnnexp.sweep.scheduler import PausedTrial, Scheduler, Slice, forecast

LOSS, ACCURACY = Objective("val_loss", "min"), Objective("val_accuracy", "max")
PAUSING = Pausing(epochs=2, seconds=2.0, max_slices=3)


def paused(number: int, *values: float, seconds: float | None = None) -> PausedTrial:
    return PausedTrial(number, dict(enumerate(values)), seconds)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], math.inf),
        ([nan], math.inf),
        ([1.0], 1.0),
        ([1.0, 0.75], 0.5),  # as much again
        ([1.0, 0.5, 0.75], 0.25),  # the last value, and the gain of the best
        ([1.0, nan, 0.75, nan], 0.5),
        ([8.0, 4.0, 2.0, 2.0, 2.0, 2.0, 1.0], 1.0 - 3.0),  # the gain of the last 5 epochs
    ],
)
def test_a_forecast(values: list[float], expected: float) -> None:
    assert forecast(dict(enumerate(values)), LOSS) == expected
    assert forecast({e: -v for e, v in enumerate(values)}, ACCURACY) == expected


A, B, C = paused(3, 1.0, 0.75), paused(1, 0.6), paused(7, 0.9, 0.8, 0.7, 0.65)


@pytest.mark.parametrize(
    ("trials", "state", "expected"),
    [
        ([], {}, None),
        ([A, B, C], {}, Slice(7, 2)),  # 0.65 - 0.25
        ([A, B], {}, Slice(3, 2)),
        ([B, A], {"lost": 1}, Slice(3, 2)),
        ([A, B, C], {"lost": 2}, Slice(1, 2)),  # the fewest epochs
        ([A, B, C], {"fruitless": 2}, Slice(7, 2)),
        ([A, B, C], {"fruitless": 3}, None),
        ([paused(2, nan), paused(5, 9.0)], {}, Slice(5, 2)),
        ([paused(5, 1.0), paused(2, 1.0)], {}, Slice(2, 2)),  # equal: the earlier
        ([paused(0, 1.0, 0.9, 0.8, 0.7, seconds=1.0)], {}, Slice(0, 8)),  # 2 seconds
        ([paused(0, 1.0, 0.9, seconds=60.0)], {}, Slice(0, 2)),
    ],
)
def test_who_goes_on(
    trials: list[PausedTrial], state: dict[str, int], expected: Slice | None
) -> None:
    assert Scheduler(LOSS, PAUSING, **state).next(trials) == expected


def test_without_pausing_nobody_goes_on() -> None:
    scheduler = Scheduler(LOSS, None)
    assert scheduler.next([A, B]) is None
    assert scheduler.reason_to_stop() == ""


@pytest.mark.parametrize(
    ("ended", "lost", "fruitless"),
    [
        ([(0.5, 0.6, 0.55)], 0, 0),  # a new best of the study
        ([(0.5, 0.6, 0.4)], 0, 1),  # of the trial alone
        ([(0.6, 0.6, 0.4)], 1, 1),
        ([(0.6, 0.6, 0.4), (nan, 0.6, 0.4), (None, None, None)], 3, 3),
        ([(0.6, 0.6, 0.4), (0.3, 0.6, 0.4)], 0, 0),
    ],
)
def test_what_a_slice_has_brought(
    ended: list[tuple[float | None, float | None, float | None]], lost: int, fruitless: int
) -> None:
    scheduler = Scheduler(LOSS, PAUSING)
    for values in ended:
        scheduler.ended(*values)
    assert (scheduler.lost, scheduler.fruitless) == (lost, fruitless)
    expected = "no new best in 3 slices of paused trials (pausing.max_slices=3)"
    assert scheduler.reason_to_stop() == (expected if fruitless >= 3 else "")


@pytest.mark.parametrize(("keep", "expected"), [(3, []), (2, [1]), (1, [1, 3])])
def test_the_least_promising_go_first(keep: int, expected: list[int]) -> None:
    assert Scheduler(LOSS, PAUSING).least_promising([A, B, C], keep) == expected
