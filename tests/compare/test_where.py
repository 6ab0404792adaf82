import pytest

from rnnexp.compare.rows import Row
from rnnexp.compare.where import where
from rnnexp.errors import NotFoundError, QueryError

ROWS: list[Row] = [
    {"trial": 0, "lr": 0.1, "units": 32, "model": "gru", "fit.epochs": 3, "mask": True},
    {"trial": 1, "lr": 0.01, "units": 64, "model": "lstm", "fit.epochs": 5, "mask": False},
    {"trial": 2, "lr": 0.001, "units": None, "model": "gru", "fit.epochs": 5, "mask": True},
]


@pytest.mark.parametrize(
    ("condition", "trials"),
    [
        ("units = 64", [1]),
        ("units == 64 and lr < 0.05", [1]),
        ("lr < 0.05", [1, 2]),
        ("model = 'gru' AND NOT lr > 0.05", [2]),
        ("model in ('lstm', 'rnn') or trial = 0", [0, 1]),
        ("model like 'l%'", [1]),
        ("units is null", [2]),
        ('"fit.epochs" > 4', [1, 2]),
        ("mask", [0, 2]),
        ("mask = false", [1]),
        ("abs(trial - 1) = 1", [0, 2]),
        ("1 = 2", []),
        ("1 = 1 -- a comment", [0, 1, 2]),
    ],
)
def test_what_is_kept(condition: str, trials: list[int]) -> None:
    assert [row["trial"] for row in where(ROWS, condition)] == trials


@pytest.mark.parametrize(
    "condition",
    [
        "units = ",
        "",
        "1); DROP TABLE trials; --",
        "trial in (SELECT 1 UNION SELECT sql FROM sqlite_master)",
        "load_extension('x')",
        "1) UNION SELECT 1 FROM pragma_database_list --",
    ],
)
def test_what_can_not_be_read(condition: str) -> None:
    with pytest.raises(QueryError, match=r"can't be read: .*; give a condition as in SQL"):
        where(ROWS, condition)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("unit = 64", r"no column unit; columns are trial, lr.*; did you mean units\?"),
        ("params.units = 64", r"no column params.units"),
    ],
)
def test_an_unknown_column(condition: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        where(ROWS, condition)


def test_names_that_differ_in_case_only() -> None:
    assert where([{"trial": 0, "x": 1, "X": 2}], "x = 1") == [{"trial": 0, "x": 1, "X": 2}]


def test_nothing_of_nothing() -> None:
    assert where([], "units = 64") == []
