import math

import pytest

from rnnexp.compare.rows import (
    Row,
    columns_of,
    describe_winner,
    front,
    leaders,
    ordered,
    ranked,
    rows_of,
    short_names,
    value_of,
    values_of,
)
from rnnexp.constraints import Constraint
from rnnexp.errors import NotFoundError
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from tests.helpers.runs import run


def trial(number: int, state: str, value: float | None, **more: object) -> Row:
    return {"trial": number, "state": state, "best_value": value, **more}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("0.5", 0.5), ("1e-3", 0.001), ("True", True), ("None", None), ("gru", "gru"),
        (None, None), ("", ""),
    ],
)  # fmt: skip
def test_a_value_from_its_text(text: str | None, value: object) -> None:
    found = value_of(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("keys", "names"),
    [
        (["compile.optimizer.learning_rate", "model.units"], ["lr", "units"]),
        (["encoder.units", "decoder.units", "x"], ["encoder.units", "decoder.units", "x"]),
        (["a.b.c", "d.b.c"], ["a.b.c", "d.b.c"]),
        (["compile.optimizer._target_"], ["optimizer"]),
        (["fit.epochs", "data.seed", "state"], ["fit.epochs", "data.seed", "state"]),
    ],
)
def test_short_names(keys: list[str], names: list[str]) -> None:
    assert list(short_names(keys).values()) == names


def test_rows_have_the_same_columns_in_the_order_of_reading() -> None:
    first, second = rows_of(
        [
            run({"model.units": "64"}, {"best_epoch": 3.0}, trial="0", state="COMPLETE"),
            run({"lstm.dropout": "0.1"}, {"loss": 0.4}, trial="1", state="FAIL", reason="a\nb"),
        ]
    )  # fmt: skip
    assert list(first) == list(second)
    assert list(first)[:5] == ["trial", "best_value", "state", "units", "dropout"]
    assert (first["units"], first["dropout"], first["best_epoch"]) == (64, None, 3)
    assert (second["loss"], second["reason"], second["run"]) == (0.4, "a b", "abc")
    assert columns_of(first)[-1] == "reason"


def test_a_run_of_another_program_has_a_row() -> None:
    (row,) = rows_of([run()])
    assert (row["trial"], row["state"], row["best_value"]) == (None, "FINISHED", None)


@pytest.mark.parametrize(
    ("objective", "order"),
    [
        (Objective("loss", "min"), [3, 1, 6, 7, 8, 5, 0, 2, 4]),
        (Objective("loss", "max"), [1, 3, 6, 7, 8, 5, 0, 2, 4]),
        (None, [1, 3, 6, 7, 8, 0, 5, 2, 4]),
    ],
)
def test_the_best_first_then_paused_pruned_and_others(
    objective: Objective | None, order: list[int]
) -> None:
    rows = [
        trial(0, "PRUNED", None),
        trial(1, "COMPLETE", 0.5),
        trial(2, "FAIL", None),
        trial(3, "COMPLETE", 0.0),
        trial(4, "RUNNING", None),
        trial(5, "PRUNED", 0.1),
        trial(6, "COMPLETE", math.nan),
        trial(7, "COMPLETE", math.inf),
        trial(8, "PAUSED", 0.7),
    ]
    found = ranked(rows, objective and Objectives(objective))
    assert [row["trial"] for row in found] == order
    assert [row["trial"] for row in leaders(found)] == order[:2]


def objectives(*texts: str, constraints: tuple[str, ...] = ()) -> Objectives:
    first, *others = map(Objective.parse, texts)
    return Objectives(first, tuple(others), tuple(map(Constraint.parse, constraints)))


MEASURED = [
    trial(n, state, value, **{"best.size": size, "best.seconds": seconds})
    for n, (state, value, size, seconds) in enumerate([
        ("PRUNED", 0.1, 1.0, 1.0),
        ("COMPLETE", 0.2, 9.0, 1.0),
        ("COMPLETE", 0.201, 3.0, 1.0),
        ("COMPLETE", 0.1, 0.5, 70.0),
        ("COMPLETE", 0.31, 2.0, 1.0),
        ("COMPLETE", 0.3, 1.0, 1.0),
        ("COMPLETE", math.nan, 0.1, 1.0),
        ("COMPLETE", 0.25, None, 1.0),  # the size is missing, as in a trial of before
        ("PAUSED", 0.1, 0.1, None),
        ("FAIL", None, None, None),
    ])
]  # fmt: skip
QUICK = ("seconds < 60",)


