import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from mlflow.tracking import MlflowClient

from rnnexp.execution.current_trial import (
    Standalone,
    StudyTrial,
    as_current,
    current_trial,
)
from rnnexp.execution.orders_to_trial import OrdersToTrial
from rnnexp.pausing import Pausing
from rnnexp.pruning import EarlyStoppingPruner
from rnnexp.storage.mlflow_tracker import Tracker
from rnnexp.storage.schema import TrialAttrs
from rnnexp.storage.stored_orders import give_order


@pytest.mark.parametrize("metric", ["value", "error"])
def test_a_retried_trial_writes_each_step_once(tmp_path: Path, metric: str) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    study = optuna.create_study()
    trial = study.ask()
    with Tracker(uri, "test").run("a", tags={}, params={}) as run:
        first = StudyTrial(trial, run)
        first.report(0.5, 0, metric)
        first.report(0.4, 1, metric)
        trial.set_user_attr(TrialAttrs.ATTEMPT, 1)
        retried = StudyTrial(trial, run)
        for step, value in enumerate([0.5, 0.4, 0.3]):
            retried.report(value, step, metric)
        assert run.epochs == 3
    history = MlflowClient(uri).get_metric_history(run.id, metric)
    assert [(entry.step, entry.value) for entry in history] == [(0, 0.5), (1, 0.4), (2, 0.3)]
    assert study.trials[0].intermediate_values == {0: 0.5, 1: 0.4, 2: 0.3}


def test_the_seconds_of_an_epoch_are_those_between_reports() -> None:
    trial = StudyTrial(optuna.create_study().ask())
    time.sleep(0.5)  # the start of the training
    trial.report(0.5, 0, None)
    assert trial.epoch_seconds is None
    since = time.monotonic()
    trial.report(0.4, 1, None)
    trial.report(0.3, 2, None)
    assert trial.epoch_seconds is not None
    assert 0 < trial.epoch_seconds <= (time.monotonic() - since + 0.25) / 2


def test_a_thread_of_a_job_has_the_trial_of_the_job() -> None:
    trial = StudyTrial(optuna.create_study().ask())
    with as_current(trial), ThreadPoolExecutor() as another:
        assert another.submit(current_trial).result() is trial
        with as_current(Standalone()) as _:
            assert current_trial() is not trial
        assert current_trial() is trial
    assert current_trial().number is None


ONE = Pausing(patience=1)
ATTEMPT, UNTIL_3 = {TrialAttrs.ATTEMPT: 1}, {TrialAttrs.SLICE: [2, 3]}


@pytest.mark.parametrize(
    ("pausing", "before", "attrs", "reports", "stops"),
    [
        (ONE, [], {}, {0: 0.5, 1: 0.4, 2: 0.4, 3: 0.3}, [2]),
        (Pausing(patience=None), [], {}, {0: 0.5, 1: 0.4, 2: 0.4}, []),
        (None, [], {}, {0: 0.5, 1: 0.4, 2: 0.4}, []),
        # A slice, until step 3, of a job that goes on, and of one that starts anew.
        (ONE, [0.5, 0.5], UNTIL_3, {2: 0.6, 3: 0.6, 4: 0.6}, [3, 4]),
        (ONE, [0.5, 0.5], UNTIL_3, {2: 0.6, 3: 0.4, 4: 0.3}, []),
        (ONE, [0.5, 0.5], UNTIL_3, {0: 0.1, 1: 0.2, 2: 0.6, 3: 0.6}, [3]),
        (ONE, [0.5, 0.5], UNTIL_3, {0: 0.9, 1: 0.9, 2: 0.9, 3: 0.4}, []),
        # A retry that starts anew is asked about where the attempt that died had been.
        (ONE, [0.5, 0.6], ATTEMPT, {0: 0.5, 1: 0.6, 2: 0.7}, [1, 2]),
        (ONE, [0.5, 0.4], ATTEMPT, {0: 0.5, 1: 0.4, 2: 0.4}, [2]),
    ],
)
def test_at_which_steps_a_trial_pauses(
    pausing: Pausing | None,
    before: list[float],
    attrs: Mapping[str, object],
    reports: Mapping[int, float],
    stops: list[int],
) -> None:
    study = optuna.create_study(pruner=optuna.pruners.NopPruner())
    asked = study.ask()
    for step, value in enumerate(before):
        asked.report(value, step)
    for name, value in attrs.items():
        asked.set_user_attr(name, value)
    trial, found = StudyTrial(asked, pausing=pausing), []
    for step, value in reports.items():
        trial.report(value, step)
        if trial.should_prune():
            found.append(step)
        assert not trial.should_prune(is_last=True)
    assert found == stops
    assert trial.verdict is None
    assert trial.reported == reports | dict(enumerate(before))  # the first value of a step counts


