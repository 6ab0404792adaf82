import math

import pytest

from rnnexp.number_ranges import COUNT, FRACTION, NOT_NEGATIVE, POSITIVE, SHARE, UNIT, WHOLE, Range


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (COUNT, [1, 7], [0, -1, 1.0, True, None, "1", math.nan]),
        (WHOLE, [0, 1], [-1, 0.0, False]),
        (NOT_NEGATIVE, [0, 0.0, 2.5], [-0.1, math.inf, math.nan, "0", True]),
        (POSITIVE, [1e-9, 3], [0, 0.0, -1]),
        (UNIT, [0, 0.5, 1], [-0.1, 1.1]),
        (SHARE, [0.2, 0.999], [0, 1, 0.0, 1.0]),
        (FRACTION, [0, 0.0, 0.999], [1, 1.0, -0.1]),
    ],
)
def test_what_is_in_a_range(allowed: Range, inside: list[object], outside: list[object]) -> None:
    assert [value for value in inside if value not in allowed] == []
    assert [value for value in outside if value in allowed] == []


@pytest.mark.parametrize(
    ("allowed", "text"),
    [
        (COUNT, "a whole number, at least 1"),
        (WHOLE, "a whole number, at least 0"),
        (NOT_NEGATIVE, "a number, at least 0"),
        (POSITIVE, "a number, more than 0"),
        (UNIT, "a number from 0, up to 1"),
        (SHARE, "a number between 0 and 1, both excluded"),
        (FRACTION, "a number from 0, below 1"),
    ],
)
def test_the_message(allowed: Range, text: str) -> None:
    assert allowed.problems("a.b", 3, "") == ([] if 3 in allowed else [f"a.b=3: must be {text}"])
    assert allowed.problems("a.b", "x", ", or null") == [f"a.b=x: must be {text}, or null"]
