"""Constraints on the values of trials, and the values that are measured next to Keras's metrics."""

import math
import operator
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

Values = Mapping[str, float]  # of a trial, by name

PARAMETERS, LATENCY, SECONDS = "parameters", "latency", "seconds"
# What this project measures of a trial, next to Keras's metrics: the number of parameters; the
# median seconds that the prediction of one row takes; the seconds of the whole trial.
MEASURED = (PARAMETERS, LATENCY, SECONDS)

_SIGNS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_GRAMMAR = re.compile(r"\s*([^\s<>=]+)\s*(<=|>=|<|>)\s*(\S+)\s*")


@dataclass(frozen=True)
class Constraint:
    """What has to hold of a value of a trial, such as ``parameters < 100000``.

    Example:
        >>> Constraint.parse("seconds<60").violation(62.0)
        2.0

    Attributes:
        name: The name of the value.
        sign: ``<``, ``<=``, ``>`` or ``>=``.
        bound: The number that the value is compared with.
    """

    name: str
    sign: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a constraint.

        Raises:
            ValueError: If the text is not a name, a sign and a finite number.
        """
        found = _GRAMMAR.fullmatch(text)
        try:
            bound = float(found[3]) if found else math.nan
        except ValueError:
            bound = math.nan
        if not found or not math.isfinite(bound):
            raise ValueError("must be such as 'parameters < 100000', with <, <=, > or >=")
        return cls(found[1], found[2], bound)

    def __str__(self) -> str:
        """Write the constraint as `parse` reads it."""
        return f"{self.name} {self.sign} {self.bound:.12g}"

    def violation(self, value: float | None) -> float:
        """Return by how much a value breaks the constraint; 0 if it does not, as without a value.

        Args:
            value: The value; NaN breaks every constraint.
        """
        if value is None or _SIGNS[self.sign](value, self.bound):
            return 0.0
        by = abs(value - self.bound)
        return sys.float_info.max if math.isnan(by) else by or sys.float_info.min

    def is_broken_for_good(self, values: Values) -> bool:
        """Return whether the constraint is broken, and no further epoch can change that."""
        only_grows = self.name in MEASURED and (self.name != SECONDS or self.sign.startswith("<"))
        return only_grows and self.violation(values.get(self.name)) > 0
