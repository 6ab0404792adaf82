import math
from collections.abc import Sequence
from typing import Literal

import plotly.graph_objects as go
import pytest

from rnnexp.good_values import edge_of
from rnnexp.objective import Objective
from rnnexp.report.axes import clip
from rnnexp.report.plots import plots_of
from rnnexp.report.snapshot import snapshot_of
from tests.helpers.trials import LR, UNITS, study_of, trial

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("values", "edge"),
    [
        ([], None),
        ([0.1, 0.2, 0.3, 9.0], None),  # too few to tell what is usual
        ([0.1, 0.2, 0.3, 0.4, 0.5], None),
        ([0.1, 0.2, 0.3, 0.4, 9.0], 0.9),  # 0.1 + 4 * (0.3 - 0.1)
        ([0.1, 0.2, 0.3, NAN, INF, 0.4, 9.0], 0.9),
        ([0.1, 0.1, 0.1, 0.2, 9.0], 0.5),  # half of them are equal
        ([0.1, 0.1, 0.1, 0.1, 9.0], None),
        ([0.5] * 9, None),
        ([-0.1, -0.2, -0.3, -0.4, 9.0], 0.4),
    ],
)
@pytest.mark.parametrize(("mode", "sign"), [("min", 1), ("max", -1)])
def test_the_edge(
    values: Sequence[float], edge: float | None, mode: Literal["min", "max"], sign: int
) -> None:
    found = edge_of([sign * value for value in values], Objective("value", mode))
    assert found == (None if edge is None else pytest.approx(sign * edge))


@pytest.mark.parametrize(
    ("mode", "sign", "symbol"), [("min", 1, "triangle-up"), ("max", -1, "triangle-down")]
)
def test_what_is_outside_is_marked_at_the_edge(
    mode: Literal["min", "max"], sign: int, symbol: str
) -> None:
    values = [sign * value for value in (0.1, 0.2, 0.3, 0.4, 9.0)]
    figure = go.Figure(go.Scatter(x=[*range(5), 5], y=[*values, None]))
    text = clip(figure, values, Objective("value", mode))
    assert text.startswith(f"1 of 5 values are worse than {sign * 0.9:g} ")
    line, marks = figure.data
    assert list(line.y) == [*values, None]  # a double click shows all of it
    assert (list(marks.x), list(marks.y)) == ([4], [pytest.approx(sign * 0.9)])
    assert (marks.text, marks.marker.symbol) == ((f"{sign * 9}",), symbol)
    low, high = sorted((sign * 0.1, sign * 0.9))
    bottom, top = figure.layout.yaxis.range
    assert low - 0.05 < bottom < low
    assert high < top < high + 0.05


def test_no_plot_of_a_study_is_flattened_by_a_trial_that_diverged() -> None:
    good = [
        trial(0.3 + n / 100, values=(0.5, 0.3 + n / 100), params={LR: 0.001 + n / 10**4, UNITS: 32})
        for n in range(9)
    ]
    diverged = trial(1e6, values=(2e6, 1e6), params={LR: 0.01, UNITS: 64})
    plots = {plot.title: plot for plot in plots_of(snapshot_of(study_of(*good, diverged)))}
    for title, marked in {
        "Optimization history": 1, "Values by epoch": 2, "Slices": 2,  # a slice for each key
    }.items():  # fmt: skip
        figure = plots[title].figure
        assert figure
        for axis in figure.select_yaxes():
            assert axis.range[1] < 2
        marks = [y for trace in figure.data if trace.marker.symbol == "triangle-up"
                 for y in trace.y]  # fmt: skip
        assert len(marks) == marked
        assert max(marks) < 2
        assert "double click" in plots[title].text
    parallel = plots["Parallel coordinates"]
    assert "1 that are worse than" in parallel.text
    assert parallel.figure
    shown = [
        trace.customdata[0][1] for trace in parallel.figure.data if trace.customdata is not None
    ]
    assert max(map(float, shown)) < 2
