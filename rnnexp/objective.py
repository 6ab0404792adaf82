"""The one rule of "better", which everything that ranks values asks."""

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

K = TypeVar("K", bound=Hashable)

_MODES: dict[str, Literal["min", "max"]] = {"minimize": "min", "maximize": "max"}


@dataclass(frozen=True)
class Objective:
    """What a search optimizes, and which of two values is better.

    Example:
        >>> objective = Objective.parse("min val_loss")
        >>> objective.is_better(0.31, than=0.35)
        True
        >>> objective.best({0: 0.5, 1: float("nan"), 2: 0.4})
        (2, 0.4)

    Attributes:
        monitor: Name of the value in Keras's epoch logs, such as ``val_loss``.
        mode: ``min`` or ``max``.
    """

    monitor: str
    mode: Literal["min", "max"]

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Read an objective as `str` writes it, such as ``min val_loss``.

        Raises:
            ValueError: If the text is not a mode followed by a name.
        """
        mode, _, monitor = text.partition(" ")
        if mode not in ("min", "max") or not monitor:
            raise ValueError(f"objective {text!r}: must be such as 'min val_loss'")
        return cls(monitor, mode)  # type: ignore[arg-type]  # mypy doesn't narrow by a tuple

    @classmethod
    def of_direction(cls, direction: str, monitor: str = "value") -> "Objective":
        """Make the objective of an Optuna study.

        Args:
            direction: ``minimize`` or ``maximize``.
            monitor: Name of the study's value, if it is known.
        """
        return cls(monitor, _MODES[direction])

    def __str__(self) -> str:
        """Write the objective as it is stored: ``min val_loss``."""
        return f"{self.mode} {self.monitor}"

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """The direction of an Optuna study with this objective."""
        return "minimize" if self.mode == "min" else "maximize"

    @property
    def sign(self) -> Literal[1, -1]:
        """The factor that turns a value into a loss, of which less is better."""
        return 1 if self.mode == "min" else -1

    def is_better(self, value: float | None, than: float | None, min_delta: float = 0.0) -> bool:
        """Return whether ``value`` improves on ``than``.

        None, NaN and infinity never do; any finite number improves on None, NaN and infinity.

        Args:
            value: The new value.
            than: The old value.
            min_delta: The smallest improvement that does not count yet.
        """
        if value is None or not math.isfinite(value):
            return False
        if than is None or not math.isfinite(than):
            return True
        return self.margin(value, than) > min_delta

    def margin(self, value: float, over: float) -> float:
        """Return by how much ``value`` is better than ``over``; negative if it is worse."""
        return self.sign * (over - value)

    def sort_key(self, value: float | None) -> float:
        """Return a key that sorts values with the best first; None, NaN and infinity come last."""
        return math.inf if value is None or not math.isfinite(value) else self.sign * value

    def best(self, values: Mapping[K, float]) -> tuple[K, float] | None:
        """Return the first epoch (or other key) with the best value, and that value.

        Args:
            values: Values by epoch; epochs may be missing, values may be NaN.

        Returns:
            The key and the value; None if no value is finite.
        """
        best: tuple[K, float] | None = None
        for key, value in values.items():
            if self.is_better(value, best[1] if best else None):
                best = key, value
        return best
