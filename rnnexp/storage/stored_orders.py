"""The orders to the sweeps of a study, as they are stored with the study.

Each is an attribute of its own, so that two that come at the same moment don't overwrite each
other.
"""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from rnnexp.orders import STUDY, TRIALS, Order, Orders, target_of
from rnnexp.storage.schema import StudyAttrs

if TYPE_CHECKING:
    import optuna


def read_orders(study: "optuna.Study") -> Orders:
    """Return the orders that a study has, by one statement where it is in a database server."""
    from rnnexp.storage.sparing_storage import sparing

    if backend := sparing(study._storage):  # in place of all attributes of the study
        attrs = backend.study_user_attrs(study._study_id, StudyAttrs.STEER)
    else:
        attrs = study.user_attrs
    return Orders(
        {
            name.removeprefix(StudyAttrs.STEER): Order.from_json(stored)
            for name, stored in attrs.items()
            if name.startswith(StudyAttrs.STEER) and stored
        }
    )


def give_order(study: "optuna.Study", text: str, number: int | None, *, by: str, who: str) -> Order:
    """Store an order, in place of an earlier one to the same.

    Args:
        study: The study.
        text: The order, in its plain form.
        number: The trial's number; None for an order to the study.
        by: What gives the order.
        who: Who gives the order.

    Returns:
        The order.
    """
    order = Order(text, by, who, f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}")
    target = target_of(text, number)
    study.set_user_attr(f"{StudyAttrs.STEER}{target}", order.to_json())
    return order


def keep_done(study: "optuna.Study", number: int, order: Order) -> None:
    """Store that an order to a trial was obeyed; it stays, so that it is noted in the trial's run.

    Args:
        study: The study.
        number: The trial's number.
        order: The order.
    """
    done = replace(order, is_done=True)
    study.set_user_attr(f"{StudyAttrs.STEER}{number}", done.to_json())


def forget_orders(study: "optuna.Study") -> None:
    """Remove the orders to the whole study, which a sweep that begins alone does not obey."""
    given = read_orders(study).given
    for target in (STUDY, TRIALS):
        if target in given:
            study.set_user_attr(f"{StudyAttrs.STEER}{target}", None)


def trial_problem(study: "optuna.Study", number: int) -> str | None:
    """Return why a trial can obey no order; None if it can.

    Args:
        study: The study.
        number: The trial's number.
    """
    trials = study.get_trials(deepcopy=False)
    name = f"trial {number} of study {study.study_name}"
    if number >= len(trials):
        known = f"0 to {len(trials) - 1}" if trials else "none yet"
        return f"there is no {name}; there are {known}"
    trial = trials[number]
    if trial.state.is_finished():
        return f"{name} has ended ({trial.state.name})"
    return None if trial.state.name == "RUNNING" else f"{name} has not begun"
