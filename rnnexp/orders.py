"""Orders to a running sweep: stop, pause, resume, and another number of trials.

A command, or a tag in MLflow, stores an order with the study; the study's sweeps and jobs obey it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from rnnexp.number_ranges import COUNT

STUDY, TRIALS = "study", "trials"  # what an order is for, else a trial's number
CHOICES = "stop, pause, resume"


class Action(StrEnum):
    """What a study, or a trial, is told to do."""

    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"


_DONE = {Action.STOP: "stopped", Action.PAUSE: "paused", Action.RESUME: "resumed"}


@dataclass(frozen=True)
class Order:
    """An order, as it is stored.

    Attributes:
        what: An `Action`, or ``trials=40``.
        by: What has given it, such as ``rnnexp stop``.
        who: Who has given it, such as ``ann@laptop``.
        when: The time, as text.
        is_done: Whether it was obeyed once and for all.
    """

    what: str
    by: str
    who: str
    when: str
    is_done: bool = False

    def __str__(self) -> str:
        """Describe the order as the reason for what it has led to."""
        done = _DONE[Action(self.what)] if self.what in list(Action) else self.what
        return f"{done} {self.source}"

    @property
    def source(self) -> str:
        """By what, by whom and when the order was given."""
        return f"by {self.by} ({self.who}, {self.when})"

    @property
    def n_trials(self) -> int | None:
        """The number of trials that is ordered; None if none is."""
        name, _, number = self.what.partition("=")
        return int(number) if name == TRIALS else None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        return cls(**stored)


def plain(text: str) -> str:
    """Return the text of an order in its plain form: ``Trials = 40`` is ``trials=40``."""
    return "".join(text.split()).lower()


def text_problem(text: str, *, is_of_trial: bool) -> str | None:
    """Return why a text is no order; None if it is one.

    Args:
        text: The text, in its plain form.
        is_of_trial: Whether it is for a trial, else for the study.
    """
    if text in list(Action):
        return None
    if is_of_trial:
        return f"{text} is no order to a trial: give one of {CHOICES}"
    name, _, number = text.partition("=")
    if name == TRIALS and number.isascii() and number.isdecimal() and int(number) in COUNT:
        return None
    return f"{text} is no order to a study: give one of {CHOICES}, or {TRIALS}=40"


def target_of(text: str, number: int | None) -> str:
    """Return what an order is for: a trial, the study's number of trials, or the study.

    Args:
        text: The order, in its plain form.
        number: The trial's number; None for an order to the study.
    """
    if number is not None:
        return str(number)
    return STUDY if text in list(Action) else TRIALS


@dataclass(frozen=True)
class Orders:
    """The orders that a study has; of two for the same, the later.

    Attributes:
        given: The orders, by what they are for.
    """

    given: Mapping[str, Order]

    @property
    def study(self) -> Order | None:
        """The order by which the study stops, or is paused; None if it goes on."""
        order = self.given.get(STUDY)
        return order if order and order.what != Action.RESUME else None

    @property
    def is_stopped(self) -> bool:
        """Whether the study stops."""
        return self.study is not None and self.study.what == Action.STOP

    @property
    def n_trials(self) -> int | None:
        """The number of trials that was ordered; None if the sweep's own counts."""
        return self.given[TRIALS].n_trials if TRIALS in self.given else None

    @property
    def budget(self) -> dict[str, float | None]:
        """The limits of the sweep that an order replaces, by name."""
        return {} if self.n_trials is None else {"n_trials": self.n_trials}

    def trials_to(self, action: Action) -> dict[int, Order]:
        """Return the orders to do something that trials have to obey yet, by their numbers."""
        return {
            int(target): order
            for target, order in self.given.items()
            if target.isdecimal() and order.what == action and not order.is_done
        }

    def reasons(self, number: int) -> tuple[str | None, str | None]:
        """Return why a running trial ends, and why it pauses; None for what it is not to do.

        Args:
            number: The trial's number.
        """
        own = self.given.get(str(number))
        if own and own.what == Action.STOP:
            return str(own), None
        if self.study:
            return None, f"the study was {self.study}"
        return None, own.source if own and own.what == Action.PAUSE else None
