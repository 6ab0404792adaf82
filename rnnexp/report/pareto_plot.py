"""The plot of a study's Pareto front: trials by two objectives; a plot for each further one."""

import math
from typing import TYPE_CHECKING

from rnnexp.formatting import format_value, whole
from rnnexp.objective import Objective
from rnnexp.report.snapshot import Row, Snapshot

if TYPE_CHECKING:
    import plotly.graph_objects as go

DOMINATED, BROKEN, FRONT, BEST = "#9db8d2", "#d9d9d9", "#3b75af", "#111111"
WIDE = 10.0  # times as much as the least is the greatest value of an axis that is drawn as a log


def plot_front(snapshot: Snapshot) -> "tuple[go.Figure, str] | str":
    """Draw the trials by the first objective and each of the others.

    Args:
        snapshot: A study of several objectives.

    Returns:
        The figure, and more on how to read it; or why it can't be drawn yet.
    """
    from plotly.subplots import make_subplots

    objectives = snapshot.objectives
    rows = [
        row for row in snapshot.rows if all(map(math.isfinite, objectives.losses(row.measures)))
    ]
    if not snapshot.front:
        return "no complete trial has a value of each objective, and meets the constraints"
    figure = make_subplots(rows=len(objectives.others), cols=1, vertical_spacing=0.12)
    for place, other in enumerate(objectives.others, start=1):
        for name, color, size, chosen in _groups(snapshot, rows):
            figure.add_scatter(
                x=[row.measures[other.monitor] for row in chosen],
                y=[row.measures[objectives.first.monitor] for row in chosen],
                text=[_described(row, snapshot) for row in chosen],
                name=name, hoverinfo="text", showlegend=place == 1, legendgroup=name,
                mode="markers", marker={"color": color, "size": size}, row=place, col=1,
            )  # fmt: skip
        if len(objectives.all) == 2:
            _draw_steps(figure, snapshot, rows, other)
        values = [row.measures[other.monitor] for row in rows]
        is_wide = min(values) > 0 and max(values) > WIDE * min(values)
        figure.update_xaxes(
            title=other.monitor, type="log" if is_wide else "linear", row=place, col=1
        )
        figure.update_yaxes(title=objectives.first.monitor, row=place, col=1)
    figure.update_layout(height=100 + 400 * len(objectives.others))
    return figure, ""


def _groups(snapshot: Snapshot, rows: list[Row]) -> list[tuple[str, str, int, list[Row]]]:
    """Return the trials in groups, each with its name, color and size of markers."""
    front = {trial.number for trial in snapshot.front}
    best = snapshot.best.number if snapshot.best else None

    def group(row: Row) -> str:
        if row.trial.number == best:
            return "best"
        if row.trial.number in front:
            return "front"
        is_feasible = snapshot.objectives.is_feasible(row.measures)
        return row.state.lower() if is_feasible else "breaks a constraint"

    looks = {"best": (BEST, 14), "front": (FRONT, 11), "breaks a constraint": (BROKEN, 7)}
    names = [group(row) for row in rows]
    return [
        (
            name,
            *looks.get(name, (DOMINATED, 7)),
            [r for r, n in zip(rows, names, strict=True) if n == name],
        )
        for name in dict.fromkeys(sorted(names, key=lambda name: name in looks))
    ]


def _draw_steps(figure: "go.Figure", snapshot: Snapshot, rows: list[Row], other: Objective) -> None:
    """Draw the edge of what is dominated, with two objectives."""
    numbers = {trial.number for trial in snapshot.front}
    front = sorted(
        (row.measures[other.monitor], row.measures[snapshot.objective.monitor])
        for row in rows
        if row.trial.number in numbers
    )
    shape = "hv" if other.mode == "min" else "vh"
    figure.add_scatter(
        x=[x for x, _ in front], y=[y for _, y in front], mode="lines", hoverinfo="skip",
        line={"shape": shape, "color": FRONT, "width": 1}, showlegend=False,
    )  # fmt: skip


def _described(row: Row, snapshot: Snapshot) -> str:
    values = ", ".join(
        f"{each.monitor} {format_value(whole(row.measures[each.monitor]))}"
        for each in snapshot.objectives.all
    )
    return f"trial {row.trial.number}: {values}"
