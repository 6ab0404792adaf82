import re
import shlex
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from rnnexp.constraints import Constraint
from rnnexp.errors import SweepError
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.result import State
from rnnexp.sweep.outcome import BestTrial, FrontTrial, SweepOutcome
from rnnexp.sweep.summary import print_summary
from tests.helpers.commands import Command

BEST = BestTrial(
    number=3,
    value=0.25,
    epoch=2,
    params={"callbacks": "[early_stopping,csv_logger]", "data.text": "'[리뷰]'", "x": "[/b]\\"},
    overrides=["callbacks=[early_stopping,csv_logger]", "data.text='[리뷰]'"],
    run_id="1a",
)
OUTCOME = SweepOutcome(
    study="[red] s",
    counts=dict.fromkeys(State, 0) | {State.COMPLETE: 4},
    best=BEST,
    stopped="all 4 trials have run (n_trials=4)",
    browse="mlflow ui",
    storage="sqlite:///optuna.db",
    scores={"[red]": 0.5},
    published=[("[b]Use the model:", "use [it]")],
    findings=["Search [x] above 1, `now`."],
    n_trials=4,
)


def printed(
    outcome: SweepOutcome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    given = ["-m", "callbacks=choice([a],[a,b])", "hydra.sweeper.n_trials=4"]
    monkeypatch.setattr(sys, "argv", ["sweep.py", *given])
    monkeypatch.setenv("COLUMNS", "100")
    print_summary(outcome)
    return capsys.readouterr().out


def test_texts_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = printed(OUTCOME, capsys, monkeypatch)
    for text in (
        "Study [red] s: 4 complete", "│ [early_stopping,csv_logger]", "│ '[리뷰]'", "│ [/b]\\",
        "test [red]", "[b]Use the model:\n  use [it]", "Search [x] above 1, now.",
    ):  # fmt: skip
        assert text in out


def test_its_commands_can_be_typed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(OUTCOME, capsys, monkeypatch).splitlines()
    after = {line: following.strip() for line, following in pairwise(lines)}
    train = after["Train with the best params again:"]
    assert shlex.split(train) == ["python", "sweep.py", *BEST.overrides]
    assert shlex.split(after["Go on with this study, up to 8 trials:"]) == [
        "python", "sweep.py", "-m", "callbacks=choice([a],[a,b])",
        "hydra.sweeper.resume='[red] s'", "hydra.sweeper.n_trials=8",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"error": KeyboardInterrupt()}, "Resume the study:"),
        ({"n_trials": 9}, None),  # the space was exhausted before
        ({"n_trials": None}, None),
        ({}, "Go on with this study, up to 8 trials:"),
    ],
)
def test_how_to_go_on(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    line: str | None,
) -> None:
    out = printed(replace(OUTCOME, **change), capsys, monkeypatch)
    found = [text for text in out.splitlines() if text.startswith(("Resume", "Go on"))]
    assert found == ([line] if line else [])


@pytest.mark.slow
def test_a_finished_study_goes_on_with_the_printed_command(app: Command, tmp_path: Path) -> None:
    name = "hydra.sweeper.study_name='a [b] 1'"
    first = app("-m", name, "hydra.sweeper.n_trials=2", path=tmp_path)
    assert first.code == 0, first.err
    lines = first.out.splitlines()
    command = lines[lines.index("Go on with this study, up to 4 trials:") + 1]
    python, script, *arguments = shlex.split(command)
    assert (python, Path(script).name) == ("python", "app.py")
    second = app(*arguments, path=tmp_path)
    assert second.code == 0, second.err
    assert len(second.study("a [b] 1").trials) == 4


@pytest.mark.parametrize(
    ("launcher", "n_jobs", "is_told"),
    [("in_process", 2, True), ("basic", 2, True), ("in_process", 1, False)],
)
def test_fewer_jobs_at_once_than_were_asked_for(
    app: Command, launcher: str, n_jobs: int, is_told: bool
) -> None:
    ended = app(
        "-m", f"hydra/launcher={launcher}", f"hydra.sweeper.n_jobs={n_jobs}",
        "hydra.sweeper.n_trials=1",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    message = (
        f"hydra.sweeper.n_jobs={n_jobs}, but the launcher runs 1 trial at a time; choose "
        "hydra/launcher=workers"
    )
    assert (message in ended.out) is is_told


def test_the_front_and_the_rule_of_the_winner(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    objectives = Objectives(Objective("loss", "min"), (Objective("size", "min"),))
    front = [
        FrontTrial(n, [0.25 + n / 100, 4000.0 - n], {"model.units": str(n), "same": "1"})
        for n in range(14)
    ]
    several = replace(OUTCOME, front=front, objectives=objectives)
    out = printed(several, capsys, monkeypatch)
    assert re.search(r"trial ┃ +loss ┃ size ┃ units", out)
    assert re.search(r" 0 │ 0.2500 │ 4000 │ 0 ", out)
    assert re.search(r" 11 │", out) and not re.search(r" 12 │", out)
    assert "and 2 more, in the report" in out
    assert "whose loss is within 1 % of the best, the one with the least size wins." in out


def test_a_front_whose_trials_have_other_params(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A param that depends on another one may be missing in the winner."""
    objectives = Objectives(Objective("[red]", "min"), (Objective("size", "max"),))
    front = [
        FrontTrial(3, [0.25, 9.0], {"model": "gru", "x": "1"}),
        FrontTrial(1, [0.2, 8.0], {"model": "lstm", "lstm.dropout": "[0.5]", "x": "1"}),
    ]
    out = printed(replace(OUTCOME, front=front, objectives=objectives), capsys, monkeypatch)
    table = out.partition("Pareto front")[2]
    cells = [re.split(" *[│┃] *", line.strip()) for line in table.splitlines()]
    found = [row[1:-1] for row in cells if len(row) == 7]
    assert found == [
        ["trial", "[red]", "size", "model", "dropout"],
        ["3", "0.2500", "9.0000", "gru", ""],
        ["1", "0.2000", "8.0000", "lstm", "[0.5]"],
    ]
    assert "in the report" not in table


def test_constraints_alone_have_no_front(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    constrained = Objectives(Objective("loss", "min"), (), (Constraint.parse("size < 3"),))
    best = replace(BEST, measures={"[size]": 12.0, "seconds": 2.5})
    out = printed(replace(OUTCOME, best=best, objectives=constrained), capsys, monkeypatch)
    assert re.search(r"\[size\] +│ 12 ", out)
    assert re.search(r"seconds +│ 2.5 ", out)
    assert "Pareto" not in out


def test_no_complete_trial_meets_the_constraints() -> None:
    constrained = Objectives(Objective("loss", "min"), (), (Constraint.parse("size < 3"),))
    outcome = replace(OUTCOME, best=None, objectives=constrained)
    with pytest.raises(SweepError, match="no complete trial meets the constraints: min loss, wh"):
        outcome.raise_error()
    plain = replace(outcome, objectives=Objectives(Objective("loss", "min")))
    for none in (plain, replace(outcome, counts=dict.fromkeys(State, 0))):
        with pytest.raises(SweepError, match="no trial is complete"):
            none.raise_error()
        replace(none, is_shared=True).raise_error()  # another sweep tells the best trial
