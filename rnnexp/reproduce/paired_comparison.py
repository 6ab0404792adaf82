"""Margin of the best trial over another, paired by seed: pure rules."""

import math
import statistics
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from rnnexp.objective import Objective

Values = Mapping[int, float]  # of one trial's params, by seed

FACTOR = 2  # the number of standard errors by which a margin has to be larger than 0


@dataclass(frozen=True)
class Margin:
    """By how much the best trial is better than another, over the seeds that both have.

    Attributes:
        mean: The mean of the differences by seed, above 0 where the best trial is better; NaN
            without a seed with which both have a value.
        standard_error: The standard error of the mean; NaN with less than two such seeds.
        seeds: The number of common seeds, with those that diverged.
        lost: The number of common seeds with which the best trial alone diverged.
        won: The number of common seeds with which the other trial alone diverged.
    """

    mean: float
    standard_error: float
    seeds: int
    lost: int = 0
    won: int = 0

    @property
    def survives(self) -> bool:
        """Whether the mean is larger than twice its standard error.

        A best trial that diverges where the other does not is not better, whatever the mean is.
        Where the other one diverges with all seeds but one, no standard error is needed.
        """
        if self.lost:
            return False
        if self.won >= max(self.seeds - 1, 1):
            return not self.mean < 0
        return self.mean > FACTOR * self.standard_error


def margin(
    best: Values,
    other: Values,
    objective: Objective,
    diverged: tuple[Set[int], Set[int]] = (frozenset(), frozenset()),
) -> Margin:
    """Compute the margin of the best trial over another trial, paired by seed.

    Args:
        best: The best trial's values by seed.
        other: The other trial's values by seed.
        objective: What the values are of.
        diverged: The seeds with which the best trial, and the other, diverged.
    """
    gains = [
        objective.margin(best[seed], over=other[seed])
        for seed in sorted(best.keys() & other.keys())
    ]
    lost, won = diverged[0] & other.keys(), diverged[1] & best.keys()
    both = diverged[0] & diverged[1]
    standard_error = deviation(gains) / math.sqrt(max(len(gains), 1))
    seeds = len(gains) + len(lost) + len(won) + len(both)
    return Margin(mean(gains), standard_error, seeds, len(lost), len(won))


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
