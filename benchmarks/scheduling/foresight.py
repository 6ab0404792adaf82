"""What needs no engine: bounds of perfect foresight, and the best after one epoch.

A rule with perfect foresight knows how trials end, but has to watch some epochs of each.
"""

from collections.abc import Sequence

import numpy as np

Curves = Sequence[Sequence[float]]


def stopping(curves: Curves, watched: int) -> float:
    """Return the share of the epochs if trials are stopped for good.

    A trial that becomes the best so far is trained to its end, any other one is stopped.

    Args:
        curves: The curves of a study, in the order of its trials.
        watched: The epochs of each trial that are trained in any case.
    """
    best, spent = np.inf, 0
    for curve in curves:
        own = np.nanmin([*curve, np.inf])
        spent += len(curve) if own < best else min(len(curve), watched)
        best = min(best, own)
    return spent / sum(map(len, curves))


def pausing(curves: Curves, watched: int) -> float:
    """Return the share of the epochs if trials are paused, and the best goes on to its end."""
    best = min(curves, key=lambda curve: np.nanmin([*curve, np.inf]))
    spent = sum(min(len(curve), watched) for curve in curves) + max(len(best) - watched, 0)
    return spent / sum(map(len, curves))


def one_epoch(curves: Curves, best: int) -> list[float]:
    """Train one epoch of each trial, then the best trials to their ends, one after the other.

    Args:
        curves: The curves of a study, in the order of its trials.
        best: The number of trials that go on.

    Returns:
        The best value so far, after each epoch of the study.
    """
    first = np.array([curve[0] for curve in curves], float)
    chosen = np.argsort(first)[:best]  # NaN is last
    values = [*first, *(value for number in chosen for value in curves[number][1:])]
    return [float(value) for value in np.fmin.accumulate(values)]
