"""Constraints on the values of trials: their grammar, and by how much each is broken."""

import math
import sys

import pytest

from rnnexp.constraints import Constraint


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("parameters < 100000", "parameters < 100000"),
        ("seconds<=60", "seconds <= 60"),
        (" val_auc >= 0.85 ", "val_auc >= 0.85"),
        ("latency > 1e-3", "latency > 0.001"),
        ("fold/loss < -1", "fold/loss < -1"),
    ],
)
def test_the_grammar(text: str, stored: str) -> None:
    assert str(Constraint.parse(text)) == stored
    assert Constraint.parse(stored) == Constraint.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "parameters",
        "parameters = 3",
        "a < b",
        "< 3",
        "a < inf",
        "a < nan",
        "a b < 3",
        "1 < a < 3",
    ],
)
def test_what_is_no_constraint(text: str) -> None:
    with pytest.raises(ValueError, match="must be such as 'parameters < 100000'"):
        Constraint.parse(text)


@pytest.mark.parametrize(
    ("text", "value", "violation"),
    [
        ("a < 3", 2.0, 0.0),
        ("a < 3", 3.0, sys.float_info.min),
        ("a <= 3", 3.0, 0.0),
        ("a < 3", 5.0, 2.0),
        ("a >= 3", 1.0, 2.0),
        ("a > 3", 4.0, 0.0),
        ("a > 3", math.nan, sys.float_info.max),
        ("a < 3", math.inf, math.inf),
        ("a < 3", None, 0.0),
    ],
)
def test_by_how_much_it_is_broken(text: str, value: float | None, violation: float) -> None:
    assert Constraint.parse(text).violation(value) == violation


@pytest.mark.parametrize(
    ("text", "values", "is_broken"),
    [
        ("parameters < 3", {"parameters": 4.0}, True),
        ("parameters > 3", {"parameters": 2.0}, True),  # no epoch changes the number
        ("latency < 3", {"latency": 4.0}, True),
        ("seconds < 3", {"seconds": 4.0}, True),
        ("seconds > 3", {"seconds": 2.0}, False),  # there will be more
        ("seconds < 3", {}, False),
        ("val_auc > 0.9", {"val_auc": 0.1}, False),  # the next epoch may be better
    ],
)
def test_what_is_broken_for_good(text: str, values: dict[str, float], is_broken: bool) -> None:
    assert Constraint.parse(text).is_broken_for_good(values) is is_broken