@pytest.mark.parametrize(("until", "stops"), [(1, True), (2, False), (3, False)])
def test_a_trial_that_died_when_its_slice_was_over_pauses_at_once(until: int, stops: bool) -> None:
    asked = optuna.create_study(pruner=optuna.pruners.NopPruner()).ask()
    for step in range(2):
        asked.report(0.5, step)
    asked.set_user_attr(TrialAttrs.SLICE, [2, until])
    assert StudyTrial(asked, pausing=ONE).should_prune() == stops


@pytest.mark.parametrize("pausing", [None, Pausing(patience=None)])
def test_the_pruner_judges_who_pauses(pausing: Pausing | None) -> None:
    asked = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=0.3)).ask()
    trial = StudyTrial(asked, pausing=pausing)
    trial.report(0.5, 0)
    assert trial.should_prune()
    assert (str(trial.verdict), trial.pause)[pausing is not None].startswith(
        "paused at epoch 0" if pausing else "pruned at epoch 0"
    )
    assert (trial.verdict is None) == (pausing is not None)


GIVEN = {"by": "rnnexp", "who": "ann"}


@pytest.mark.parametrize("pausing", [None, ONE])
@pytest.mark.parametrize(
    ("text", "number", "stopped", "pause"),
    [
        ("stop", 0, "stopped by rnnexp (ann, ", None),
        ("pause", 0, None, "paused at epoch 1: by rnnexp (ann, "),
        ("stop", None, None, "paused at epoch 1: the study was stopped by rnnexp (ann, "),
        ("pause", None, None, "paused at epoch 1: the study was paused by rnnexp (ann, "),
        ("resume", None, None, None),
        ("stop", 1, None, None),
        ("trials=5", None, None, None),
    ],
)
def test_a_trial_obeys_after_its_epoch_whatever_the_pruner_says(
    pausing: Pausing | None, text: str, number: int | None, stopped: str | None, pause: str | None
) -> None:
    study = optuna.create_study(pruner=optuna.pruners.NopPruner())
    trial = StudyTrial(study.ask(), pausing=pausing)
    give_order(study, text, number, **GIVEN)
    for step, value in enumerate([0.5, 0.4]):
        trial.report(value, step)
    assert not trial.should_prune(is_last=True)  # nothing is left to stop
    assert trial.should_prune() == bool(stopped or pause)
    assert trial.verdict is None
    assert (trial.stopped or "").startswith(stopped or "")
    assert (trial.pause or "").startswith(pause or "")
    assert (bool(trial.stopped), bool(trial.pause)) == (bool(stopped), bool(pause))


def test_a_trial_that_goes_on_obeys_before_its_slice_is_over() -> None:
    study = optuna.create_study(pruner=optuna.pruners.NopPruner())
    asked = study.ask()
    asked.report(0.5, 0)
    asked.set_user_attr(TrialAttrs.SLICE, [1, 9])
    trial = StudyTrial(asked, pausing=ONE)
    give_order(study, "pause", 0, **GIVEN)
    trial.report(0.4, 1)
    assert trial.should_prune()


@pytest.mark.parametrize(("pause", "seen"), [(0.0, True), (60.0, False)])
def test_short_epochs_do_not_look_each_time(pause: float, seen: bool) -> None:
    study = optuna.create_study()
    orders = OrdersToTrial(study.ask(), pause)
    assert orders.reasons() == (None, None)
    give_order(study, "stop", 0, **GIVEN)
    assert (orders.reasons()[0] is not None) == seen


def complete(value: float, *values: float) -> optuna.trial.FrozenTrial:
    return optuna.trial.create_trial(value=value, intermediate_values=dict(enumerate(values)))


def test_means_over_folds_are_pruned_for_good_by_the_last_of_them() -> None:
    pruner = EarlyStoppingPruner(patience=1, quantile=0, n_startup_trials=1, only_worsening=True)
    study = optuna.create_study(pruner=pruner)
    study.add_trial(complete(0.4, 0.4, 0.4, 0.4))
    trial = StudyTrial(study.ask(), pausing=ONE)
    stops = []
    for step, mean in enumerate([0.3, 0.35, 0.45]):
        trial.report(mean, step)
        stops.append(trial.should_prune(improves=False))
    assert stops == [False, False, True]
    assert trial.pause is None
    assert str(trial.verdict).startswith("pruned at epoch 2: 0.4500, best 0.3000, threshold 0.4000")


@pytest.mark.parametrize(
    ("direction", "values", "value", "leads"),
    [
        ("minimize", [], 0.5, True),
        ("minimize", [0.6, 0.4], 0.5, False),
        ("minimize", [0.6, 0.4], 0.3, True),
        ("minimize", [0.6, 0.4], 0.4, True),  # of equal trials the earlier one is the best
        ("maximize", [0.6, 0.4], 0.5, False),
        ("maximize", [0.6, 0.4], 0.7, True),
    ],
)
def test_which_trial_leads(direction: str, values: list[float], value: float, leads: bool) -> None:
    study = optuna.create_study(direction=direction)
    study.add_trials([complete(found) for found in values])
    assert StudyTrial(study.ask()).leads(value) is leads
    assert Standalone().leads(value)
