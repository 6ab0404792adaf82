"""Callbacks of a sweep's loop, as `fit` has them: display, progress, report, retention."""

from typing import Protocol

from rnnexp.result import Result


class Callback(Protocol):
    """What a loop calls; `LoopCallback` has methods that do nothing."""

    interval: float | None
    """Seconds after which `on_idle` is called again while no trial ends; None for never."""

    def on_start(self) -> None:
        """Begin, before the first trial."""

    def on_idle(self) -> None:
        """Do what no slot may wait for: called when all slots are filled."""

    def on_trial_end(self, number: int, result: Result) -> None:
        """Take note of a trial that has ended, or is paused."""

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
