"""The rule by which a trial is paused, and its settings."""

from math import nan

import pytest

from rnnexp.objective import Objective
from rnnexp.pausing import Pausing

LOSS, ACCURACY = Objective("val_loss", "min"), Objective("val_accuracy", "max")


@pytest.mark.parametrize(
    ("patience", "values", "objective", "epochs"),
    [
        (2, [1.0], LOSS, None),
        (2, [1.0, 0.9, 0.95], LOSS, None),
        (2, [1.0, 0.9, 0.95, 0.9], LOSS, 2),  # as good is no improvement
        (2, [1.0, 0.9, 0.95, 0.8], LOSS, None),
        (1, [1.0, 1.1], LOSS, 1),
        (1, [1.0, 1.1], ACCURACY, None),
        (1, [1.0, 0.9], ACCURACY, 1),
        (1, [1.0, 0.9995], LOSS, 1),  # no more than a thousandth
        (1, [1.0, 0.998], LOSS, None),
        (2, [1.0, 0.9995, 0.9985], LOSS, None),  # in both epochs together
        (1, [-1.0, -1.0005], LOSS, 1),
        (1, [0.9, 0.9005], ACCURACY, 1),
        (1, [0.0, -1e-9], LOSS, None),
        (2, [nan, nan], LOSS, 2),
        (2, [nan, 1.0, nan], LOSS, None),
        (None, [1.0, 2.0, 3.0, 4.0], LOSS, None),
        (1, [], LOSS, None),
    ],
)
def test_when_a_trial_pauses(
    patience: int | None, values: list[float], objective: Objective, epochs: int | None
) -> None:
    reason = Pausing(patience=patience).reason(dict(enumerate(values)), objective)
    if epochs is None:
        assert reason is None
        return
    last = "in the last epoch" if epochs == 1 else f"in the last {epochs} epochs"
    at = f"paused at epoch {len(values) - 1}"
    assert reason == f"{at}: no improvement of more than 0.1% {last} (pausing.patience={patience})"


@pytest.mark.parametrize(
    ("epochs", "first", "pauses"),
    [(2, 0, False), (3, 0, True), (4, 0, True), (4, 2, False), (5, 2, True)],
)
def test_a_slice_has_an_end(epochs: int, first: int, pauses: bool) -> None:
    values = {epoch: 1.0 / (epoch + 1) for epoch in range(epochs)}
    reason = Pausing(epochs=3).reason(values, LOSS, first)
    expected = f"paused at epoch {epochs - 1}: others have their turn (pausing.epochs=3)"
    assert reason == (expected if pauses else None)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (None, None),
        ({}, None),
        ({"patience": None, "epochs": None, "seconds": 0.5, "idle_epochs": 0.5}, None),
        ({"idle_epochs": None}, None),
        (
            True,
            "hydra.sweeper.pausing=True: give its settings, or null to prune weak trials for good",
        ),
        ({"patience": 0}, "hydra.sweeper.pausing.patience=0: must be a whole number, at least 1"),
        ({"epochs": 0}, "hydra.sweeper.pausing.epochs=0: must be a whole number, at least 1"),
        (
            {"idle_epochs": 0},
            "hydra.sweeper.pausing.idle_epochs=0: must be a number, more than 0",
        ),
        ({"seconds": 0}, "hydra.sweeper.pausing.seconds=0: must be a number, more than 0"),
        (
            {"patient": 1},
            "hydra.sweeper.pausing.patient: there is no such setting; there are patience, epochs, "
            "seconds, idle_epochs, trial_epochs",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_settings(settings: object, problem: str | None) -> None:
    assert Pausing.problems(settings) == ([] if problem is None else [problem])


@pytest.mark.parametrize(
    ("given", "longest", "lengths", "expected"),
    [
        (None, None, [], 3.0),
        (None, None, [4, 4], 3.0),  # the shortest of six trials: the others may be long
        (None, None, [4, 5, 6], 1.0),
        (None, None, [8, 8, 8, 4], 1.4),
        (None, None, [14, 15, 16], 3.0),
        (None, None, [100, 100, 100], 3.0),
        (None, 8, [], 1.6),
        (None, 8, [4, 5, 6], 1.0),
        (None, 30, [], 3.0),
        (None, 30, [4, 5, 6], 1.0),
        (None, 0, [], 3.0),  # fit.epochs has its own check
        (None, "8", [], 3.0),
        (5.0, 8, [5, 5, 5], 5.0),
    ],
)
def test_idle_epochs_a_trial(
    given: float | None, longest: object, lengths: list[int], expected: float
) -> None:
    pausing = Pausing(idle_epochs=given, trial_epochs=longest)
    assert pausing.idle(6, lengths) == pytest.approx(expected)
