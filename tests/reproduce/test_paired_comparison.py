import math

import pytest

from rnnexp.objective import Objective
from rnnexp.reproduce.paired_comparison import chance, margin

NAN = math.nan


@pytest.mark.parametrize(
    ("best", "other", "mean", "standard_error", "seeds", "survives"),
    [
        ({1: 0.5, 2: 0.5}, {1: 0.6, 2: 0.6}, 0.1, 0.0, 2, True),
        ({1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.5}, 0.0, 0.0, 2, False),  # equal: no margin
        ({1: 0.6, 2: 0.6}, {1: 0.5, 2: 0.5}, -0.1, 0.0, 2, False),
        (
            {1: 0.5, 2: 0.5},
            {1: 0.6, 2: 0.8},
            0.2,
            0.1,
            2,
            False,
        ),  # exactly twice its error
        ({1: 0.1, 2: 0.9, 3: 0.5}, {1: 0.2, 2: 1.0, 3: 0.7}, 0.4 / 3, 0.1 / 3, 3, True),  # paired
        (
            {1: 0.5, 2: 0.5, 9: 0.0},
            {1: 0.6, 2: 0.6, 7: 9.0},
            0.1,
            0.0,
            2,
            True,
        ),  # common seeds
        ({1: 0.5}, {1: 0.6}, 0.1, NAN, 1, False),
        ({1: 0.5}, {2: 0.6}, NAN, NAN, 0, False),
    ],
)
def test_a_margin_survives_if_it_is_larger_than_twice_its_standard_error(
    best: dict[int, float],
    other: dict[int, float],
    mean: float,
    standard_error: float,
    seeds: int,
    survives: bool,
) -> None:
    for objective in (Objective("val_loss", "min"), Objective("val_accuracy", "max")):
        found = margin(
            {seed: objective.sign * value for seed, value in best.items()},
            {seed: objective.sign * value for seed, value in other.items()},
            objective,
        )
        assert found.mean == pytest.approx(mean, nan_ok=True)
        assert found.standard_error == pytest.approx(standard_error, nan_ok=True, abs=1e-12)
        assert (found.seeds, found.survives) == (seeds, survives)


def test_with_few_seeds_a_margin_survives_by_chance() -> None:
    # Student's t with one degree of freedom: 1/2 - atan(2)/pi.
    assert chance(2) == pytest.approx(0.5 - math.atan(2) / math.pi)
    assert chance(5) == pytest.approx(0.0581, abs=1e-4)