@pytest.mark.parametrize(
    ("given", "order", "n_leaders", "on_front"),
    [
        (objectives("min loss"), [3, 1, 2, 7, 5, 4, 6, 8, 0, 9], 6, [3]),
        (objectives("min loss", constraints=QUICK), [1, 2, 7, 5, 4, 3, 6, 8, 0, 9], 5, [1]),
        (objectives("min loss", "min size"), [3, 1, 2, 7, 5, 4, 6, 8, 0, 9], 6, [3]),
        (
            objectives("min loss", "min size", constraints=QUICK),
            [2, 1, 5, 7, 4, 3, 6, 8, 0, 9], 5, [1, 2, 5],
        ),
        (
            objectives("max loss", "max size", constraints=QUICK),
            [4, 2, 1, 5, 7, 3, 6, 8, 0, 9], 5, [1, 2, 4],
        ),
        (objectives("min loss", constraints=("size > 9",)), [7, 3, 1, 2, 5, 4, 6, 8, 0, 9], 1, [7]),
    ],
)  # fmt: skip
def test_the_winner_first_then_the_front_others_and_what_breaks_a_constraint(
    given: Objectives, order: list[int], n_leaders: int, on_front: list[int]
) -> None:
    found = ranked(MEASURED, given)
    assert [row["trial"] for row in found] == order
    assert [row["trial"] for row in leaders(found, given)] == order[:n_leaders]
    assert [row["trial"] for row in front(MEASURED, given)] == on_front


@pytest.mark.parametrize(
    ("metrics", "values"),
    [
        (
            {"best_value": 0.5, "parameters": 900.0, "best.val_precision_0.8": 0.7},
            {"val_loss": 0.5, "parameters": 900.0, "val_precision@0.8": 0.7},
        ),
        ({"parameters": 900.0}, {"val_loss": math.nan, "parameters": 900.0}),
        ({"best_value": math.inf, "best.seconds": 3.0}, {"val_loss": math.nan}),  # not asked for
    ],
)
def test_the_values_of_a_trial_by_the_names_of_its_study(
    metrics: dict[str, float], values: dict[str, float]
) -> None:
    """MLflow has a metric such as precision@0.8 under another name."""
    given = objectives("min val_loss", "min parameters", "max val_precision@0.8")
    (row,) = rows_of([run({}, metrics, trial="0", state="COMPLETE")])
    assert values_of(row, given) == pytest.approx(values, nan_ok=True)


@pytest.mark.parametrize(
    ("given", "columns"),
    [
        (None, ["trial", "best_value", "state"]),
        (objectives("min loss"), ["trial", "best_value", "state"]),
        (
            objectives("min loss", "min parameters", "max f1@1", constraints=("seconds < 9",)),
            ["trial", "best_value", "parameters", "best.f1_1", "best.seconds", "state"],
        ),
        (
            objectives("min loss", "min latency", constraints=("loss < 1", "parameters < 9")),
            ["trial", "best_value", "parameters", "state"],  # no trial has a latency
        ),
    ],
)
def test_other_objectives_and_what_constraints_are_on_are_next_to_the_best_value(
    given: Objectives | None, columns: list[str]
) -> None:
    metrics = {"best_value": 0.5, "parameters": 9.0, "best.f1_1": 0.5, "best.seconds": 1.0}
    (row,) = rows_of([run({"model.units": "3"}, metrics, trial="0")])
    found = columns_of(row, given)
    assert found[: len(columns)] == columns
    assert found[len(columns)] == "units"
    assert found[-1] == "reason"


def test_no_param_has_the_name_of_a_measure() -> None:
    (row,) = rows_of([run({"model.latency": "3"}, {"latency": 0.5, "parameters": 9.0})])
    assert (row["model.latency"], row["latency"], row["parameters"]) == (3, 0.5, 9)


@pytest.mark.parametrize(
    ("by", "order"), [("x", [1, 2, 0, 3]), ("-x", [0, 2, 1, 3]), ("-trial", [3, 2, 1, 0])]
)
def test_order_by_a_column(by: str, order: list[int]) -> None:
    values = (9, 1.5, True, None)
    rows = [trial(n, "COMPLETE", 0.0, x=value) for n, value in enumerate(values)]
    rows[2]["x"] = 2
    assert [row["trial"] for row in ordered(rows, by)] == order


def test_words_are_ordered_too() -> None:
    rows = [trial(n, "COMPLETE", 0.0, x=value) for n, value in enumerate(("b", "a", 3))]
    assert [row["x"] for row in ordered(rows, "x")] == [3, "a", "b"]


def test_an_unknown_column_is_refused_with_the_nearest() -> None:
    rows = [trial(0, "COMPLETE", 0.5, units=3, epochs=None)]
    with pytest.raises(NotFoundError, match=r"no column unit; columns are trial.*mean units\?"):
        ordered(rows, "unit")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([0.25, 0.5, 0.75], "a is best: 0.2500, 0.25 ahead of b (0.5000)"),
        ([0.25], "a is best: 0.2500"),
        ([], ""),
    ],
)
def test_the_winner_and_its_margin(values: list[float], sentence: str) -> None:
    assert describe_winner(["a", "b", "c"], values) == sentence
