"""Curves over the epochs as a small plot of text, each marked by the letter of its run."""

import math
from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import plotille

from rnnexp.good_values import edge_of, is_outside
from rnnexp.objective import Objective

Curve = Sequence[tuple[int, float]]  # epochs, counted from 0, and values

_COLORS = ("green", "yellow", "cyan", "magenta", "blue", "red")
_HEIGHT = 12  # lines
_MARGIN = 24  # columns left and right of the plot, for the labels of its axes
_TICK = 10  # columns between two labels of the epochs


def letter(n: int) -> str:
    """Return the letter of the run in the ``n``-th place."""
    return ascii_lowercase[n % len(ascii_lowercase)]


def plot(curves: Mapping[int, Curve], objective: Objective, width: int) -> str:
    """Draw curves over the epochs, in color on a terminal; values that aren't finite are left out.

    Values that are far worse than the better half are drawn at the edge, and a line says so.

    Args:
        curves: Curves by the place of their run, which decides the letter and the color.
        objective: The metric that the curves show, and what is better of it.
        width: The width of the terminal in columns; less than 50 count as 50.

    Returns:
        Lines of text; empty if there is nothing to draw.
    """
    finite = {
        n: [(epoch, value) for epoch, value in curve if math.isfinite(value)]
        for n, curve in curves.items()
    }
    values = [value for curve in finite.values() for _, value in curve]
    if not values:
        return ""
    edge = edge_of(values, objective)
    if edge is None:
        return _drawn(finite, objective.monitor, width)
    outside = [value for value in values if is_outside(value, edge, objective)]
    cut = {
        n: [(e, edge if is_outside(v, edge, objective) else v) for e, v in curve]
        for n, curve in finite.items()
    }
    worst = max(outside, key=objective.sort_key)
    are = "values worse" if len(outside) > 1 else "value worse"
    return (
        f"{_drawn(cut, objective.monitor, width)}\n{len(outside)} {are} than {edge:.4g}, up to "
        f"{worst:.4g}, drawn at the edge; --json has all values"
    )


def _drawn(curves: Mapping[int, Curve], metric: str, width: int) -> str:
    points = [point for curve in curves.values() for point in curve]
    last = max(epoch for epoch, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    room = (high - low) / _HEIGHT or abs(high) / 10 or 1.0
    step = last // ((max(width, 50) - _MARGIN) // _TICK) + 1  # epochs
    ticks = last // step + 1
    figure = plotille.Figure()
    figure.width, figure.height = ticks * _TICK, _HEIGHT
    figure.set_x_limits(0, step * ticks)
    figure.set_y_limits(low - room, high + room)
    figure.x_ticks_fkt = lambda epoch, _: f"{round(epoch)}"
    figure.y_ticks_fkt = lambda value, _: f"{value:#10.4g}"
    figure.x_label, figure.y_label = "epoch", metric
    figure.origin = False
    for n, curve in curves.items():
        if curve:
            epochs, values = zip(*curve, strict=True)
            figure.plot(epochs, values, lc=_COLORS[n % len(_COLORS)], marker=letter(n))
    lines = (
        figure.show().replace("⠀", " ").splitlines()
    )  # some fonts draw an empty Braille cell too wide
    return "\n".join(line.rstrip() for line in lines)
