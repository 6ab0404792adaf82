"""The plot of the Pareto front, by its traces and axes."""

from collections.abc import Sequence
from dataclasses import replace

import plotly.graph_objects as go
import pytest
from optuna.trial import TrialState, create_trial

from rnnexp.objective import Objective
from rnnexp.report.pareto_plot import BEST, BROKEN, DOMINATED, FRONT, plot_front
from rnnexp.report.snapshot import Snapshot
from rnnexp.result import Result, State
from rnnexp.storage.schema import TrialAttrs
from tests.helpers.trials import at
from tests.report.test_several_objectives import AUC, SIZE, snapshot


def drawn(study: Snapshot) -> go.Figure:
    found = plot_front(study)
    assert not isinstance(found, str), found
    return found[0]


def with_trial(study: Snapshot, state: State, **values: float) -> Snapshot:
    """Add a trial that is not complete, with what was measured of it."""
    measures = {name: value for name, value in values.items() if name != "loss"}
    result = Result(state, values.get("loss"), 0, measures=measures).to_json()
    is_paused = state == State.PAUSED
    trial = create_trial(
        state=TrialState.RUNNING if is_paused else TrialState[state],
        user_attrs={TrialAttrs.PAUSED if is_paused else TrialAttrs.RESULT: result},
    )
    trial.number, trial.datetime_start = len(study.trials), at(0)
    return replace(study, trials=[*study.trials, trial])


def test_groups_in_the_legend_with_their_trials() -> None:
    study = snapshot()
    study = with_trial(study, State.PRUNED, loss=0.5, size=70.0)
    study = with_trial(study, State.PAUSED, loss=0.05, size=60.0)
    study = with_trial(study, State.PRUNED, loss=0.5, size=7000.0)
    study = with_trial(study, State.PRUNED, loss=0.5)  # before its size was measured
    study = with_trial(study, State.FAIL)
    groups = {
        trace.name: (trace.marker.color, [text.partition(":")[0] for text in trace.text])
        for trace in drawn(study).data
        if trace.mode == "markers"
    }
    assert groups == {
        "complete": (DOMINATED, ["trial 3"]),
        "pruned": (DOMINATED, ["trial 6"]),
        "paused": (DOMINATED, ["trial 7"]),
        "front": (FRONT, ["trial 0", "trial 1"]),
        "best": (BEST, ["trial 2"]),
        "breaks a constraint": (BROKEN, ["trial 4", "trial 8"]),
    }
    assert list(groups)[:3] == ["complete", "pruned", "paused"]  # below the others


@pytest.mark.parametrize(
    ("modes", "front", "shape"),
    [
        (("min", "min"), [(1.0, 0.5), (2.0, 0.3), (4.0, 0.1)], "hv"),
        (("max", "min"), [(1.0, 0.1), (2.0, 0.3), (4.0, 0.5)], "hv"),
        (("min", "max"), [(1.0, 0.1), (2.0, 0.3), (4.0, 0.5)], "vh"),
        (("max", "max"), [(1.0, 0.5), (2.0, 0.3), (4.0, 0.1)], "vh"),
    ],
)
def test_steps_are_the_edge_of_what_is_dominated(
    modes: tuple[str, str], front: list[tuple[float, float]], shape: str
) -> None:
    """With steps of the other shape, points of the edge would be better than the front."""
    first, other = (Objective.parse(f"{m} {n}") for m, n in zip(modes, ("f", "o"), strict=True))
    dominated = (9.0 if first.mode == "min" else 0.0, 9.0 if other.mode == "min" else 0.0)
    trials = [*((y, x) for x, y in front[::-1]), dominated]
    figure = drawn(snapshot(trials, other, first=first, constraints=()))
    (edge,) = [trace for trace in figure.data if trace.mode == "lines"]
    assert list(zip(edge.x, edge.y, strict=True)) == front
    assert edge.line.shape == shape


@pytest.mark.parametrize(
    ("sizes", "kind"),
    [
        ((10.0, 100.0), "linear"),
        ((10.0, 101.0), "log"),
        ((9000.0, 10.0), "log"),  # also with trials that are not on the front
        ((0.0, 100.0), "linear"),
        ((-1.0, 100.0), "linear"),
        ((5.0, 5.0), "linear"),
    ],
)
def test_a_wide_axis_is_a_log(sizes: Sequence[float], kind: str) -> None:
    figure = drawn(snapshot([(0.1 * size, size) for size in sizes]))
    assert figure.layout.xaxis.type == kind
    assert figure.layout.yaxis.title.text == "loss"


def test_a_row_for_each_further_objective_with_one_legend() -> None:
    figure = drawn(snapshot([(0.3, 10.0, 0.8), (0.4, 900.0, 0.9)], SIZE, AUC))
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]
    assert [trace.legendgroup for trace in figure.data] == ["best", "front"] * 2
    assert (figure.layout.xaxis.type, figure.layout.xaxis2.type) == ("log", "linear")
    assert {figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text} == {"loss"}
    assert figure.layout.height == 900
    assert set(figure.data[0].text) == {"trial 0: loss 0.3, size 10, auc 0.8"}


@pytest.mark.parametrize(
    ("trials", "constraints"),
    [([], []), ([], ["size < 5000"]), ([(0.1, 9000.0), (0.2, 5000.0)], ["size < 5000"])],
)
def test_why_there_is_no_plot_yet(
    trials: Sequence[tuple[float, float]], constraints: list[str]
) -> None:
    study = snapshot(trials, constraints=constraints)
    study = with_trial(study, State.PRUNED, loss=0.5, size=1.0)
    assert plot_front(study) == (
        "no complete trial has a value of each objective, and meets the constraints"
    )
