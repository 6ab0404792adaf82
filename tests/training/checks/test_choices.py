import pytest

from rnnexp.training.checks.choices import choice_problems


@pytest.mark.parametrize(
    ("value", "choices", "problems"),
    [
        (True, (True, False), []),
        ("maybe", (True, False), ["key=maybe: must be true or false"]),
        (None, ("auto", "min", "max"), ["key=None: must be one of auto, min, max"]),
    ],
)
def test_choice_problems(value: object, choices: tuple[object, ...], problems: list[str]) -> None:
    assert choice_problems("key", value, choices) == problems
