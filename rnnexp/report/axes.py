"""Axes that show the differences among the good trials; what is far worse is drawn at the edge.

One diverged trial would otherwise flatten every plot of a study.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rnnexp.formatting import format_value
from rnnexp.good_values import edge_of, is_outside
from rnnexp.objective import Objective

if TYPE_CHECKING:
    import plotly.graph_objects as go

ROOM = 0.05  # of the axis, left free at both ends
GRAY = "#777777"


def clip(figure: "go.Figure", values: Iterable[float], objective: Objective) -> str:
    """Let the vertical axes of a plot show the good values, and mark the others at the edge.

    Args:
        figure: The plot, whose traces have the values as ``y``; it is changed.
        values: The values that the axes are for.
        objective: Which of two values is better.

    Returns:
        A sentence about what is outside; empty if the axes show all values.
    """
    finite = [value for value in values if math.isfinite(value)]
    edge = edge_of(finite, objective)
    if edge is None:
        return ""
    best = min(finite, key=objective.sort_key)
    room = ROOM * (edge - best)
    figure.update_yaxes(range=sorted((best - room, edge + room)))
    for trace in list(figure.data):
        _mark(figure, trace, edge, objective)
    outside = sum(is_outside(value, edge, objective) for value in finite)
    return (
        f"{outside} of {len(finite)} values are worse than {format_value(edge)} and are drawn as "
        "gray triangles at the edge; a double click on the plot shows the whole axis."
    )


def _mark(figure: "go.Figure", trace: "go.Scatter", edge: float, objective: Objective) -> None:
    points = [
        (x, y)
        for x, y in zip(trace.x, trace.y, strict=True)
        if y is not None and is_outside(y, edge, objective)
    ]
    if not points:
        return
    figure.add_scatter(
        x=[x for x, _ in points],
        y=[edge] * len(points),
        text=[format_value(float(y)) for _, y in points],
        xaxis=trace.xaxis,
        yaxis=trace.yaxis,
        mode="markers",
        marker={"symbol": f"triangle-{'up' if objective.mode == 'min' else 'down'}", "color": GRAY},
        hoverinfo="text",
        showlegend=False,
        legendgroup=trace.legendgroup,
    )
