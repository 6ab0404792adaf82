import pytest

from rnnexp.orders import Order, Orders, plain, target_of, text_problem

GIVEN = {"by": "rnnexp stop", "who": "ann@laptop", "when": "2026-11-26 12:00:00"}
SOURCE = "by rnnexp stop (ann@laptop, 2026-11-26 12:00:00)"


def orders(**given: str) -> Orders:
    """Orders by what they are for; those to trial 7 have the name ``t7``."""
    names = {name: name[1:] if name[1:].isdecimal() else name for name in given}
    return Orders({names[name]: Order(what, **GIVEN) for name, what in given.items()})


@pytest.mark.parametrize(
    ("text", "is_of_trial", "problem"),
    [
        ("stop", False, None),
        (" Pause", True, None),
        ("resume", True, None),
        ("Trials = 40", False, None),
        ("trials=40", True, "trials=40 is no order to a trial: give one of stop, pause, resume"),
        ("halt", True, "halt is no order to a trial: give one of stop, pause, resume"),
        ("trials=0", False, "trials=0 is no order to a study"),
        ("trials=-1", False, "trials=-1 is no order to a study"),
        ("trials=1.5", False, "trials=1.5 is no order to a study"),
        ("trials=", False, "trials= is no order to a study"),
        ("epochs=40", False, "epochs=40 is no order to a study"),
        ("", False, " is no order to a study: give one of stop, pause, resume, or trials=40"),
    ],
)
def test_which_texts_are_orders(text: str, is_of_trial: bool, problem: str | None) -> None:
    found = text_problem(plain(text), is_of_trial=is_of_trial)
    assert (found or "").startswith(problem or "")
    assert (found is None) == (problem is None)


@pytest.mark.parametrize(
    ("text", "number", "target"), [("stop", None, "study"), ("stop", 7, "7"),
    ("trials=40", None, "trials")],
)  # fmt: skip
def test_what_an_order_is_for(text: str, number: int | None, target: str) -> None:
    assert target_of(text, number) == target


@pytest.mark.parametrize(
    ("given", "ends", "pauses"),
    [
        ({}, None, None),
        ({"t7": "stop"}, f"stopped {SOURCE}", None),
        ({"t7": "pause"}, None, SOURCE),
        ({"t7": "resume"}, None, None),
        ({"t8": "stop"}, None, None),
        ({"study": "stop"}, None, f"the study was stopped {SOURCE}"),
        ({"study": "pause"}, None, f"the study was paused {SOURCE}"),
        ({"study": "resume", "t7": "pause"}, None, SOURCE),
        ({"study": "pause", "t7": "resume"}, None, f"the study was paused {SOURCE}"),
        ({"study": "pause", "t7": "stop"}, f"stopped {SOURCE}", None),
        ({"trials": "trials=3"}, None, None),
    ],
)
def test_what_a_running_trial_is_to_do(
    given: dict[str, str], ends: str | None, pauses: str | None
) -> None:
    assert orders(**given).reasons(7) == (ends, pauses)


@pytest.mark.parametrize(
    ("given", "study", "budget"),
    [
        ({}, None, {}),
        ({"study": "resume"}, None, {}),
        ({"study": "stop", "trials": "trials=40"}, "stop", {"n_trials": 40}),
        ({"study": "pause", "t7": "stop"}, "pause", {}),
    ],
)
def test_what_a_sweep_is_to_do(
    given: dict[str, str], study: str | None, budget: dict[str, int]
) -> None:
    found = orders(**given)
    assert (found.study.what if found.study else None) == study
    assert found.budget == budget


def test_an_order_says_by_whom_it_was_given() -> None:
    assert str(Order("trials=40", **GIVEN)) == f"trials=40 {SOURCE}"
    order = Order("pause", **GIVEN)
    assert str(order) == f"paused {SOURCE}"
    assert Order.from_json(order.to_json()) == order
