"""Interactive plots of a study: Optuna's, or own ones where pruned trials have to be seen."""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial

from rnnexp.formatting import format_value
from rnnexp.good_values import edge_of, is_outside
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.report.axes import clip
from rnnexp.report.pareto_plot import plot_front
from rnnexp.report.slices import Span
from rnnexp.report.snapshot import RUNNING, Row, Snapshot
from rnnexp.result import State
from rnnexp.storage.optuna_store import ranked, state_of

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLORS: dict[str, str] = {
    State.COMPLETE: "#3b75af",
    State.PRUNED: "#ef8636",
    State.FAIL: "#c53a32",
    State.PAUSED: "#8d69b8",
    RUNNING: "#6b9f3b",
}
BEST = "#111111"
LINES = 200  # the largest number of trials in the parallel coordinates, where each is a line
OUTLINED = 200  # the largest number of bars with a line around each, which would hide more bars
NONE_COMPLETE = "no trial has completed yet"


@dataclass(frozen=True)
class Plot:
    """One plot of the report.

    Attributes:
        title: What the plot shows.
        text: How to read the plot, or why it can't be drawn yet.
        figure: The plot; None if it can't be drawn yet.
    """

    title: str
    text: str
    figure: "go.Figure | None"


def plots_of(snapshot: Snapshot) -> list[Plot]:
    """Draw all plots of a study; a plot that can't be drawn yet says why."""
    plots = []
    for title, text, draw in [*([FRONT] if snapshot.objectives.others else []), *PLOTS]:
        drawn = draw(snapshot)
        if isinstance(drawn, str):
            plots.append(Plot(title, f"Left out: {drawn}.", None))
            continue
        figure, more = drawn
        figure.update_layout(
            template="plotly_white", title=None, margin={"l": 70, "r": 30, "t": 40, "b": 60}
        )
        plots.append(Plot(title, f"{text} {more}".rstrip(), figure))
    return plots


def _history(snapshot: Snapshot) -> "tuple[go.Figure, str] | str":
    if not snapshot.complete:
        return NONE_COMPLETE
    figure = optuna.visualization.plot_optimization_history(
        snapshot.completed_study, target_name=snapshot.objective.monitor
    )
    more = clip(figure, snapshot.completed_values, snapshot.objective)
    return figure.update_xaxes(title="trial"), more


def _importances(snapshot: Snapshot) -> "tuple[go.Figure, str] | str":
    import plotly.graph_objects as go

    if isinstance(snapshot.importances, str):
        return snapshot.importances
    found = snapshot.importances[::-1]
    bar = go.Bar(
        x=[one.share for one in found],
        y=[one.label for one in found],
        error_x={
            "array": [one.high - one.share for one in found],
            "arrayminus": [one.share - one.low for one in found],
            "color": BEST,
        },
        hovertext=[f"{one.share:.2f}, {one.low:.2f} to {one.high:.2f}" for one in found],
        hoverinfo="text",
        orientation="h",
        marker={"color": COLORS[State.COMPLETE]},
    )
    figure = go.Figure(bar, {"xaxis": {"title": "share"}, "height": 160 + 40 * len(found)})
    return figure.update_yaxes(ticksuffix="  "), ""


def _parallel(snapshot: Snapshot) -> "tuple[go.Figure, str] | str":
    objective = snapshot.objective
    complete = ranked(snapshot.completed_study.get_trials(deepcopy=False), Objectives(objective))
    if len(complete) < 2:
        return "it takes two complete trials"
    edge = edge_of(snapshot.completed_values, objective)
    shown, outside = complete[:LINES], 0
    if edge is not None:
        outside = sum(is_outside(trial.value or 0.0, edge, objective) for trial in shown)
        shown = [_at_edge(trial, edge, objective) for trial in shown]
    study = optuna.create_study(direction=objective.direction)
    study.add_trials(shown)
    figure = optuna.visualization.plot_parallel_coordinate(study, target_name=objective.monitor)
    more = f"{outside} that are worse than {format_value(edge)} are drawn there." if outside else ""
    return figure.update_layout(height=480), more


def _at_edge(trial: FrozenTrial, edge: float, objective: Objective) -> FrozenTrial:
    if trial.value is None or not is_outside(trial.value, edge, objective):
        return trial
    moved = copy(trial)
    moved.value = edge
    return moved


def _slices(snapshot: Snapshot) -> "tuple[go.Figure, str] | str":
    if not any(trial.params for trial in snapshot.complete):
        return NONE_COMPLETE
    figure = optuna.visualization.plot_slice(
        snapshot.completed_study, target_name=snapshot.objective.monitor
    )
    return figure, clip(figure, snapshot.completed_values, snapshot.objective)


