"""Callbacks of a sweep's loop, as `fit` has them: display, progress, report, retention."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from rnnexp.result import Result
from rnnexp.storage.ended_trials import EndedTrials
from rnnexp.storage.retry import retry_transient

log = logging.getLogger(__name__)


class Callback(Protocol):
    """What a loop calls; `LoopCallback` has methods that do nothing."""

    interval: float | None
    """Seconds after which `on_idle` is called again while no trial ends; None for never."""

    def on_start(self) -> None:
        """Begin, before the first trial."""

    def on_idle(self) -> None:
        """Do what no slot may wait for: called when all slots are filled."""

    def on_trial_end(self, number: int, result: Result) -> None:
        """Take note of a trial that has ended, or is paused; its slot has the next one already."""

    def on_end(self) -> None:
        """End, after the last trial, also after an error."""


class LoopCallback:
    """A callback that does nothing: a base class."""

    interval: float | None = None

    def on_start(self) -> None:
        """Do nothing."""

    def on_idle(self) -> None:
        """Do nothing."""

    def on_trial_end(self, number: int, result: Result) -> None:
        """Do nothing."""

    def on_end(self) -> None:
        """Do nothing."""


@dataclass
class ReadTrials(LoopCallback):
    """Reads the study's trials when one has ended, once for all callbacks that come later.

    Attributes:
        trials: The trials.
    """

    trials: EndedTrials

    def on_trial_end(self, number: int, result: Result) -> None:  # noqa: ARG002
        """Read the trials."""
        self.trials.read()


@dataclass
class Calls:
    """The calls of a loop's callbacks.

    Attributes:
        callbacks: The callbacks.
    """

    callbacks: Sequence[Callback]
    _ends: list[tuple[int, Result]] = field(default_factory=list)

    def call(self, method: Callable[[Callback], None]) -> None:
        """Call each callback."""
        for callback in self.callbacks:
            retry_transient(method)(callback)

    def note(self, number: int, result: Result) -> None:
        """Take note of the end of a trial, for `tell_of_ends`."""
        self._ends.append((number, result))

    def tell_of_ends(self) -> None:
        """Call `Callback.on_trial_end` for each trial that has ended since the last time."""
        while self._ends:
            number, result = self._ends.pop(0)
            self.call(partial(_end_of_trial, number=number, result=result))

    def end(self) -> None:
        """End the callbacks, and log their errors, so that all end and the loop's error stays."""
        for callback in reversed(self.callbacks):
            try:
                callback.on_end()
            except Exception:
                log.exception("%s could not end", type(callback).__name__)


def _end_of_trial(callback: Callback, number: int, result: Result) -> None:
    callback.on_trial_end(number, result)
