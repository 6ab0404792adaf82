"""Bounds of perfect foresight: a rule that knows how trials end, but watches epochs of each."""

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
