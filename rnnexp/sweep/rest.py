"""The rest of a sweep while a user has paused its study: how long, and what the log says of it."""

import logging
import shlex
import time

from rnnexp.orders import Action, Order

log = logging.getLogger(__name__)

LOOK = 1.0  # seconds between two looks at the study meanwhile


class Rest:
    """Whether a study is paused, and the time that its sweep has run apart from that.

    Args:
        study: The study's name.
    """

    def __init__(self, study: str) -> None:
        self._study = study
        self._began = time.monotonic()
        self._since: float | None = None
        self._order: Order | None = None

    @property
    def is_on(self) -> bool:
        """Whether the study is paused."""
        return self._since is not None

    @property
    def is_over(self) -> bool:
        """Whether the study was stopped, so that nothing more begins."""
        return self._order is not None and not self.is_on

    @property
    def seconds(self) -> float:
        """The seconds that count for the budget: how long the sweep has run without its rest."""
        now = time.monotonic() if self._since is None else self._since
        return now - self._began

    def note(self, order: Order | None) -> None:
        """Take note of the order that the study has; an order that is new is logged.

        Args:
            order: The order by which the study is paused, or stops; None if it goes on.
        """
        is_paused = order is not None and order.what == Action.PAUSE
        if order != self._order:
            hint = f"; to go on: rnnexp resume {shlex.quote(self._study)}" if is_paused else ""
            log.warning("the study %s%s", f"was {order}" if order else "goes on", hint)
        self._order = order
        if is_paused and self._since is None:
            self._since = time.monotonic()
        elif not is_paused and self._since is not None:
            self._began += time.monotonic() - self._since
            self._since = None
