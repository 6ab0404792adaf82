from random import Random

import optuna
import pytest
from optuna.trial import TrialState

from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.optuna_store import ranked


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
    assert trials.ranked == at_once.ranked == ranked(study.trials, trials.objective)
    assert trials.best == trials.ranked[0]
    assert trials.counts == at_once.counts
    assert sum(trials.counts.values()) == len(trials.results) == 60 - len(running)
    assert sorted(trials.others, key=lambda t: t.number) == at_once.others
    in_order = sorted(
        (t for t in study.trials if t.state.is_finished()), key=lambda t: t.datetime_complete
    )  # type: ignore[arg-type, return-value]
    assert [result.value for result in trials.results] == [trial.value for trial in in_order]
