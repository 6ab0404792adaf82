import io
import os
import pty
import re
import socket

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from rich.console import Console

from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.result import Result, State
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.stored_orders import give_order
from rnnexp.sweep.budget import Budget
from rnnexp.sweep.display import LiveDisplay, LogDisplay, can_redraw, draw
from rnnexp.sweep.loop_callbacks import Calls, ReadTrials

OBJECTIVE = Objective("value", "min")
BUDGET = Budget(Objectives(OBJECTIVE), n_trials=10)
UNITS = {"model.units": optuna.distributions.IntDistribution(1, 99)}


@pytest.fixture
def study() -> optuna.Study:
    """Two complete, one pruned, one failed, two running: one before its first epoch."""
    study = optuna.create_study()
    ends = [
        (TrialState.COMPLETE, 0.5, {0: 0.6, 1: 0.5}),
        (TrialState.COMPLETE, 0.4, {0: 0.4}),
        (TrialState.PRUNED, 0.9, {0: 0.9}),
        (TrialState.FAIL, None, {}),
        (TrialState.RUNNING, None, {0: 0.7, 3: 0.3}),
        (TrialState.RUNNING, None, {}),
    ]
    for number, (state, value, values) in enumerate(ends):
        attributes = {}
        if state.is_finished():
            attributes = {TrialAttrs.RESULT: Result(State[state.name], value, 7).to_json()}
        study.add_trial(
            create_trial(
                state=state, value=value, intermediate_values=values, distributions=UNITS,
                params={"model.units": 10 + number}, user_attrs=attributes,
            )
        )  # fmt: skip
    return study


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table(study: optuna.Study) -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(draw(EndedTrials(study), BUDGET, seconds=100.0))
    head, _, best, *running = text_of(console).splitlines()
    for text in ("4 of 10", "2 complete", "1 pruned", "1 failed", "1:40, about 1:40 left"):
        assert text in head
    assert best.split() == ["best", "1", "7", "0.4000", "units=11"]
    assert [line.split() for line in running] == [
        ["running", "4", "3", "0.3000", "units=14"],
        ["running", "5", "units=15"],
    ]


@pytest.mark.parametrize(
    ("running", "shown"),
    [
        ([socket.gethostname(), None], []),
        ([socket.gethostname(), "gpu7.cluster.org"], [socket.gethostname().split(".")[0], "gpu7"]),
    ],
)
def test_hosts_are_shown_where_there_are_several(
    study: optuna.Study, running: list[str | None], shown: list[str]
) -> None:
    for trial, host in zip(study.trials[4:], running, strict=True):
        if host:
            study._storage.set_trial_user_attr(trial._trial_id, TrialAttrs.HOST, host)
    console = Console(file=io.StringIO(), width=120)
    console.print(draw(EndedTrials(study), BUDGET, seconds=100.0))
    _, titles, _, *rows = text_of(console).splitlines()
    assert titles.split() == ["trial", "epoch", "value", *(["host"] if shown else []), "params"]
    assert [line.split()[-2] for line in rows] == (shown or ["0.3000", "5"])


@pytest.fixture
def pausing(study: optuna.Study) -> optuna.Study:
    """The same, with one that is paused and the best, and one that has gone on after a pause."""
    slices = [["2026-01-01T12:00:00", "2026-01-01T12:00:09"]]
    result = Result(State.PAUSED, 0.2, 5, "weak", 9.0)
    for number, stored in ((6, result.to_json()), (7, None)):
        attributes = {TrialAttrs.SLICES: slices, TrialAttrs.PAUSED: stored}
        study.add_trial(
            create_trial(
                state=TrialState.RUNNING, intermediate_values={5: 0.2, 6: 0.8},
                user_attrs=attributes, distributions=UNITS, params={"model.units": 10 + number},
            )
        )  # fmt: skip
    return study


