import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from rnnexp.report.next_steps import (
    best_came_late,
    edge_at,
    edges_of_ranges,
    few_trials,
    hopeless_choices,
    margin_within_noise,
    next_steps,
    still_improving,
)
from rnnexp.report.snapshot import Snapshot, snapshot_of
from tests.helpers.trials import LR, RATE, UNITS, study_of, trial

PRUNED, RUNNING = TrialState.PRUNED, TrialState.RUNNING
LOG = FloatDistribution(1e-4, 1e-2, log=True)


@pytest.mark.parametrize(
    ("value", "distribution", "edge"),
    [
        (1.1e-4, LOG, ("lower", "below 0.0001")),
        (2e-4, LOG, None),
        (9.9e-3, LOG, ("upper", "above 0.01")),
        (0.01, FloatDistribution(0, 0.5), None),  # there is no dropout below 0
        (0.49, FloatDistribution(0, 0.5), ("upper", "above 0.5")),
        (0.99, FloatDistribution(0, 1), None),  # nor a rate above 1
        (16, IntDistribution(16, 128), ("lower", "below 16")),
        (128, IntDistribution(16, 128), ("upper", "above 128")),
        (60, IntDistribution(16, 128), None),
        (16, IntDistribution(16, 16), None),
        (128, CategoricalDistribution((32, 128, 64)), ("upper", "above 128")),
        (64, CategoricalDistribution((32, 128, 64)), None),
        (64, CategoricalDistribution((32, 64)), None),  # of two, each is at an end
        ("gru", CategoricalDistribution(("lstm", "gru", "simple_rnn")), None),
        (128, CategoricalDistribution((32, 128, "auto")), None),
        (True, CategoricalDistribution((False, True)), None),
    ],
)
def test_the_edge_of_a_range(
    value: object, distribution: BaseDistribution, edge: tuple[str, str] | None
) -> None:
    assert edge_at(value, distribution) == edge


def test_a_best_trial_at_an_edge() -> None:
    trials = [trial(0.5, params={LR: 0.001}), trial(0.4, params={LR: 0.00011, RATE: 0.5})]
    assert edges_of_ranges(snapshot_of(study_of(*trials))) == [
        "Search lr below 0.0001: the best trial has 0.00011, at the lower end of what was searched."
    ]


@pytest.mark.parametrize(
    ("curve", "advised"),
    [
        ((0.9, 0.8, 0.7, 0.6), True),
        ((0.9, 0.6, 0.7, 0.8), False),
        ((0.9, 0.8), False),  # too few epochs for a trend
        ((*(1 - n / 100 for n in range(20)), 0.9), True),  # within the last tenth
        ((*(1 - n / 100 for n in range(18)), 0.9, 0.9, 0.9), False),
    ],
)
def test_a_training_that_still_improves(curve: tuple[float, ...], advised: bool) -> None:
    found = still_improving(snapshot_of(study_of(trial(min(curve), values=curve))))
    assert bool(found) == advised
    if found:
        assert f"its last epoch was {len(curve) - 1}" in found[0]


@pytest.mark.parametrize(
    ("runner_up", "curve", "advised"),
    [
        (0.41, (0.9, 0.5, 0.4, 0.45, 0.41, 0.46), True),
        (0.60, (0.9, 0.5, 0.4, 0.45, 0.41, 0.46), False),
        (0.41, (0.9, 0.5, 0.4), False),  # the best epoch is the last
        (0.41, (0.9, 0.4, math.nan), False),
        (0.41, (), False),
    ],
)
def test_a_margin_within_the_noise(
    runner_up: float, curve: tuple[float, ...], advised: bool
) -> None:
    snapshot = snapshot_of(study_of(trial(0.4, values=curve), trial(runner_up)))
    found = margin_within_noise(replace(snapshot, name="a b"))
    assert bool(found) == advised
    if found:
        assert (
            "by 0.01, but the epochs next to its best one are worse by at least 0.05." in found[0]
        )
        assert "`rnnexp confirm 'a b'`" in found[0]


def of(choice: int, number: int, state: TrialState = TrialState.COMPLETE) -> list[FrozenTrial]:
    return [trial(0.5, state=state, values=(0.5,), params={UNITS: choice}) for _ in range(number)]


@pytest.mark.parametrize(
    ("trials", "left_out"),
    [
        ([*of(32, 5), *of(64, 5, PRUNED)], ["64: 5 of its 5"]),
        ([*of(32, 5), *of(64, 8, PRUNED), *of(64, 2)], ["64: 8 of its 10"]),
        ([*of(32, 5), *of(64, 7, PRUNED), *of(64, 3)], []),
        ([*of(32, 5), *of(64, 4, PRUNED)], []),  # too few to judge
        ([*of(32, 4), *of(64, 5, PRUNED)], []),
        ([*of(32, 2), *of(32, 5, PRUNED), *of(64, 9, PRUNED)], []),  # the others are no better
        ([*of(32, 5), *of(64, 9, RUNNING)], []),
        ([*of(64, 1), *of(32, 8), *of(64, 9, PRUNED)], []),  # the best trial has it
    ],
)
def test_a_choice_whose_trials_are_stopped(trials: list[FrozenTrial], left_out: list[str]) -> None:
    found = hopeless_choices(snapshot_of(study_of(*trials)))
    assert found == [f"Leave out units={text} trials were stopped early." for text in left_out]


def tried(number: int, best: int, *more: FrozenTrial) -> Snapshot:
    """One searched key; the best trial is in some place."""
    trials = [trial(0.1 if n == best else 0.5, params={LR: 0.001}) for n in range(number)]
    return snapshot_of(study_of(*trials, *more))


RUNS = trial(state=RUNNING, params={LR: 0.002})


@pytest.mark.parametrize(
    ("rule", "snapshot", "sentence"),
    [
        (
            few_trials, tried(4, 0),
            "Run more trials: 4 are few for 1 searched key; 10 would be 10 for each.",
        ),
        (few_trials, tried(10, 0), None),
        (few_trials, tried(4, 0, RUNS), None),
        (
            best_came_late, tried(20, 19),
            "Run more trials: the best was number 20 of 20; better ones may follow.",
        ),
        (best_came_late, tried(20, 17), None),
        (best_came_late, tried(9, 8), None),  # more are advised anyway
        (best_came_late, tried(20, 19, RUNS), None),
    ],
)  # fmt: skip
def test_more_trials(
    rule: Callable[[Snapshot], list[str]], snapshot: Snapshot, sentence: str | None
) -> None:
    assert rule(snapshot) == ([sentence] if sentence else [])


def test_no_advice_without_a_complete_trial() -> None:
    assert next_steps(snapshot_of(study_of())) == []
    assert next_steps(snapshot_of(study_of(*of(32, 3, PRUNED)))) == []
