"""The same at a glance: one picture, for where nothing interactive can be shown."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.trial import FrozenTrial, TrialState

from rnnexp.report.plots import BEST, COLORS, NONE_COMPLETE, gap
from rnnexp.report.snapshot import Snapshot, lanes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_overview(snapshot: Snapshot, file: Path) -> None:
    """Draw history, curves, importances and timeline on one PNG.

    Args:
        snapshot: The study.
        file: The picture, which is replaced.
    """
    # Without pyplot, whose state is the whole process's: a report is made in a thread.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 2).flat
    for ax, (title, draw) in zip(axes, PANELS, strict=True):
        ax.set_title(title, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        if missing := draw(ax, snapshot):
            ax.set_axis_off()
            ax.text(0, 0.9, f"Left out: {missing}.", color="gray", transform=ax.transAxes)
    figure.savefig(file, dpi=90, format="png")


def _history(ax: "Axes", snapshot: Snapshot) -> str:
    if not snapshot.complete:
        return NONE_COMPLETE
    numbers = [trial.number for trial in snapshot.complete]
    values = [trial.value or 0.0 for trial in snapshot.complete]
    best = min if snapshot.sign > 0 else max
    so_far = [best(values[: n + 1]) for n in range(len(values))]
    ax.scatter(numbers, values, s=14, color=COLORS[TrialState.COMPLETE])
    ax.step(numbers, so_far, where="post", color=BEST)
    ax.set(xlabel="trial", ylabel=plain(snapshot.monitor))
    return ""


def _curves(ax: "Axes", snapshot: Snapshot) -> str:
    trials = [trial for trial in snapshot.trials if trial.intermediate_values]
    if not trials:
        return "no trial has reported a value yet"
    from matplotlib.collections import LineCollection

    for state, color in COLORS.items():
        lines = [_curve(trial) for trial in trials if trial.state == state]
        ax.add_collection(LineCollection(lines, colors=color, linewidths=0.8, alpha=0.5))
        if state == TrialState.PRUNED and lines:
            ax.plot(*zip(*(line[-1] for line in lines), strict=True), "x", color=color)
    if (best := snapshot.best) and best.intermediate_values:
        ax.plot(*zip(*_curve(best), strict=True), color=BEST, linewidth=2, zorder=3)
    ax.autoscale()
    ax.set(xlabel="epoch", ylabel=plain(snapshot.monitor))
    return ""


def _curve(trial: FrozenTrial) -> list[tuple[int, float]]:
    return sorted(trial.intermediate_values.items())


def _importances(ax: "Axes", snapshot: Snapshot) -> str:
    found = snapshot.importances
    if isinstance(found, str):
        return found
    keys, shares = list(found)[::-1], list(found.values())[::-1]
    bars = ax.barh([plain(key) for key in keys], shares, color=COLORS[TrialState.COMPLETE])
    ax.bar_label(bars, fmt="%.2f", padding=3)
    ax.margins(x=0.12)
    return ""


def _timeline(ax: "Axes", snapshot: Snapshot) -> str:
    rows = snapshot.rows
    if not rows:
        return "no trial has begun yet"
    spans = [snapshot.span(row.trial) for row in rows]
    slots, began = lanes(spans), min(start for start, _ in spans)
    bars: dict[tuple[TrialState, int], list[tuple[float, float]]] = {}
    for row, slot, (start, end) in zip(rows, slots, spans, strict=True):
        bar = ((start - began).total_seconds(), (end - start).total_seconds())
        bars.setdefault((row.trial.state, slot), []).append(bar)
    width = gap(len(rows)) / 2
    for (state, slot), ranges in bars.items():
        place = (slot - 0.4, 0.8)
        color = COLORS[state]
        ax.broken_barh(ranges, place, facecolor=color, edgecolor="white", linewidth=width)
    for state in dict.fromkeys(state for state, _ in bars):
        ax.plot([], [], "s", color=COLORS[state], label=state.name)  # for the legend
    ax.set(xlabel="seconds", ylabel="slot", yticks=range(max(slots) + 1))
    ax.invert_yaxis()
    ax.figure.legend(loc="outside upper right", ncols=len(COLORS), frameon=False)
    return ""


def plain(label: str) -> str:
    """A label as Matplotlib's own font can draw it, and without formulas."""
    return label.encode("ascii", "replace").decode().replace("$", r"\$")


PANELS: tuple[tuple[str, Callable[["Axes", Snapshot], str]], ...] = (
    ("Optimization history", _history),
    ("Values by epoch (x: pruned)", _curves),
    ("Parameter importances", _importances),
    ("Timeline", _timeline),
)
