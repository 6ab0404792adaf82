"""Margin of the best trial over another, paired by seed: pure rules."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rnnexp.objective import Objective

Values = Mapping[int, float]  # of one trial's params, by seed

FACTOR = 2  # the number of standard errors by which a margin has to be larger than 0


@dataclass(frozen=True)
class Margin:
    """By how much the best trial is better than another, over the seeds that both have.

    Attributes:
        mean: The mean of the differences by seed, above 0 where the best trial is better; NaN
            without a common seed.
        standard_error: The standard error of the mean; NaN with less than two common seeds.
        seeds: The number of common seeds.
    """

    mean: float
    standard_error: float
    seeds: int

    @property
    def survives(self) -> bool:
        """Whether the mean is larger than twice its standard error."""
        return self.mean > FACTOR * self.standard_error


def margin(best: Values, other: Values, objective: Objective) -> Margin:
    """Compute the margin of the best trial over another trial, paired by seed.

    Args:
        best: The best trial's values by seed.
        other: The other trial's values by seed.
        objective: What the values are of.
    """
    seeds = sorted(best.keys() & other.keys())
    gains = [objective.margin(best[seed], over=other[seed]) for seed in seeds]
    standard_error = deviation(gains) / math.sqrt(max(len(gains), 1))
    return Margin(mean(gains), standard_error, len(gains))


def chance(seeds: int) -> float:
    """Return how often a margin survives where there is no difference at all.

    The differences are taken to be normal, so that the margin follows Student's t with
    ``seeds - 1`` degrees of freedom.

    Args:
        seeds: The number of seeds, at least two.
    """
    from scipy.special import stdtr

    return float(stdtr(seeds - 1, -FACTOR))


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN without a value."""
    return statistics.fmean(values) if values else math.nan


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample; NaN with less than two values."""
    return statistics.stdev(values) if len(values) > 1 else math.nan
