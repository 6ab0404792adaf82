"""Curves of epochs as a small plot of text, told apart by letters where there is no color."""

import math
from collections.abc import Mapping, Sequence
from string import ascii_lowercase

import plotille

Curve = Sequence[tuple[int, float]]  # epochs, counted from 0, and values

_COLORS = ("green", "yellow", "cyan", "magenta", "blue", "red")
_HEIGHT = 12  # lines
_MARGIN = 24  # columns beside the plot: the labels of the values, the name of the axis
_TICK = 10  # columns between two epochs that are named


def letter(n: int) -> str:
    """The letter that a run goes by."""
    return ascii_lowercase[n % len(ascii_lowercase)]


def plot(curves: Mapping[int, Curve], metric: str, width: int) -> str:
    """Draw curves over the epochs, on a terminal in color; what isn't finite is left out.

    Args:
        curves: By the place of the run, which gives its letter.
        metric: What they are of.
        width: Columns that there are, at least 50.

    Returns:
        Lines of text; empty if there is nothing to draw.
    """
    finite = {
        n: [(epoch, value) for epoch, value in curve if math.isfinite(value)]
        for n, curve in curves.items()
    }
    points = [point for curve in finite.values() for point in curve]
    if not points:
        return ""
    last = max(epoch for epoch, _ in points)
    low, high = min(value for _, value in points), max(value for _, value in points)
    room = (high - low) / _HEIGHT or abs(high) / 10 or 1.0
    step = last // ((max(width, 50) - _MARGIN) // _TICK) + 1  # whole epochs
    ticks = last // step + 1
    figure = plotille.Figure()
    figure.width, figure.height = ticks * _TICK, _HEIGHT
    figure.set_x_limits(0, step * ticks)
    figure.set_y_limits(low - room, high + room)
    figure.x_ticks_fkt = lambda epoch, _: f"{round(epoch)}"
    figure.y_ticks_fkt = lambda value, _: f"{value:#10.4g}"
    figure.x_label, figure.y_label = "epoch", metric
    figure.origin = False
    for n, curve in finite.items():
        if curve:
            epochs, values = zip(*curve, strict=True)
            figure.plot(epochs, values, lc=_COLORS[n % len(_COLORS)], marker=letter(n))
    lines = figure.show().replace("⠀", " ").splitlines()  # blank braille is wide in some fonts
    return "\n".join(line.rstrip() for line in lines)
