from datetime import datetime, timedelta
from random import Random
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from rnnexp.result import Result, State
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.optuna_store import ranked
from rnnexp.storage.schema import TrialAttrs


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_read_step_by_step_as_at_once(direction: str) -> None:
    study = optuna.create_study(direction=direction)
    random = Random(0)  # noqa: S311
    trials, running = EndedTrials(study), set[int]()
    for _ in range(60):
        running.add(study.ask().number)
        if random.random() < 0.8:
            number = random.choice(sorted(running))
            running.remove(number)
            state = random.choice([TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
            is_complete = state == TrialState.COMPLETE
            value = random.choice([0.1, 0.2, 0.3, float("inf")]) if is_complete else None
            study.tell(number, value, state=state)
        if random.random() < 0.5:
            trials.read()
    at_once = EndedTrials(study)
    trials.read()
    assert {trial.number for trial in trials.running} == running
    assert trials.ranked == at_once.ranked == ranked(study.trials, trials.objectives)
    assert trials.best == trials.ranked[0]
    assert trials.counts == at_once.counts
    assert sum(trials.counts.values()) == len(trials.results) == 60 - len(running)
    assert sorted(trials.others, key=lambda t: t.number) == at_once.others
    in_order = sorted(
        (t for t in study.trials if t.state.is_finished()), key=lambda t: t.datetime_complete
    )  # type: ignore[arg-type, return-value]
    assert [result.value for result in trials.results] == [trial.value for trial in in_order]


def result(state: State, seconds: float | None) -> dict[str, Any]:
    value = None if state == State.FAIL else 0.5
    return Result(state, value, seconds=seconds).to_json()


SLICES = [
    ["2026-01-01T12:00:00", "2026-01-01T12:30:00"], ["2026-01-01T18:00:00", "2026-01-01T19:00:00"],
]  # fmt: skip
CORES = {TrialAttrs.CORES: 2}
ENDED = CORES | {TrialAttrs.RESULT: result(State.COMPLETE, 3600)}
DIED = CORES | {TrialAttrs.RESULT: result(State.FAIL, None)}
PAUSED = CORES | {TrialAttrs.PAUSED: result(State.PAUSED, 1800), TrialAttrs.SLICES: SLICES}


@pytest.mark.parametrize(
    ("state", "attrs", "hours"),
    [
        (TrialState.COMPLETE, ENDED, 2.0),
        (TrialState.FAIL, DIED, 6.0),  # by its start and end
        (TrialState.RUNNING, CORES, 0.0),  # for the first time
        (TrialState.RUNNING, {}, 0.0),
        (TrialState.RUNNING, PAUSED, 1.0),
        (TrialState.RUNNING, PAUSED | {TrialAttrs.PAUSED: None}, 3.0),  # goes on after a pause
    ],
)
def test_core_hours(state: TrialState, attrs: dict[str, Any], hours: float) -> None:
    study = optuna.create_study()
    trials = EndedTrials(study)
    value = 0.5 if state == TrialState.COMPLETE else None
    trial = create_trial(state=state, value=value, user_attrs=attrs)
    trial.datetime_start = datetime(2026, 1, 1, 12)
    if state.is_finished():
        trial.datetime_complete = trial.datetime_start + timedelta(hours=3)
    study.add_trial(trial)
    assert trials.read().core_hours == pytest.approx(hours)
    if not state.is_finished():
        return
    again = CORES | {TrialAttrs.REOPENS: [0], TrialAttrs.PAUSED: result(State.PAUSED, 1800)}
    study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs=again))
    assert trials.read().core_hours == pytest.approx(1.0)  # the other is left out


def test_several_objectives_step_by_step_as_at_once() -> None:
    study = optuna.create_study(directions=["minimize", "minimize"])
    trials = EndedTrials(study)
    for values in ((0.5, 9.0), (0.6, 5.0), (0.4, 20.0), (0.6, 6.0)):
        study.add_trial(optuna.trial.create_trial(values=values))
        assert trials.read().ranked == EndedTrials(study).ranked
    assert [trial.number for trial in trials.ranked] == [2, 0, 1, 3]
    assert [trial.number for trial in trials.front] == [2, 0, 1]
    assert trials.best_value == 0.4
    study.add_trial(optuna.trial.create_trial(values=(0.401, 5.0)))
    assert trials.read().best
    assert trials.best.number == 4  # within the tolerance, and smaller
    assert trials.best_value == 0.4
