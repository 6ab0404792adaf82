import pytest

from rnnexp.result import Result, State
from rnnexp.sweep.budget import Budget


def ended(*values: float | None) -> list[Result]:
    """Results: a number completed, None was pruned."""
    return [
        Result(State.PRUNED, 0.0) if value is None else Result(State.COMPLETE, value)
        for value in values
    ]


def budget(**given: object) -> Budget:
    unlimited = {"n_trials": None, "timeout": None, "patience": None, "min_delta": 0.0}
    return Budget(**({**unlimited, "direction": "minimize"} | given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "results", "running", "seconds", "reason"),
    [
        ({"n_trials": 3}, ended(1.0), 1, 9.0, None),
        ({"n_trials": 3}, ended(1.0), 2, 9.0, "n_trials=3"),
        ({"n_trials": 3}, ended(1.0, None, 1.0), 0, 9.0, "n_trials=3"),
        ({"timeout": 10.0}, ended(1.0), 2, 9.9, None),
        ({"timeout": 10.0}, ended(1.0), 2, 10.0, "timeout=10 seconds"),
        ({"patience": 2}, ended(1.0, 1.0), 1, 9.0, None),
        ({"patience": 2}, ended(1.0, 1.0, 1.0), 1, 9.0, "patience=2"),
        ({"patience": 2}, ended(1.0, None, None), 1, 9.0, "patience=2"),  # weak trials count
        ({"patience": 2}, ended(None, None, None), 1, 9.0, None),  # there is no best yet
        ({"patience": 2}, ended(1.0, 1.1, 0.9, 1.0), 1, 9.0, None),  # the count begins anew
        ({"patience": 2, "min_delta": 0.2}, ended(1.0, 0.9, 0.85), 1, 9.0, "by 0.2"),
        ({"patience": 2, "direction": "maximize"}, ended(1.0, 1.1, 1.2), 1, 9.0, None),
        ({"patience": 2, "direction": "maximize"}, ended(1.0, 0.9, 0.8), 1, 9.0, "patience=2"),
    ],
)
def test_when_it_is_spent(
    given: dict[str, object], results: list[Result], running: int, seconds: float,
    reason: str | None,
) -> None:  # fmt: skip
    spent = budget(**given).spent(results, running, seconds)
    assert (spent is None) if reason is None else (spent is not None and reason in spent)


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
