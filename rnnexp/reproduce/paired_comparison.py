"""Whether a leader's lead survives other seeds: pure rules."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Values = Mapping[int, float]  # of one setting, by seed

ERRORS = 2  # a lead survives if its mean is larger than so many of its standard errors


@dataclass(frozen=True)
class Lead:
    """By how much the leader is better than another setting, over the seeds that both have.

    Attributes:
        mean: The mean of the differences by seed, above 0 where the leader is better; NaN if
            there is no such seed.
        error: The mean's standard error; NaN with less than two seeds.
        seeds: How many seeds both have.
    """

    mean: float
    error: float
    seeds: int

    @property
    def survives(self) -> bool:
        """Whether the mean is larger than twice its standard error."""
        return self.mean > ERRORS * self.error


def lead(leader: Values, other: Values, direction: str) -> Lead:
    """The leader's lead over another setting, paired by seed.

    Args:
        leader: Its values.
        other: The other's.
        direction: ``minimize`` or ``maximize``.
    """
    sign = 1 if direction == "maximize" else -1
    gains = [sign * (leader[seed] - other[seed]) for seed in sorted(leader.keys() & other.keys())]
    return Lead(mean(gains), deviation(gains) / math.sqrt(max(len(gains), 1)), len(gains))


def chance(seeds: int) -> float:
    """How often so many seeds show a lead of two standard errors where there is none.

    Differences are taken to be normal, so it is Student's t with ``seeds - 1`` degrees of freedom.
    """
    from scipy.special import stdtr

    return float(stdtr(seeds - 1, -ERRORS))


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return statistics.fmean(values) if values else math.nan


def deviation(values: Sequence[float]) -> float:
    """The standard deviation of a sample; NaN of less than two."""
    return statistics.stdev(values) if len(values) > 1 else math.nan
