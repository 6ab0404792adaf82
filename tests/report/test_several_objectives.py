"""A report of a study with several objectives: the plot of the front, the texts, the marks."""

from collections.abc import Sequence
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from rnnexp.constraints import Constraint
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.report import pages
from rnnexp.report.next_steps import next_steps
from rnnexp.report.pareto_plot import plot_front
from rnnexp.report.plots import plots_of
from rnnexp.report.snapshot import Snapshot, snapshot_of
from rnnexp.result import Result, State
from rnnexp.storage.schema import StudyAttrs, TrialAttrs
from tests.helpers.trials import at
from tests.report.test_report import table_under

LOSS, SIZE, AUC = (Objective.parse(text) for text in ("min loss", "min size", "max auc"))
TRIALS = [(0.30, 100.0), (0.31, 50.0), (0.302, 90.0), (0.4, 400.0), (0.1, 9000.0)]


def snapshot(
    trials: Sequence[tuple[float, ...]] = TRIALS,
    *others: Objective,
    first: Objective = LOSS,
    constraints: Sequence[str] = ("size < 5000",),
) -> Snapshot:
    """Return a study of complete trials, and of one that was pruned before it was trained."""
    objectives = Objectives(first, others or (SIZE,), tuple(map(Constraint.parse, constraints)))
    study = optuna.create_study(directions=[each.direction for each in objectives.all])
    study.set_user_attr(StudyAttrs.OBJECTIVE, str(first))
    study.set_user_attr(StudyAttrs.OBJECTIVES, objectives.to_json())
    for values in trials:
        names = [each.monitor for each in objectives.all][1:]
        measures = dict(zip(names, values[1:], strict=True))
        result = Result(State.COMPLETE, values[0], 0, measures=measures)
        study.add_trial(
            create_trial(values=values, user_attrs={TrialAttrs.RESULT: result.to_json()})
        )
    broken = Result(State.PRUNED, reason="not trained", measures={"size": 8000.0})
    study.add_trial(
        create_trial(state=TrialState.PRUNED, user_attrs={TrialAttrs.RESULT: broken.to_json()})
    )
    for trial in study.get_trials(deepcopy=False):
        trial.datetime_start, trial.datetime_complete = at(0), at(1)
    return snapshot_of(study)


def test_the_front_is_drawn_with_its_edge() -> None:
    drawn = plot_front(snapshot())
    assert not isinstance(drawn, str)
    figure, _ = drawn
    found = {trace.name: sorted(zip(trace.x, trace.y, strict=True)) for trace in figure.data}
    assert found["best"] == [(90.0, 0.302)]  # within 1 % of the best
    assert found["front"] == [(50.0, 0.31), (100.0, 0.3)]
    assert found["complete"] == [(400.0, 0.4)]
    assert found["breaks a constraint"] == [(9000.0, 0.1)]
    (edge,) = [trace for trace in figure.data if trace.mode == "lines"]
    assert list(edge.x) == [50.0, 90.0, 100.0]
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.xaxis.title.text == "size"
    (text,) = next(trace.text for trace in figure.data if trace.name == "best")
    assert text == "trial 2: loss 0.302, size 90"


def test_a_plot_for_each_further_objective() -> None:
    trials = [(0.3, 100.0, 0.8), (0.4, 110.0, 0.9)]
    drawn = plot_front(snapshot(trials, SIZE, AUC))
    assert not isinstance(drawn, str)
    figure, _ = drawn
    assert [axis.title.text for axis in (figure.layout.xaxis, figure.layout.xaxis2)] == [
        "size", "auc",
    ]  # fmt: skip
    assert figure.layout.xaxis.type == "linear"
    assert not [trace for trace in figure.data if trace.mode == "lines"]  # it is a surface


def test_without_a_feasible_trial_there_is_no_plot() -> None:
    plots = plots_of(snapshot([(0.1, 9000.0)]))
    assert plots[0].title == "Pareto front"
    assert plots[0].text.startswith("Left out: no complete trial has a value of each objective")
    assert plots[0].figure is None


@pytest.mark.parametrize(
    "expected",
    [
        "Of the trials on the Pareto front that meet size &lt; 5000 whose loss is within 1 % of "
        "the best, the one with the least size wins.",
        "On the front: trial 0, trial 1 and trial 2.",
        "loss 0.302, size 90",
        "<td>COMPLETE, best</td>",
        "<td>COMPLETE, on the front</td>",
        "<td>COMPLETE, breaks a constraint</td>",
        "<td>PRUNED, breaks a constraint</td>",
        "<th>size</th>",
    ],
)
def test_the_page(expected: str) -> None:
    study = snapshot()
    assert expected in pages.html(study, plots_of(study))


def test_the_note() -> None:
    note = pages.note(snapshot())
    assert "Searched to minimize loss and minimize size where size < 5000" in note
    assert "On the front: trial 0, trial 1 and trial 2." in note


def test_no_margin_over_the_runner_up_is_told() -> None:
    """The runner-up may be better by the first objective."""
    assert not [text for text in next_steps(snapshot()) if "runner-up" in text]


def test_complete_trials_that_all_break_a_constraint() -> None:
    study = snapshot(constraints=("size < 10", "loss < 9"))
    note = pages.note(study)
    assert "minimize size where size < 10 and loss < 9: " in note
    assert "No complete trial meets the constraints yet." in note
    assert note.count("On the front: none.") == 1
    page = pages.html(study, plots_of(study))
    assert "<p>No complete trial meets the constraints yet.</p>" in page
    assert page.count("breaks a constraint</td>") == 6


def test_a_page_of_constraints_alone_has_their_rule_and_no_front() -> None:
    one = Objectives(LOSS, (), (Constraint.parse("size < 60"),))
    study = replace(snapshot(), objectives=one)
    assert "Pareto front" not in [plot.title for plot in plots_of(study)]
    page = pages.html(study, ())
    assert "<p>The best trial that meets size &lt; 60 has the least loss.</p>" in page
    assert "the front" not in page
    head, *rows = table_under("Trials", page)
    assert [row[head.index("state")] for row in rows] == [
        "COMPLETE, breaks a constraint", "COMPLETE, best", *["COMPLETE, breaks a constraint"] * 3,
        "PRUNED, breaks a constraint",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("others", "constraints", "cells"),
    [
        ((SIZE,), (), {"size": "9000"}),
        ((SIZE,), ("loss < 1", "size < 9"), {"size": "9000"}),
        ((SIZE, AUC), ("cost < 3",), {"size": "9000", "auc": "0.5", "cost": ""}),
        ((SIZE,), ("seconds < 3",), {"size": "9000"}),  # seconds have a column anyway
    ],
)
def test_the_columns_of_what_is_measured(
    others: tuple[Objective, ...], constraints: tuple[str, ...], cells: dict[str, str]
) -> None:
    values = (0.1, 9000.0, 0.5)[: 1 + len(others)]
    study = snapshot([values], *others, constraints=constraints)
    head, row, _ = table_under("Trials", pages.html(study, ()))
    assert head == [
        "trial", "state", "best loss", *cells, "best epoch", "epochs", "seconds", "run", "reason",
    ]  # fmt: skip
    assert cells.items() <= dict(zip(head, row, strict=True)).items()
