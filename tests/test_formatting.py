import math

import pytest

from rnnexp.formatting import format_column, format_seconds, format_value


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (65, "1:05"), (3599.6, "1:00:00"), (7205, "2:00:05")]
)
def test_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (3, "3"), (0.0031234, "0.003123"), (0.1, "0.1"), ("gru", "gru"), (True, "True")],
)
def test_a_value(value: object, text: str) -> None:
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.5, 0.25, None], ["0.5000", "0.2500", ""]),
        ([0.5, 123.25], ["0.5", "123.2"]),
        ([1e-7, 0.5], ["1e-07", "0.5"]),
        ([1e7, 0.5], ["1e+07", "0.5"]),
        ([3, 4], ["3", "4"]),
        ([0.0, 0.5, math.nan], ["0.0000", "0.5000", "nan"]),
        ([], []),
    ],
)
def test_the_values_of_a_column_have_the_same_decimals(
    values: list[object], texts: list[str]
) -> None:
    assert format_column(values) == texts


def test_the_number_of_decimals_can_be_given() -> None:
    assert format_column([0.25, 12345.0, None], 1) == ["0.2", "12345.0", ""]
