"""Several objectives: the Pareto front, the order of trials, and the winner."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnexp.constraints import Constraint
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives, objectives_of_directions, winning_rule

LOSS, SIZE, AUC = (
    Objective.parse(text) for text in ("min loss", "min size", "max auc")
)  # fmt: skip
TRIALS = {
    0: {"loss": 0.200, "size": 90.0, "auc": 0.7},
    1: {"loss": 0.201, "size": 30.0, "auc": 0.8},
    2: {"loss": 0.300, "size": 10.0, "auc": 0.6},
    3: {"loss": 0.310, "size": 20.0, "auc": 0.9},
    4: {"loss": math.nan, "size": 1.0, "auc": 1.0},
}


def objectives(*others: Objective, constraints: str = "", tolerance: float = 0.01) -> Objectives:
    parsed = tuple(map(Constraint.parse, filter(None, constraints.split(","))))
    return Objectives(LOSS, others, parsed, tolerance)


@pytest.mark.parametrize(
    ("searched", "front", "order"),
    [
        (objectives(), [0], [0, 1, 2, 3, 4]),
        (objectives(SIZE), [0, 1, 2], [1, 0, 2, 3, 4]),
        (objectives(SIZE, tolerance=0.0), [0, 1, 2], [0, 1, 2, 3, 4]),
        (objectives(SIZE, tolerance=1.0), [0, 1, 2], [2, 0, 1, 3, 4]),
        (objectives(AUC), [0, 1, 3], [1, 0, 3, 2, 4]),
        (objectives(SIZE, AUC), [0, 1, 2, 3], [1, 0, 2, 3, 4]),
        (objectives(constraints="size < 30"), [2], [2, 3, 4, 0, 1]),
        (objectives(SIZE, constraints="size < 50,auc > 0.7"), [1, 3], [1, 3, 4, 0, 2]),
        (objectives(SIZE, constraints="size < 1"), [], [0, 1, 2, 3, 4]),
    ],
)
def test_front_and_order(searched: Objectives, front: list[int], order: list[int]) -> None:
    assert searched.front(TRIALS) == front
    assert searched.winner(TRIALS) == (order[0] if front else None)
    assert searched.order(TRIALS) == order


def test_of_equal_trials_both_are_on_the_front_and_the_earlier_wins() -> None:
    twice = {"b": TRIALS[1], "a": TRIALS[1]}
    assert objectives(SIZE).front(twice) == ["b", "a"]
    assert objectives(SIZE).winner(twice) == "b"


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_the_front_is_what_no_other_dominates(points: list[tuple[int, int, int]]) -> None:
    searched = objectives(SIZE, AUC)
    trials = {n: dict(zip(("loss", "size", "auc"), map(float, p), strict=True))
              for n, p in enumerate(points)}  # fmt: skip

    def is_dominated(own: tuple[float, ...]) -> bool:
        others = map(searched.losses, trials.values())
        return any(o != own and all(a <= b for a, b in zip(o, own, strict=True)) for o in others)

    expected = [n for n, values in trials.items() if not is_dominated(searched.losses(values))]
    assert searched.front(trials) == expected
    assert sorted(searched.order(trials)) == list(trials)
    if trials:
        assert searched.order(trials)[0] == searched.winner(trials)
        assert set(searched.order(trials)[: len(expected)]) == set(expected)


@pytest.mark.parametrize(
    "searched", [objectives(), objectives(SIZE, AUC, constraints="size < 5,auc >= 0.5")]
)
def test_stored_and_read_again(searched: Objectives) -> None:
    assert Objectives.from_json(LOSS, searched.to_json()) == searched
    assert Objectives.from_json(LOSS, None) == Objectives(LOSS)


def test_texts() -> None:
    both = objectives(SIZE, constraints="size < 5,auc > 0.5")
    assert str(both) == "min loss, min size, where size < 5 and auc > 0.5"
    assert winning_rule(both) == (
        "of the trials on the Pareto front that meet size < 5 and auc > 0.5 whose loss is within "
        "1 % of the best, the one with the least size wins"
    )
    assert winning_rule(objectives(constraints="size < 5")) == (
        "the best trial that meets size < 5 has the least loss"
    )
    assert both.names == ["size", "auc"]
    assert both.broken({"size": 9.0}) == ""  # a metric may change


def test_the_directions_of_another_programs_study() -> None:
    found = objectives_of_directions(["maximize", "minimize"])
    assert str(found) == "max value, min value_1"