def _curves(snapshot: Snapshot) -> "tuple[go.Figure, str] | str":
    """Draw a trace for each state: one for each trial would take a browser seconds."""
    import plotly.graph_objects as go

    trials = [trial for trial in snapshot.trials if trial.intermediate_values]
    if not trials:
        return "no trial has reported a value yet"
    figure = go.Figure(
        layout={
            "xaxis": {"title": "epoch"},
            "yaxis": {"title": snapshot.objective.monitor},
            "height": 480,
        }
    )
    for state, color in COLORS.items():
        of_state = [t for t in trials if state_of(t) == state and t is not snapshot.best]
        if of_state:
            style = {"color": color, "width": 1}
            figure.add_scatter(
                **_joined(of_state), name=str(state), line=style, legendgroup=str(state),
                opacity=0.5,
            )  # fmt: skip
    if (best := snapshot.best) and best.intermediate_values:
        style = {"color": BEST, "width": 3}
        figure.add_scatter(**_joined([best]), name=f"best: trial {best.number}", line=style)
    pruned = [trial for trial in trials if state_of(trial) == State.PRUNED]
    if pruned:
        marker = {"symbol": "x", "size": 8, "color": COLORS[State.PRUNED]}
        figure.add_scatter(
            x=[trial.last_step for trial in pruned],
            y=[trial.intermediate_values[trial.last_step or 0] for trial in pruned],
            text=[f"trial {trial.number} pruned" for trial in pruned],
            mode="markers", name="pruned here", marker=marker, legendgroup=str(State.PRUNED),
        )  # fmt: skip
    reported = (value for trial in trials for value in trial.intermediate_values.values())
    return figure, clip(figure, reported, snapshot.objective)


def _joined(trials: Iterable[FrozenTrial]) -> dict[str, object]:
    """Join the curves of trials into one, with gaps between the trials."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for trial in trials:
        steps = sorted(trial.intermediate_values)
        x += [*steps, None]
        y += [*(trial.intermediate_values[step] for step in steps), None]
        text += [f"trial {trial.number}"] * (len(steps) + 1)
    return {"x": x, "y": y, "text": text, "mode": "lines"}


def _timeline(snapshot: Snapshot) -> "tuple[go.Figure, str] | str":
    import plotly.graph_objects as go

    slices = [(row, span) for row in snapshot.rows for span in snapshot.spans(row.trial)]
    if not slices:
        return "no trial has begun yet"
    slots = lanes([span for _, span in slices])
    outline = {"color": "white", "width": 1 if len(slices) <= OUTLINED else 0}
    figure = go.Figure()
    for state, color in COLORS.items():
        bars = [(row, span, slot) for (row, span), slot in zip(slices, slots, strict=True)
                if row.state == state]  # fmt: skip
        if bars:
            marker = {"color": color, "line": outline}
            figure.add_bar(**_bars(bars), name=str(state), marker=marker)
    order = [f"slot {slot}" for slot in range(max(slots) + 1)]
    figure.update_layout(
        barmode="overlay",
        showlegend=True,
        xaxis={"type": "date"},
        yaxis={"categoryorder": "array", "categoryarray": order[::-1]},
        height=180 + 40 * len(order),
    )
    return figure, ""


def _bars(bars: Sequence[tuple[Row, Span, int]]) -> dict[str, object]:
    return {
        "x": [(end - start).total_seconds() * 1000 for _, (start, end), _ in bars],
        "base": [start.isoformat() for _, (start, _), _ in bars],
        "y": [f"slot {slot}" for _, _, slot in bars],
        "hovertext": [f"trial {row.trial.number}, {row.epochs} epochs" for row, _, _ in bars],
        "hoverinfo": "text+name",
        "orientation": "h",
    }


def lanes(spans: Sequence[Span]) -> list[int]:
    """Return the slot of each bar of the timeline: the first slot that is free when it begins.

    A slot is refilled as soon as it is free, so that slots are the workers, but for their order.

    Args:
        spans: Start and end of each trial, or of each slice of a trial that was paused.
    """
    free: list[datetime] = []  # since when, by slot
    found = [0] * len(spans)
    for number in sorted(range(len(spans)), key=lambda n: spans[n]):
        start, end = spans[number]
        slot = next((slot for slot, since in enumerate(free) if since <= start), len(free))
        free[slot : slot + 1] = [end]
        found[number] = slot
    return found


FRONT = (
    "Pareto front",
    "Each trial by its objectives. No complete trial is better than one on the front by one "
    "objective, and as good by the others.",
    plot_front,
)
PLOTS: tuple[tuple[str, str, Callable[[Snapshot], "tuple[go.Figure, str] | str"]], ...] = (
    ("Optimization history", "The value of every complete trial, and the best so far.", _history),
    (
        "Values by epoch",
        "The reported values of each trial. A cross marks where a trial was pruned. Click a state "
        "to hide its trials.",
        _curves,
    ),
    (
        "Parameter importances",
        "How much each key decides whether a trial is among the best tenth, or the best five "
        "(PED-ANOVA). The line at a bar is where nine of ten other studies would have its end; "
        "keys whose lines overlap can't be ranked.",
        _importances,
    ),
    (
        "Parallel coordinates",
        f"Each line is a complete trial; at most the best {LINES} are shown.",
        _parallel,
    ),
    ("Slices", "The value of every complete trial by each searched key.", _slices),
    (
        "Timeline",
        "When each trial ran. A row is a slot, that is, a worker. A trial that was paused has "
        "a bar for each of its slices, in the color of its state now. A trial that was retried or "
        "resumed counts from its first start.",
        _timeline,
    ),
)
