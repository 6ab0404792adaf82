from typing import Any

import numpy as np
import pytest

from rnnexp.data.dataset import Label
from rnnexp.training.fit_arguments import class_number, class_weight

Y = np.array([0, 0, 0, 1])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("balanced", {0: 4 / 6, 1: 2.0}),
        ({"good": 2}, {1: 2.0}),
        ({"bad": 0.5, "good": 1}, {0: 0.5, 1: 1.0}),
        ([0.5, 1], {0: 0.5, 1: 1.0}),
    ],
)
def test_class_weight(given: Any, expected: dict[int, float] | None) -> None:
    assert class_weight(given, ("bad", "good"), Y) == expected


def test_balanced_leaves_out_a_class_without_rows() -> None:
    assert class_weight("balanced", ("a", "b", "c"), Y) == {0: 4 / 6, 1: 2.0}


@pytest.mark.parametrize(
    ("given", "classes", "number"),
    [
        ("b", ("a", "b"), 1),
        (1, (0, 1), 1),
        (1.0, (0, 1), 1),
        ("1", (0, 1), 1),
        (0.5, (0.0, 0.5), 1),
        (True, ("False", "True"), 1),
        (False, ("false", "true"), 0),
        (True, (0, 1), None),
        ("c", ("a", "b"), None),
        (None, ("a", "b"), None),
    ],
)
def test_class_number(given: object, classes: tuple[Label, ...], number: int | None) -> None:
    assert class_number(given, classes) == number
