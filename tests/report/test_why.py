import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from optuna.trial import FrozenTrial, TrialState

from rnnexp.objective import Objective
from rnnexp.report.ablation import ABSENT, Change, blocks, path, starting_point
from rnnexp.report.expected_values import expected_values
from rnnexp.report.snapshot import Snapshot, snapshot_of
from rnnexp.report.surrogate import Point, Surrogate
from rnnexp.report.why import in_short, why_it_won
from tests.helpers.trials import LR, RATE, SPACE, UNITS, random_params, study_of, trial

LOSS = Objective("value", "min")
PRUNED, RUNNING, FAIL = TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL
PARENTS = {"dropout": "model", "rate": "dropout", "cell": "model"}


@pytest.mark.parametrize(
    ("trials", "values"),
    [
        ([trial(0.5, params={RATE: 0.1}), trial(math.inf, params={RATE: 0.2})], [0.5]),
        # After epoch 0 the others improved by 0.1, 0.2, 0.2, 0.3 and 0.4, after epoch 1 by 0.1.
        (
            [
                *(trial(0.5, values=(0.5 + n, 0.6, 0.5), params={RATE: 0.1})
                  for n in (0.2, 0.3, 0.4)),
                trial(state=PRUNED, values=(0.9,), params={RATE: 0.2}),
                trial(state=PRUNED, values=(0.9, 0.8), params={RATE: 0.3}),
                trial(state=PRUNED, values=(0.9, 0.8, 0.7, 0.7), params={RATE: 0.3}),
            ],
            [0.5, 0.5, 0.5, 0.9 - 0.2, 0.8 - 0.1, 0.7],
        ),
        # Two trials that went on are too few to tell.
        (
            [
                *(trial(0.5, values=(0.8, 0.5), params={RATE: 0.1}) for _ in range(2)),
                trial(state=PRUNED, values=(0.9,), params={RATE: 0.2}),
            ],
            [0.5, 0.5, 0.9],
        ),
        (
            [
                trial(state=PRUNED, values=(0.9, math.nan), params={RATE: 0.2}),
                trial(state=PRUNED, values=(math.nan,), params={RATE: 0.2}),
                trial(state=RUNNING, values=(0.9,), params={RATE: 0.2}),
                trial(state=FAIL, values=(0.9,), params={RATE: 0.2}),
            ],
            [0.9],
        ),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sign", [1, -1])
def test_values_of_pruned_trials(
    trials: Sequence[FrozenTrial], values: Sequence[float], sign: int
) -> None:
    if sign == -1:
        trials = [_mirrored(one) for one in trials]
    found = expected_values(trials, LOSS if sign == 1 else Objective("value", "max"))
    assert [value for _, value in found] == pytest.approx([sign * value for value in values])


def _mirrored(one: FrozenTrial) -> FrozenTrial:
    return trial(
        None if one.value is None else -one.value,
        state=one.state,
        values=tuple(-value for value in one.intermediate_values.values()),
        params=one.params,
    )


@pytest.mark.parametrize(
    ("defaults", "best", "start", "changes"),
    [
        ({"lr": 1, "units": 2}, {"lr": 1, "units": 3}, {"lr": 1, "units": 2}, [["units"]]),
        ({"lr": 1}, {"lr": 2, "units": 3}, {"lr": 1, "units": 3}, [["lr"]]),
        ({"lr": None}, {"lr": 2}, {"lr": None}, [["lr"]]),
        # A key that exists with the new value of its parent alone, and one with the old value.
        (
            {"model": "rnn", "cell": 1}, {"model": "lstm", "dropout": 0.2},
            {"model": "rnn", "cell": 1}, [["model", "dropout", "cell"]],
        ),
        (
            {"model": "rnn"}, {"model": "lstm", "dropout": 0.2, "rate": 3},
            {"model": "rnn"}, [["model", "dropout", "rate"]],
        ),
        # A key that exists with both values has a change of its own.
        (
            {"model": "gru", "dropout": 0.1}, {"model": "lstm", "dropout": 0.2},
            {"model": "gru", "dropout": 0.1}, [["model"], ["dropout"]],
        ),
        # The default of the parent is not searched: its keys are the best trial's.
        (
            {"cell": 1}, {"model": "lstm", "dropout": 0.2},
            {"model": "lstm", "dropout": 0.2}, [],
        ),
    ],
)  # fmt: skip
def test_what_changes_together(
    defaults: Point, best: Point, start: Point, changes: list[list[str]]
) -> None:
    assert starting_point(defaults, best, PARENTS) == start
    found = blocks(start, best, PARENTS)
    assert [sorted(change.key for change in block) for block in found] == [
        sorted(block) for block in changes
    ]
    assert [block[0].key for block in found] == [block[0] for block in changes]


def test_the_change_that_earns_most_is_made_first() -> None:
    """Loss 10, where b alone costs 1, a earns 3, and b earns 4 once a is changed."""

    def predict(points: Sequence[Point]) -> npt.NDArray[np.float64]:
        losses = [10 - 3 * p["a"] + p["b"] - 5 * p["a"] * p["b"] for p in points]  # type: ignore[operator]
        return np.array([losses, [0.5 * loss for loss in losses]])

    changes = [[Change("b", 0, 1)], [Change("a", 0, 1)]]
    first, second = path({"a": 0, "b": 0}, changes, predict)
    assert (first.changes[0].key, second.changes[0].key) == ("a", "b")
    assert (first.gain, second.gain) == (2.25, 3.0)  # of 3 and 1.5, of 4 and 2
    assert 1.5 <= first.low < first.gain < first.high <= 3
    assert first.is_clear


def test_a_key_comes_and_goes_with_its_parent() -> None:
    seen: list[Point] = []

    def predict(points: Sequence[Point]) -> npt.NDArray[np.float64]:
        seen.extend(points)
        return np.zeros((2, len(points)))

    (step,) = path(
        {"model": "rnn", "cell": 1},
        [
            [
                Change("model", "rnn", "lstm"),
                Change("dropout", ABSENT, None),
                Change("cell", 1, ABSENT),
            ]
        ],
        predict,
    )
    assert seen == [{"model": "rnn", "cell": 1}, {"model": "lstm", "dropout": None}]
    assert not step.is_clear


def loss(params: Mapping[str, float]) -> float:
    """0 at a learning rate of 0.0001, 0.5 at 0.01; a little less with more momentum."""
    return 0.25 * math.log10(params[LR] / 1e-4) - 0.01 * params[RATE]


DEFAULTS = {LR: 0.01, UNITS: 32, RATE: 0.5}


def snapshot(number: int = 60, *more: FrozenTrial) -> Snapshot:
    trials = [trial(loss(params), params=dict(params)) for params in random_params(number)]
    return replace(snapshot_of(study_of(*trials, *more)), defaults=DEFAULTS)


def test_the_surrogate_predicts_and_knows_how_well() -> None:
    points = random_params(80)
    fitted = Surrogate.fit(points, [loss(point) for point in points], SPACE)
    assert 0.8 < fitted.explained < 1
    predicted = fitted.predict([{LR: 0.005, RATE: 0.5}, {LR: 0.0002, RATE: 0.5}])
    assert predicted.mean(axis=0) == pytest.approx([0.42, 0.07], abs=0.06)
    assert predicted.std(axis=0).min() > 0
    chance = Surrogate.fit(points, np.random.default_rng(3).random(80).tolist(), SPACE)
    assert chance.explained < 0.1


def test_which_change_earned_what() -> None:
    found = snapshot()
    ends, gain, *_, method = why_it_won(found)
    assert found.best
    end = f"to {found.best.values[0]:.4g} at trial {found.best.number}."
    assert ends.startswith("value went from about 0.")
    assert ends.endswith(f"at the defaults, which were not trained, {end}")
    assert gain.startswith("lr 0.01 → 0.0001")
    steps = {step.changes[0].key: step for step in found.ablation.steps}  # type: ignore[union-attr]
    assert steps[LR].low < 0.5 - loss(found.best.params) < steps[LR].high + 0.1
    assert steps[LR].low > 0.2
    assert all(step.gain < 0.05 for key, step in steps.items() if key != LR)
    assert method.startswith("The value at the defaults and the gains are estimates of random")
    assert in_short(found).startswith("Estimated gains in value: lr 0.01 → 0.0001")


def test_the_defaults_were_trained() -> None:
    ends, *_, method = why_it_won(snapshot(60, trial(0.515, params=dict(DEFAULTS))))
    assert ends.startswith("value went from 0.515 at the defaults (trial 60) to ")
    assert method.startswith("The gains are estimates")
    stopped = trial(state=PRUNED, values=(0.8,), params=dict(DEFAULTS))
    ends, *_, method = why_it_won(snapshot(60, stopped))
    assert "at the defaults, whose trial 60 was stopped, to " in ends
    assert method.startswith("The value at the defaults and the gains are estimates")


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (snapshot(14), "it takes 15 trials with a value to tell; there are 14"),
        (replace(snapshot(), defaults={}), "the defaults are not among the searched values"),
        (
            replace(
                snapshot(), trials=[trial(0.5, params=dict(params)) for params in random_params(20)]
            ),
            "the params of 20 trials don't explain their values yet",
        ),
    ],
)
def test_why_it_can_not_be_told(found: Snapshot, sentence: str) -> None:
    assert why_it_won(found) == [f"Which change from the defaults earned what: {sentence}."]
    assert in_short(found) == ""


def test_the_defaults_are_the_best() -> None:
    found = snapshot(60, trial(-1.0, params=dict(DEFAULTS)))
    assert why_it_won(found)[0] == "The best trial has the defaults of all searched keys."


def test_without_a_complete_trial_nothing_won() -> None:
    assert why_it_won(snapshot_of(study_of())) == []
