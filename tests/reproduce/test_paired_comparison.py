import math

import pytest

from rnnexp.objective import Objective
from rnnexp.reproduce.paired_comparison import chance, margin

NAN = math.nan
FIVE = range(1, 6)


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


@pytest.mark.parametrize(
    ("best", "other", "diverged", "counts", "survives"),
    [
        # The best trial diverges with two of five seeds, and is far better with the others.
        (
            {1: 0.1, 2: 0.1, 3: 0.1},
            dict.fromkeys(FIVE, 0.9),
            ({4, 5}, set()),
            (5, 2, 0),
            False,
        ),
        (
            dict.fromkeys(FIVE, 0.1),
            {1: 0.9, 2: 0.9, 3: 0.9},
            (set(), {4, 5}),
            (5, 0, 2),
            True,
        ),
        # Where both diverge there is no difference.
        ({1: 0.1, 2: 0.1}, {1: 0.9, 2: 0.9}, ({3}, {3}), (3, 0, 0), True),
        ({}, {1: 0.9, 2: 0.9}, ({1, 2}, set()), (2, 2, 0), False),
        ({1: 0.1, 2: 0.1}, {}, (set(), {1, 2}), (2, 0, 2), True),
        ({1: 0.9, 2: 0.1}, {1: 0.1}, (set(), {2}), (2, 0, 1), False),  # worse where both have one
        ({1: 0.1}, {2: 0.1}, ({3}, {4}), (0, 0, 0), False),  # no seed in common
        ({}, {}, ({1, 2}, {1, 2}), (2, 0, 0), False),
    ],
)
def test_a_seed_that_diverges_is_lost(
    best: dict[int, float],
    other: dict[int, float],
    diverged: tuple[set[int], set[int]],
    counts: tuple[int, int, int],
    survives: bool,
) -> None:
    found = margin(best, other, Objective("val_loss", "min"), diverged)
    assert (found.seeds, found.lost, found.won) == counts
    assert found.survives is survives


def test_with_few_seeds_a_margin_survives_by_chance() -> None:
    # Student's t with one degree of freedom: 1/2 - atan(2)/pi.
    assert chance(2) == pytest.approx(0.5 - math.atan(2) / math.pi)
    assert chance(5) == pytest.approx(0.0581, abs=1e-4)
