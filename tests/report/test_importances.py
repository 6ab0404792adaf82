import numpy as np
import pytest

from rnnexp.report.importances import Importance, importances_of, tiers
from rnnexp.report.plots import plots_of
from rnnexp.report.snapshot import snapshot_of
from rnnexp.report.why import what_decides
from tests.helpers.trials import RATE, random_params, study_of, trial

CHANCE = "no searched key stands out from chance among the complete trials yet"


def one(label: str, share: float, low: float, high: float) -> Importance:
    return Importance(label, share, low, high)


@pytest.mark.parametrize(
    ("importances", "groups"),
    [
        ([], []),
        ([one("a", 0.2, 0.1, 0.3), one("b", 0.8, 0.7, 0.9)], [["b"], ["a"]]),
        ([one("a", 0.6, 0.4, 0.8), one("b", 0.4, 0.2, 0.4)], [["a", "b"]]),
        (
            [one("a", 0.5, 0.4, 0.6), one("b", 0.4, 0.25, 0.45), one("c", 0.2, 0.1, 0.3)],
            [["a", "b", "c"]],  # a and c are apart, but b is between them
        ),
        (
            [one("a", 0.6, 0.5, 0.7), one("b", 0.2, 0.1, 0.3), one("c", 0.15, 0.1, 0.2)],
            [["a"], ["b", "c"]],
        ),
    ],
)
def test_what_can_not_be_told_apart_is_one_group(
    importances: list[Importance], groups: list[list[str]]
) -> None:
    assert [[each.label for each in tier] for tier in tiers(importances)] == groups


def test_one_key_decides() -> None:
    trials = [trial(params[RATE], params=dict(params)) for params in random_params(60)]
    study = study_of(*trials)
    found = importances_of(study)
    assert not isinstance(found, str)
    assert found == importances_of(study)  # the same each time
    first, *_ = tiers(found)
    assert len(first) == 1
    assert found[0].label == RATE
    assert all(each.low <= each.high for each in found)
    (sentence,) = what_decides(snapshot_of(study))
    assert sentence.startswith("Most important over all trials: momentum (0.")
    figure = {plot.title: plot.figure for plot in plots_of(snapshot_of(study))}[
        "Parameter importances"
    ]
    assert figure
    assert figure.data[0].y[-1] == "momentum"
    assert len(figure.data[0].error_x.array) == 3


def test_chance_decides() -> None:
    values = np.random.default_rng(2).random(20)
    trials = [
        trial(float(value), params=dict(params))
        for value, params in zip(values, random_params(20), strict=True)
    ]
    study = study_of(*trials)
    assert importances_of(study) == CHANCE
    assert what_decides(snapshot_of(study)) == []


@pytest.mark.parametrize(
    ("number", "value", "reason"),
    [
        (9, None, "it takes 10 complete trials to tell; there are 9"),
        (10, 0.5, CHANCE),
    ],
)
def test_why_there_are_none(number: int, value: float | None, reason: str) -> None:
    trials = [
        trial(params[RATE] if value is None else value, params=dict(params))
        for params in random_params(number)
    ]
    assert importances_of(study_of(*trials)) == reason
