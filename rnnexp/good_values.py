"""Which values are so much worse than the good ones that a plot does better without them."""

import math
from collections.abc import Iterable

from rnnexp.objective import Objective

FEWEST = 5  # values, below which an axis shows all
REACH = 4.0  # an axis is at most as wide as this many times its better half


def edge_of(values: Iterable[float], objective: Objective) -> float | None:
    """Return the worst value that an axis shows, so that the better half fills a fourth of it.

    Where half of the values are equal, the better three quarters count, or nine tenths.

    Args:
        values: The values; those that aren't finite are passed over.
        objective: Which of two values is better.

    Returns:
        The value at the edge; None if the axis can show all values.
    """
    losses = sorted(objective.sign * value for value in values if math.isfinite(value))
    if len(losses) < FEWEST:
        return None
    for share in (0.5, 0.75, 0.9):
        width = losses[math.ceil(share * len(losses)) - 1] - losses[0]
        if width > 0:
            edge = losses[0] + REACH * width
            return objective.sign * edge if losses[-1] > edge else None
    return None


def is_outside(value: float, edge: float, objective: Objective) -> bool:
    """Return whether a finite value is worse than the one at the edge."""
    return math.isfinite(value) and objective.is_better(edge, value)
