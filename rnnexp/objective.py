"""The one rule of "better", read by everything that compares values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Objective:
    """What a search optimizes.

    Attributes:
        monitor: Name of the value in Keras's epoch logs, such as ``val_loss``.
        mode: ``min`` or ``max``.
    """

    monitor: str
    mode: Literal["min", "max"]

    @classmethod
    def of_study(cls, direction: str) -> "Objective":
        """What a study of any application optimizes: its value, by ``minimize`` or ``maximize``."""
        return cls("value", "min" if direction == "minimize" else "max")

    def is_better(self, value: float, than: float | None, min_delta: float = 0.0) -> bool:
        """Whether ``value`` improves on ``than``.

        NaN and infinity never do, any number improves on None.

        Args:
            value: The new value.
            than: The old one.
            min_delta: The improvement has to be larger than this.
        """
        if not math.isfinite(value):
            return False
        if than is None:
            return True
        better_by = than - value if self.mode == "min" else value - than
        return better_by > min_delta

    def best(self, values: Mapping[int, float]) -> tuple[int, float] | None:
        """The first epoch with the best value, and that value; None if there is none.

        Args:
            values: Monitored value by epoch; epochs may be missing, values may be NaN.
        """
        best: tuple[int, float] | None = None
        for epoch, value in values.items():
            if self.is_better(value, best[1] if best else None):
                best = epoch, value
        return best
