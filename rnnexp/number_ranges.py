"""Ranges that numbers of a config must be in, and the message on one that is not."""

import math
from dataclasses import dataclass
from typing import TypeGuard


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a number; ``true`` and ``false`` are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True)
class Range:
    """A range of numbers; ``true`` and ``false`` are no numbers.

    Attributes:
        low: The lower end.
        high: The upper end.
        is_whole: Whether only whole numbers are in the range.
        excludes_low: Whether the lower end is not in the range.
        excludes_high: Whether the upper end is not in the range.
    """

    low: float
    high: float = math.inf
    is_whole: bool = False
    excludes_low: bool = False
    excludes_high: bool = False

    def __contains__(self, value: object) -> bool:
        if not is_number(value) or (self.is_whole and not isinstance(value, int)):
            return False
        above = value > self.low if self.excludes_low else value >= self.low
        below = value < self.high if self.excludes_high else value <= self.high
        return math.isfinite(value) and above and below

    def __str__(self) -> str:
        """Describe the range, to follow "must be"."""
        number = "a whole number" if self.is_whole else "a number"
        low, high = _plain(self.low), _plain(self.high)
        if math.isinf(self.high):
            return f"{number}, {'more than' if self.excludes_low else 'at least'} {low}"
        if self.excludes_low and self.excludes_high:
            return f"{number} between {low} and {high}, both excluded"
        return f"{number} from {low}, {'below' if self.excludes_high else 'up to'} {high}"

    def problems(self, key: str, value: object, hint: str = "") -> list[str]:
        """Return what is wrong with the value of a config key.

        Args:
            key: The key, for the message.
            value: The value.
            hint: The end of the message, such as ``, or null for no limit``.

        Returns:
            One message; none if the value is in the range.
        """
        if value in self:
            return []
        is_infinite = isinstance(value, float) and not math.isfinite(value)
        return [f"{key}={value}: must be {self}{', and finite' if is_infinite else ''}{hint}"]


def _plain(end: float) -> str:
    is_short = float(end).is_integer() and abs(end) < 1e15
    return str(int(end)) if is_short else f"{end:g}"


COUNT = Range(1, is_whole=True)
WHOLE = Range(0, is_whole=True)
NOT_NEGATIVE = Range(0)
POSITIVE = Range(0, excludes_low=True)
UNIT = Range(0, 1)
SHARE = Range(0, 1, excludes_low=True, excludes_high=True)
FRACTION = Range(0, 1, excludes_high=True)
