import re

import pytest

from rnnexp.compare.rows import Row
from rnnexp.compare.where import where
from rnnexp.errors import NotFoundError, QueryError

ROWS: list[Row] = [
    {
        "trial": 0,
        "lr": 0.1,
        "units": 32,
        "model": "gru",
        "fit.epochs": 3,
        "mask": True,
        "note": None,
    },
    {
        "trial": 1,
        "lr": 0.01,
        "units": 64,
        "model": "lstm",
        "fit.epochs": 5,
        "mask": False,
        "note": None,
    },
    {
        "trial": 2,
        "lr": 0.001,
        "units": None,
        "model": "gru",
        "fit.epochs": 5,
        "mask": True,
        "note": None,
    },
]
ROWS = [row | {"note": None} for row in ROWS]


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
        ("units = 64;", [1]),
        ("units = '64'", [1]),  # as MLflow's filters have it
        ("lr < '0.05'", [1, 2]),
        ('"LR" < 0.05', [1, 2]),
        ("`fit.epochs` > 4 and [units] = 64", [1]),
        ("model = 'lr' or model = 'say \"units\"'", []),
        ("model /* \"unit\" */ = 'gru'", [0, 2]),
        ("note is null", [0, 1, 2]),
    ],
)
def test_what_is_kept(condition: str, trials: list[int]) -> None:
    assert [row["trial"] for row in where(ROWS, condition)] == trials


@pytest.mark.parametrize(
    "condition",
    [
        "units = ",
        "",
        " ; ",
        "unitz('x') = 1",
        "'fit.epochs' > 4",
        "'fit.epoch' > 4",
        "4 < 'fit.epochs'",
        "'lr' > -1",
        "'lr' = 'gru'",
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
        ('"fit.epoch" > 4', r"no column fit.epoch; .*; did you mean fit.epochs\?"),
        ('model = "gru"', r"no column gru; columns are trial"),
        ("`fit.epoch` > 4", r"no column fit.epoch; .*; did you mean fit.epochs\?"),
        ("[unit] > 4", r"no column unit; .*; did you mean units\?"),
    ],
)
def test_an_unknown_column(condition: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        where(ROWS, condition)


@pytest.mark.parametrize(
    ("condition", "hint"),
    [
        ("lowr(model) = 'gru'", "no such function: lowr; did you mean lower?"),
        ("'fit.epochs' > 4", "is a text, which is compared with no column; the column is "),
        ("'fit.epoch' > 4", "compared with no column; did you mean fit.epochs?"),
    ],
)
def test_a_near_name(condition: str, hint: str) -> None:
    with pytest.raises(QueryError, match=re.escape(hint)):
        where(ROWS, condition)


def test_names_that_differ_in_case_only() -> None:
    assert where([{"trial": 0, "x": 1, "X": 2}], "x = 1") == [{"trial": 0, "x": 1, "X": 2}]


def test_nothing_of_nothing() -> None:
    assert where([], "units = 64") == []


@pytest.mark.parametrize(
    ("condition", "empty"),
    [
        ("note > 3", "note"),
        ("NOTE is null and lr < 1", "note"),
        ("units = 64", None),
        ("exists(select 1)", None),
    ],
)
def test_a_column_without_values_is_told(
    condition: str, empty: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    where(ROWS, condition)
    told = f"--where {condition!r}: no trial has a value in the column {empty}"
    assert caplog.messages == ([told] if empty else [])
