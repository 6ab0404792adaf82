import pytest

from rnnexp.constraints import Constraint
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.result import Result, State
from rnnexp.sweep.budget import Budget, too_many_failed
from tests.helpers.commands import Command

NO_BETTER = "no improvement in the last 2 trials (patience=2)"


def ended(*values: float | None) -> list[Result]:
    """Results: a number completed, None was pruned."""
    return [
        Result(State.PRUNED, 0.0) if value is None else Result(State.COMPLETE, value)
        for value in values
    ]


def budget(**given: object) -> Budget:
    mode = given.pop("mode", "min")
    return Budget(Objectives(Objective("value", mode)), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "results", "running", "seconds", "reason"),
    [
        ({"n_trials": 3}, ended(1.0), 1, 9.0, None),
        ({"n_trials": 3}, ended(1.0), 2, 9.0, "all 3 trials have run (n_trials=3)"),
        ({"n_trials": 3}, ended(1.0, None, 1.0), 0, 9.0, "all 3 trials have run (n_trials=3)"),
        ({"timeout": 10.0}, ended(1.0), 2, 9.9, None),
        ({"timeout": 10.0}, ended(1.0), 2, 10.0, "10 seconds have passed (timeout=10)"),
        ({"patience": 2}, ended(1.0, 1.0), 1, 9.0, None),
        (
            {"patience": 2},
            ended(1.0, 1.0, 1.0),
            1,
            9.0,
            "no improvement in the last 2 trials (patience=2)",
        ),
        (
            {"patience": 2},
            ended(1.0, None, None),
            1,
            9.0,
            "no improvement in the last 2 trials (patience=2)",
        ),  # weak trials count
        ({"patience": 2}, ended(None, None, None), 1, 9.0, None),  # there is no best yet
        ({"patience": 2}, ended(1.0, 1.1, 0.9, 1.0), 1, 9.0, None),  # the count begins anew
        (
            {"patience": 2, "min_delta": 0.2},
            ended(1.0, 0.9, 0.85),
            1,
            9.0,
            "no improvement of more than 0.2 in the last 2 trials (patience=2)",
        ),
        ({"patience": 2, "mode": "max"}, ended(1.0, 1.1, 1.2), 1, 9.0, None),
        (
            {"patience": 2, "mode": "max"},
            ended(1.0, 0.9, 0.8),
            1,
            9.0,
            "no improvement in the last 2 trials (patience=2)",
        ),
    ],
)  # fmt: skip
def test_when_it_is_spent(
    given: dict[str, object], results: list[Result], running: int, seconds: float,
    reason: str | None,
) -> None:  # fmt: skip
    limits = budget(**given)
    spent = limits.over(seconds, epochs=0) or limits.spent(results, running)
    assert spent == reason


@pytest.mark.parametrize(
    ("given", "ended", "running", "seconds", "left"),
    [
        ({"n_trials": 10}, 0, 2, 5.0, None),  # nothing is known yet
        ({"n_trials": 10}, 5, 0, 50.0, 50.0),
        ({"n_trials": 10}, 4, 2, 50.0, 50.0),
        ({"timeout": 60.0}, 4, 2, 50.0, 10.0),
        ({"timeout": 60.0, "n_trials": 10}, 4, 2, 50.0, 10.0),
        ({"patience": 3}, 4, 2, 50.0, None),
        ({"timeout": 60.0}, 4, 2, 61.0, 0.0),
    ],
)
def test_how_much_time_is_left(
    given: dict[str, object], ended: int, running: int, seconds: float, left: float | None
) -> None:
    assert budget(**given).seconds_left(ended, running, seconds) == left


def test_a_resumed_study_counts_its_own_speed() -> None:
    assert budget(n_trials=10).seconds_left(6, 0, 20.0, before=4) == 40.0
    assert budget(n_trials=10).seconds_left(4, 2, 20.0, before=4) is None


@pytest.mark.parametrize(
    ("limit", "spent", "reason"),
    [
        (None, 9.0, None),
        (2.0, 1.99, None),
        (2.0, 2.0, "2 core-hours have been spent (core_hours=2)"),
        (0.5, 2.3456, "2.35 core-hours have been spent (core_hours=0.5)"),
    ],
)
def test_core_hours(limit: float | None, spent: float, reason: str | None) -> None:
    assert budget(core_hours=limit).over(9.0, epochs=5, core_hours=spent) == reason


OK, PRUNED, FAIL = State.COMPLETE, State.PRUNED, State.FAIL


@pytest.mark.parametrize(
    ("states", "rate", "stops"),
    [
        ([], 0.0, False),
        ([FAIL] * 4, 0.0, False),  # too few to judge
        ([FAIL] * 5, 0.0, True),
        ([FAIL] * 5, 1.0, False),
        ([FAIL] * 5 + [OK] * 5, 0.5, False),
        ([FAIL] * 6 + [OK] * 5, 0.5, True),
        ([FAIL] * 20 + [OK] * 11, 0.5, False),  # only the last 20 count
        ([PRUNED] * 15 + [FAIL] * 5, 0.2, True),
        ([PRUNED] * 16 + [FAIL] * 5, 0.25, False),
    ],
)
def test_too_many_failed(states: list[State], rate: float, stops: bool) -> None:
    assert bool(too_many_failed(states, rate)) is stops


def test_the_message_on_too_many_failed_trials() -> None:
    assert too_many_failed([OK] * 2 + [FAIL] * 6, 0.5) == (
        "stopped after 8 trials: 6 of the last 8 failed, more than max_failure_rate=0.5; the "
        "traceback of each is in its MLflow run"
    )


def test_core_hours_of_a_sweep_and_its_resume(app: Command) -> None:
    limits = ("hydra.sweeper.core_hours=1e-9", "hydra.sweeper.n_trials=5")
    ended = app("-m", "hydra.sweeper.study_name=s", *limits)
    again = app("-m", "hydra.sweeper.resume=s", *limits, path=ended.path)
    for each in (ended, again):
        assert each.code == 0, each.err
        assert "core-hours have been spent (core_hours=1e-09)" in each.out
    assert len(again.study("s").trials) == 1


def of(value: float, size: float) -> Result:
    return Result(State.COMPLETE, value, measures={"size": size})


@pytest.mark.parametrize(
    ("results", "is_spent"),
    [
        ([of(0.5, 9), of(0.6, 9), of(0.7, 9)], True),
        ([of(0.5, 9), of(0.6, 9), of(0.7, 8)], False),  # it comes to the Pareto front
        ([of(0.5, 9), of(0.6, 8), of(0.7, 8)], False),
        ([of(0.5, 9), of(0.6, 8), of(0.7, 8), of(0.6, 8.5)], True),
        ([of(0.5, 9), of(0.1, 99), of(0.1, 98)], True),  # neither is feasible
    ],
)
def test_patience_with_several_objectives(results: list[Result], is_spent: bool) -> None:
    size = Objective("size", "min")
    objectives = Objectives(Objective("value", "min"), (size,), (Constraint.parse("size < 50"),))
    assert bool(Budget(objectives, patience=2).spent(results, 0)) is is_spent
