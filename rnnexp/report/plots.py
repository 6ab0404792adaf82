"""Interactive plots of a study: Optuna's, and where those don't show who was pruned, our own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, TrialState

from rnnexp.report.snapshot import Snapshot, lanes

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLORS = {
    TrialState.COMPLETE: "#3b75af",
    TrialState.PRUNED: "#ef8636",
    TrialState.FAIL: "#c53a32",
    TrialState.RUNNING: "#6b9f3b",
}
BEST = "#111111"
LINES = 200  # so many trials at most in the parallel coordinates, where each is a line
NONE_COMPLETE = "no trial has completed yet"


@dataclass(frozen=True)
class Plot:
    """One plot of the report.

    Attributes:
        title: What it shows.
        text: How to read it, or why it can't be made yet.
        figure: The plot; None if it can't be made yet.
    """

    title: str
    text: str
    figure: "go.Figure | None"


def plots_of(snapshot: Snapshot) -> list[Plot]:
    """All plots of a study; those that can't be made yet say why."""
    made = []
    for title, text, make in PLOTS:
        figure = make(snapshot)
        if isinstance(figure, str):
            made.append(Plot(title, f"Left out: {figure}.", None))
            continue
        figure.update_layout(
            template="plotly_white", title=None, margin={"l": 70, "r": 30, "t": 40, "b": 60}
        )
        made.append(Plot(title, text, figure))
    return made


def _history(snapshot: Snapshot) -> "go.Figure | str":
    if not snapshot.complete:
        return NONE_COMPLETE
    figure = optuna.visualization.plot_optimization_history(
        snapshot.completed_study, target_name=snapshot.monitor
    )
    return figure.update_xaxes(title="trial")


def _importances(snapshot: Snapshot) -> "go.Figure | str":
    import plotly.graph_objects as go

    found = snapshot.importances
    if isinstance(found, str):
        return found
    keys, shares = list(found)[::-1], list(found.values())[::-1]
    bar = go.Bar(
        x=shares, y=keys, orientation="h", text=[f"{share:.2f}" for share in shares],
        marker={"color": COLORS[TrialState.COMPLETE]},
    )  # fmt: skip
    return go.Figure(
        bar, {"xaxis": {"title": "share"}, "height": 160 + 40 * len(keys)}
    ).update_yaxes(ticksuffix="  ")


def _parallel(snapshot: Snapshot) -> "go.Figure | str":
    if len(snapshot.complete) < 2:
        return "it takes two complete trials"
    ranked = sorted(snapshot.complete, key=lambda trial: snapshot.sign * (trial.value or 0.0))
    study = snapshot.completed_study
    if len(ranked) > LINES:
        leaders = {trial.number for trial in ranked[:LINES]}
        study = optuna.create_study(direction=snapshot.direction)
        study.add_trials(
            trial
            for trial in snapshot.completed_study.get_trials(deepcopy=False)
            if trial.number in leaders
        )
    figure = optuna.visualization.plot_parallel_coordinate(study, target_name=snapshot.monitor)
    return figure.update_layout(height=480)


def _slices(snapshot: Snapshot) -> "go.Figure | str":
    if not any(trial.params for trial in snapshot.complete):
        return NONE_COMPLETE
    return optuna.visualization.plot_slice(snapshot.completed_study, target_name=snapshot.monitor)


def _curves(snapshot: Snapshot) -> "go.Figure | str":
    """One trace a state, since a trace a trial takes a browser seconds."""
    import plotly.graph_objects as go

    trials = [trial for trial in snapshot.trials if trial.intermediate_values]
    if not trials:
        return "no trial has reported a value yet"
    figure = go.Figure(
        layout={"xaxis": {"title": "epoch"}, "yaxis": {"title": snapshot.monitor}, "height": 480}
    )
    for state, color in COLORS.items():
        of_state = [trial for trial in trials if trial.state == state and trial != snapshot.best]
        if of_state:
            style = {"color": color, "width": 1}
            figure.add_scatter(
                **_joined(of_state), name=state.name, line=style, legendgroup=state.name,
                opacity=0.5,
            )  # fmt: skip
    if (best := snapshot.best) and best.intermediate_values:
        style = {"color": BEST, "width": 3}
        figure.add_scatter(**_joined([best]), name=f"best: trial {best.number}", line=style)
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    if pruned:
        marker = {"symbol": "x", "size": 8, "color": COLORS[TrialState.PRUNED]}
        figure.add_scatter(
            x=[trial.last_step for trial in pruned],
            y=[trial.intermediate_values[trial.last_step or 0] for trial in pruned],
            text=[f"trial {trial.number} pruned" for trial in pruned],
            mode="markers", name="pruned here", marker=marker, legendgroup="PRUNED",
        )  # fmt: skip
    return figure


def _joined(trials: Iterable[FrozenTrial]) -> dict[str, object]:
    """Curves of trials as one, with gaps between them."""
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    for trial in trials:
        steps = sorted(trial.intermediate_values)
        x += [*steps, None]
        y += [*(trial.intermediate_values[step] for step in steps), None]
        text += [f"trial {trial.number}"] * (len(steps) + 1)
    return {"x": x, "y": y, "text": text, "mode": "lines"}


def _timeline(snapshot: Snapshot) -> "go.Figure | str":
    import plotly.graph_objects as go

    rows = snapshot.rows
    if not rows:
        return "no trial has begun yet"
    slots = lanes([snapshot.span(row.trial) for row in rows])
    figure = go.Figure()
    for state, color in COLORS.items():
        bars = [(row, slot) for row, slot in zip(rows, slots, strict=True)
                if row.trial.state == state]  # fmt: skip
        spans = [snapshot.span(row.trial) for row, _ in bars]
        if bars:
            figure.add_bar(
                x=[(end - start).total_seconds() * 1000 for start, end in spans],
                base=[start.isoformat() for start, _ in spans],
                y=[f"slot {slot}" for _, slot in bars],
                hovertext=[f"trial {row.trial.number}, {row.epochs} epochs" for row, _ in bars],
                hoverinfo="text+name", orientation="h", name=state.name,
                marker={"color": color, "line": {"color": "white", "width": gap(len(rows))}},
            )  # fmt: skip
    order = [f"slot {slot}" for slot in range(max(slots) + 1)]
    return figure.update_layout(
        barmode="overlay",
        showlegend=True,
        xaxis={"type": "date"},
        yaxis={"categoryorder": "array", "categoryarray": order[::-1]},
        height=180 + 40 * len(order),
    )


def gap(bars: int) -> int:
    """Width of the line around each of so many bars: of many, lines would be all that is seen."""
    return 1 if bars <= 200 else 0


PLOTS: tuple[tuple[str, str, Callable[[Snapshot], "go.Figure | str"]], ...] = (
    ("Optimization history", "The value of every complete trial, and the best so far.", _history),
    (
        "Values by epoch",
        "What trials reported; a cross is where one was pruned. Click a state to hide it.",
        _curves,
    ),
    (
        "Parameter importances",
        "How much each key has to do with being among the best tenth (PED-ANOVA). "
        "With few trials it is a guess.",
        _importances,
    ),
    (
        "Parallel coordinates",
        f"A line is a complete trial; of many, the best {LINES} are shown.",
        _parallel,
    ),
    ("Slices", "The value of every complete trial beside each of its settings.", _slices),
    (
        "Timeline",
        "What ran when; a row is a slot, that is, a worker. A trial taken up again counts from "
        "its first start.",
        _timeline,
    ),
)
