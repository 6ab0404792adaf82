"""Which paused trial goes on, and for how long: each decision is a row of a table."""

import math
from math import nan

import pytest

from rnnexp.objective import Objective
from rnnexp.pausing import Pausing
from rnnexp.sweep.scheduler import AGAIN, FIRST, YOUNG, PausedTrial, Scheduler, Slice, forecast

LOSS, ACCURACY = Objective("val_loss", "min"), Objective("val_accuracy", "max")
PAUSING = Pausing(seconds=2.0, idle_epochs=1.5)


def paused(number: int, *values: float, seconds: float | None = None) -> PausedTrial:
    return PausedTrial(number, dict(enumerate(values)), seconds)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], math.inf),
        ([nan], math.inf),
        ([1.0], 1.0),
        ([1.0, 0.75], 0.5),  # as much again
        ([1.0, 0.5, 0.75], 0.0),  # the better of the last two values, and the gain of the best
        ([1.0, 0.5, 0.75, 0.875], 0.25),
        ([1.0, nan, 0.75, nan], 0.5),
        ([8.0, 4.0, 2.0, 2.0, 2.0, 2.0, 1.0], 1.0 - 1.0),  # the gain of the last 3 epochs
    ],
)
def test_a_forecast(values: list[float], expected: float) -> None:
    assert forecast(dict(enumerate(values)), LOSS) == expected
    assert forecast({e: -v for e, v in enumerate(values)}, ACCURACY) == expected


A, B, C = paused(3, 1.0, 0.75), paused(1, 0.6), paused(7, 0.9, 0.8, 0.7, 0.65)  # 0.5, 0.6, 0.4


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([], None),
        ([A, B, C], Slice(7, 1)),
        ([A, B], Slice(3, 1)),
        ([paused(2, nan), paused(5, 9.0)], Slice(5, 1)),
        ([paused(5, 1.0), paused(2, 1.0)], Slice(2, 1)),  # equal: the earlier
        ([paused(0, 1.0, 0.9, 0.8, 0.7, seconds=0.25)], Slice(0, 8)),  # 2 seconds
        ([paused(0, 1.0, 0.9, seconds=30.0)], Slice(0, 1)),
    ],
)
def test_the_most_promising_trial_goes_on(
    trials: list[PausedTrial], expected: Slice | None
) -> None:
    assert Scheduler(LOSS, PAUSING).next(trials, 2, can_begin=False) == expected


def decisions(events: str) -> str:
    """Return who goes on, as numbers; ``n`` for a new trial, ``-`` for none at all.

    Each event is a decision: ``w`` and ``l`` after a slice that won or lost, ``.`` after anything
    else; in upper case, or ``,``, no new trial can begin.
    """
    scheduler, made = Scheduler(LOSS, Pausing(idle_epochs=3.0 / FIRST)), ""
    for event in events:
        if event in "wWlL":
            scheduler.ended(0.4 if event in "wW" else 0.6, 0.5, epochs=1)
        can_begin = event in "wl."
        chosen = scheduler.next([A, B, C], FIRST, can_begin=can_begin)
        made += str(chosen.number) if chosen else "n" if can_begin else "-"
    return made


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("......", "nnn7nn"),  # after every third new trial
        ("....wwl.", "nnn777nn"),  # as long as the study gets a new best
        (",WW", "777"),
        (",LLWWL", "717771"),  # after a slice without a new best, the one with the fewest epochs
        (",LLL", "717-"),  # 3 epochs in all
        ("....l,LLL", "nnn7n717-"),  # counted since the last new trial
    ],
)
def test_whose_turn_it_is(events: str, expected: str) -> None:
    assert decisions(events) == expected


def test_some_trials_begin_before_a_paused_one_goes_on() -> None:
    scheduler, begun = Scheduler(LOSS, PAUSING), range(FIRST + 1)
    chosen = [scheduler.next([A, B], trials, can_begin=True) for trials in begun]
    assert chosen == [None] * FIRST + [Slice(A.number, 1)]


@pytest.mark.parametrize(("value", "least"), [(0.6, 1), (0.4, AGAIN)])
def test_after_a_new_best_a_slice_lasts(value: float, least: int) -> None:
    for can_begin in (True, False):
        scheduler = Scheduler(LOSS, PAUSING)
        scheduler.ended(value, 0.5, epochs=1)
        chosen = [scheduler.next([A], FIRST, can_begin=can_begin) for _ in range(4)]
        assert next(filter(None, chosen)) == Slice(A.number, least)
    long = paused(4, 1.0, 0.9, 0.8, 0.7, seconds=0.25)
    scheduler.ended(0.4, 0.5, epochs=1)
    assert scheduler.next([long], FIRST, can_begin=False) == Slice(4, 8)  # 2 seconds are more


@pytest.mark.parametrize(("epochs", "explores"), [(YOUNG, True), (YOUNG + 1, False)])
def test_only_a_young_trial_has_a_turn_though_it_is_weak(epochs: int, explores: bool) -> None:
    weak = paused(0, *[2.0] * epochs)
    strong = paused(1, *[1.0] * 10)
    scheduler = Scheduler(LOSS, PAUSING, fruitless=1)
    chosen = scheduler.next([weak, strong], 2, can_begin=False)
    assert chosen == Slice(0 if explores else 1, 1)
    assert scheduler.next([weak, strong], 2, can_begin=False) == Slice(1, 1)  # in turn


@pytest.mark.parametrize("can_begin", [True, False])
def test_without_pausing_those_go_on_that_a_user_has_paused(can_begin: bool) -> None:
    scheduler = Scheduler(LOSS, None)
    assert scheduler.next([], 2, can_begin=can_begin) is None
    assert scheduler.next([B, A], 2, can_begin=can_begin) == (B.number, 1)
    assert scheduler.reason_to_stop(2) == ""


@pytest.mark.parametrize("pausing", [PAUSING, None])
@pytest.mark.parametrize("can_begin", [True, False])
def test_a_trial_that_a_user_lets_go_on_is_the_first(
    pausing: Pausing | None, can_begin: bool
) -> None:
    for wanted in (A, B):
        scheduler = Scheduler(LOSS, pausing, fruitless=100)
        chosen = scheduler.next([A, B], 2, can_begin=can_begin, wanted=[wanted.number, 99])
        assert chosen
        assert chosen.number == wanted.number


def test_why_no_trial_goes_on() -> None:
    scheduler = Scheduler(LOSS, PAUSING, fruitless=2)
    assert scheduler.reason_to_stop(2) == ""
    scheduler.ended(None, None, epochs=0)
    assert scheduler.reason_to_stop(2) == (
        "no new best in 3 epochs of paused trials (pausing.idle_epochs: 1.5 a trial)"
    )


def test_the_study_of_short_trials_ends_earlier() -> None:
    scheduler, short = Scheduler(LOSS, Pausing(), fruitless=2), [5]
    assert scheduler.next([A, B], 2, can_begin=False)
    assert scheduler.next([A, B], 2, can_begin=False, lengths=short) is None
    reason = "no new best in 2 epochs of paused trials (pausing.idle_epochs: 1 a trial)"
    assert scheduler.reason_to_stop(2, short) == reason


@pytest.mark.parametrize(("keep", "expected"), [(3, []), (2, [1]), (1, [1, 3])])
def test_the_least_promising_go_first(keep: int, expected: list[int]) -> None:
    assert Scheduler(LOSS, PAUSING).least_promising([A, B, C], keep) == expected
