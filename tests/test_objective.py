import math

import pytest

from rnnexp.objective import Objective

NAN = math.nan


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("min", {0: 0.5, 1: 0.3, 2: 0.4}, (1, 0.3)),
        ("max", {0: 0.5, 1: 0.3, 2: 0.4}, (0, 0.5)),
        ("min", {0: 0.5, 1: 0.5}, (0, 0.5)),  # the first of equals
        ("min", {0: NAN, 1: 0.5, 2: NAN}, (1, 0.5)),
        ("max", {0: NAN}, None),
        ("min", {}, None),
        ("min", {1: 0.5, 3: 0.4, 5: 0.6}, (3, 0.4)),  # validation_freq=2
        ("min", {0: -math.inf, 1: 0.0}, (1, 0.0)),
        ("max", {0: math.inf}, None),
    ],
)
def test_best(mode: str, values: dict[int, float], best: tuple[int, float] | None) -> None:
    assert Objective("val_loss", mode).best(values) == best  # type: ignore[arg-type]
