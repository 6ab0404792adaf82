import math

import pytest

from rnnexp.reproduce.paired_comparison import chance, lead

NAN = math.nan


@pytest.mark.parametrize(
    ("leader", "other", "mean", "error", "seeds", "survives"),
    [
        ({1: 0.5, 2: 0.5}, {1: 0.6, 2: 0.6}, 0.1, 0.0, 2, True),
        ({1: 0.5, 2: 0.5}, {1: 0.5, 2: 0.5}, 0.0, 0.0, 2, False),  # equal is no lead
        ({1: 0.6, 2: 0.6}, {1: 0.5, 2: 0.5}, -0.1, 0.0, 2, False),
        ({1: 0.5, 2: 0.5}, {1: 0.6, 2: 0.8}, 0.2, 0.1, 2, False),  # exactly twice its error
        ({1: 0.1, 2: 0.9, 3: 0.5}, {1: 0.2, 2: 1.0, 3: 0.7}, 0.4 / 3, 0.1 / 3, 3, True),  # paired
        ({1: 0.5, 2: 0.5, 9: 0.0}, {1: 0.6, 2: 0.6, 7: 9.0}, 0.1, 0.0, 2, True),  # of both alone
        ({1: 0.5}, {1: 0.6}, 0.1, NAN, 1, False),
        ({1: 0.5}, {2: 0.6}, NAN, NAN, 0, False),
    ],
)
def test_a_lead_survives_if_it_is_larger_than_twice_its_error(
    leader: dict[int, float],
    other: dict[int, float],
    mean: float,
    error: float,
    seeds: int,
    survives: bool,
) -> None:
    for direction, sign in (("minimize", 1), ("maximize", -1)):
        found = lead(
            {seed: sign * value for seed, value in leader.items()},
            {seed: sign * value for seed, value in other.items()},
            direction,
        )
        assert found.mean == pytest.approx(mean, nan_ok=True)
        assert found.error == pytest.approx(error, nan_ok=True, abs=1e-12)
        assert (found.seeds, found.survives) == (seeds, survives)


def test_few_seeds_show_a_lead_by_chance() -> None:
    # Of Student's t: with one degree of freedom it is 1/2 - atan(2)/pi.
    assert chance(2) == pytest.approx(0.5 - math.atan(2) / math.pi)
    assert chance(5) == pytest.approx(0.0581, abs=1e-4)