def test_a_trial_was_tried_when_it_was_paused_once(pausing: optuna.Study) -> None:
    console = Console(file=io.StringIO(), width=120)
    budget = Budget(Objectives(OBJECTIVE), n_trials=10)
    console.print(draw(EndedTrials(pausing), budget, seconds=100.0))
    head, _, best, *running = text_of(console).splitlines()
    for text in ("6 of 10 trials", "2 complete", "1 pruned", "1 failed", "1 paused"):
        assert text in head
    assert head.endswith("1:40")  # for how long paused trials will go on is not known
    assert best.split() == ["best,", "paused", "6", "5", "0.2000", "units=16"]
    assert [line.split()[:4] for line in running] == [
        ["running", "4", "3", "0.3000"], ["running", "5", "units=15"],
        ["resumed", "7", "6", "0.8000"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("reported", "best"), [(0.3, "0.2000, trial 6, paused"), (0.1, "0.1000, trial 7, running")]
)
def test_the_best_trial_may_be_paused_or_go_on(
    pausing: optuna.Study, caplog: pytest.LogCaptureFixture, reported: float, best: str
) -> None:
    pausing._storage.set_trial_intermediate_value(pausing.trials[7]._trial_id, 7, reported)
    with caplog.at_level("INFO"):
        LogDisplay(EndedTrials(pausing), BUDGET).on_trial_end(
            6, Result(State.PAUSED, 0.2, 5, "weak")
        )
    assert caplog.messages == [f"trial 6 PAUSED: weak (best: {best}); 6 of 10 tried"]


def test_what_a_user_has_ordered_is_shown(study: optuna.Study) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=120)
    live = LiveDisplay(EndedTrials(study), BUDGET, console)
    give_order(study, "trials=40", None, by="rnnexp budget", who="ann@laptop")
    give_order(study, "pause", None, by="rnnexp pause", who="ann@laptop")
    live.on_start()
    live.on_end()
    assert "4 of 40 trials" in text_of(console)
    assert "the study was paused by rnnexp pause (ann@laptop, " in text_of(console)


def test_with_paused_trials_the_time_left_is_that_of_the_timeout(pausing: optuna.Study) -> None:
    console = Console(file=io.StringIO(), width=120)
    budget = Budget(Objectives(OBJECTIVE), n_trials=10, timeout=400.0)
    console.print(draw(EndedTrials(pausing), budget, seconds=100.0))
    assert "1:40, about 5:00 left" in text_of(console)


def test_params_with_brackets() -> None:
    study = optuna.create_study()
    choices = optuna.distributions.CategoricalDistribution(["[red]", "[a,b]"])
    study.add_trial(create_trial(value=1.0, params={"c": "[red]"}, distributions={"c": choices}))
    console = Console(file=io.StringIO(), width=120)
    console.print(draw(EndedTrials(study), BUDGET, seconds=1.0))
    assert "c=[red]" in text_of(console)


def test_before_anything_has_ended() -> None:
    console = Console(file=io.StringIO(), width=120)
    budget = Budget(Objectives(OBJECTIVE), timeout=60.0)
    console.print(draw(EndedTrials(optuna.create_study()), budget, seconds=1.0))
    assert "0 trials" in text_of(console)
    assert "0:01, about 0:59 left" in text_of(console)


def test_it_follows_the_study(study: optuna.Study) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    display = LiveDisplay(EndedTrials(study), BUDGET, console)
    display.on_start()
    study.tell(4, 0.1)
    display.on_trial_end(4, Result(State.COMPLETE, 0.1))
    display.on_end()
    assert "5 of 10" in text_of(console)
    best = [line for line in text_of(console).splitlines() if "best" in line]
    assert "units=11" in best[0]
    assert "units=14" in best[-1]


def test_a_line_for_each_trial(study: optuna.Study, caplog: pytest.LogCaptureFixture) -> None:
    read = ReadTrials(EndedTrials(study))
    calls = Calls([read, LogDisplay(read.trials, BUDGET)])
    calls.note(0, Result(State.COMPLETE, 0.5, 7))
    with caplog.at_level("INFO"):
        calls.tell_of_ends()
    assert caplog.messages == [
        "trial 0 COMPLETE: 0.5000 at epoch 7 (best: 0.4000, trial 1); 4 of 10 tried"
    ]
    study.add_trial(create_trial(state=TrialState.FAIL))
    caplog.clear()
    with caplog.at_level("INFO"):
        calls.note(6, Result(State.FAIL, reason="no"))
        calls.tell_of_ends()
    (line,) = caplog.messages
    assert re.fullmatch(r"trial 6 FAIL: no \(best: .*\); 5 of 10 tried, about \d+:\d\d left", line)


def test_lines_follow_an_ordered_number_of_trials(
    study: optuna.Study, caplog: pytest.LogCaptureFixture
) -> None:
    display = LogDisplay(EndedTrials(study), BUDGET)
    give_order(study, "trials=30", None, by="rnnexp budget", who="ann@laptop")
    with caplog.at_level("INFO"):
        display.on_trial_end(0, Result(State.COMPLETE, 0.5, 7))
    assert caplog.messages[0].endswith("; 4 of 30 tried")


@pytest.mark.parametrize(
    ("is_terminal", "environ", "redraws"),
    [
        (True, {}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {"JPY_PARENT_PID": "7", "TERM": "xterm-color", "FORCE_COLOR": "1"}, False),
        (False, {}, False),
        (False, {"FORCE_COLOR": "1"}, False),  # as a kernel's children have
    ],
)
def test_where_lines_are_drawn_again(
    is_terminal: bool, environ: dict[str, str], redraws: bool
) -> None:
    reader, writer = pty.openpty() if is_terminal else os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader):
        console = Console(file=stream, _environ={"TERM": "xterm", **environ})
        assert can_redraw(console, environ) == redraws
