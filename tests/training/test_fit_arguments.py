from typing import Any

import numpy as np
import pytest

from rnnexp.training.fit_arguments import class_weight

Y = np.array([0, 0, 0, 1])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("balanced", {0: 4 / 6, 1: 2.0}),
        ({"good": 2}, {1: 2.0}),
        ({"bad": 0.5, "good": 1}, {0: 0.5, 1: 1.0}),
    ],
)
def test_class_weight(given: Any, expected: dict[int, float] | None) -> None:
    assert class_weight(given, ("bad", "good"), Y) == expected
