"""One searched key: the distribution of its values, and the condition under which it applies."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from rnnexp.number_ranges import is_number
from rnnexp.search.quoting import as_value

Value = str | int | float | bool | None
Params = dict[str, Value]  # a point of the space: values by searched key

NUMBERS = 8  # of so many numbers to choose from, each is checked before trial 0


@dataclass(frozen=True)
class Condition:
    """The condition of a dimension: its parent has one of some values.

    Attributes:
        key: The parent's config key or group.
        values: The parent's values under which the dimension is searched.
        grammar: The condition as it was given, in Hydra's grammar.
    """

    key: str
    values: tuple[Value, ...]
    grammar: str

    def holds(self, params: Mapping[str, Value]) -> bool:
        """Return whether the parent has one of the values in these params."""
        return self.key in params and params[self.key] in self.values


@dataclass(frozen=True)
class Dimension:
    """One searched key.

    Attributes:
        key: The config key or group.
        prefix: ``+`` or ``++`` if it was given one, else empty.
        distribution: The distribution that values are drawn from.
        grammar: The range or choice as it was given, in Hydra's grammar.
        texts: Of a categorical, each choice as it is written in an override.
        condition: When the key is searched; None for always.
        stored: The distribution that Optuna stores for the key, if it has more choices than are
            searched: those that the study has searched before.
    """

    key: str
    prefix: str
    distribution: BaseDistribution
    grammar: str
    texts: Mapping[Value, str] = field(default_factory=dict)
    condition: Condition | None = None
    stored: CategoricalDistribution | None = None

    def __str__(self) -> str:
        """Describe how the key is searched: ``interval(0.0, 0.5) when model=lstm``."""
        return f"{self.grammar} when {self.condition.grammar}" if self.condition else self.grammar

    def applies(self, params: Mapping[str, Value]) -> bool:
        """Return whether the key is searched, given params that have its parent's value."""
        return self.condition is None or self.condition.holds(params)

    def exact(self, value: Value) -> Value:
        """Return a value without the rounding error of Optuna, where 0.1 + 2 * 0.1 is not 0.3."""
        distribution = self.distribution
        if not isinstance(distribution, FloatDistribution) or not distribution.step:
            return value
        if not isinstance(value, float):
            raise TypeError(f"{self.key} is a float, not {value!r}")
        low, step = distribution.low, distribution.step
        steps = round((value - low) / step)
        exact = float(Decimal(str(low)) + steps * Decimal(str(step)))
        return exact if _is_near(exact, value, step) else value  # of a range that has changed since

    def text(self, value: Value) -> str:
        """Return a value as it is written in an override, exact to the last digit."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.texts[value] if value in self.texts else _written(value)
        return str(self.exact(value))

    def override(self, value: Value) -> str:
        """Return the override that sets the key to a value."""
        return f"{self.prefix}{self.key}={self.text(value)}"

    def values(self) -> Sequence[Value] | None:
        """Return all values, as Optuna has them; None if they can't be counted."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices
        if isinstance(distribution, IntDistribution):
            return range(distribution.low, distribution.high + 1, distribution.step)
        if isinstance(distribution, FloatDistribution) and distribution.step:
            low, step = distribution.low, distribution.step
            return [low + n * step for n in range(round((distribution.high - low) / step) + 1)]
        return None

    def stored_as(self, value: Value) -> BaseDistribution:
        """Return the distribution that Optuna stores with a value, which need not be searched now.

        Raises:
            ValueError: If the value is not of the kind that is searched.
        """
        distribution = self.stored or self.distribution
        if isinstance(distribution, CategoricalDistribution) or self.holds(value):
            distribution.to_internal_repr(value)  # raises for a choice that is not there
            return distribution
        if not is_number(value):
            raise ValueError(f"{value} is not a number")
        if isinstance(distribution, IntDistribution):
            if value != int(value):
                raise ValueError(f"{value} is not a whole number")
            return IntDistribution(int(value), int(value), log=distribution.log)
        if isinstance(distribution, FloatDistribution):
            return FloatDistribution(value, value, log=distribution.log)
        raise TypeError(f"no values for {distribution!r}")

    def holds(self, value: object) -> bool:
        """Return whether a value is one of the searched values."""
        distribution, values = self.distribution, self.values()
        if isinstance(distribution, FloatDistribution):
            if not is_number(value):
                return False
            if values is not None and (step := distribution.step):
                return any(_is_near(value, float(known or 0), step) for known in values)
            return distribution.low <= value <= distribution.high
        is_bool = isinstance(value, bool) and isinstance(distribution, IntDistribution)
        return values is not None and value in values and not is_bool

    def probes(self) -> list[Value]:
        """Return values that represent all others: the choices, or both ends of a range.

        The least and the greatest of many numbers stand for all, as those of a range do, with a few
        between them. Otherwise each more to choose from would prolong the check before trial 0.
        """
        if isinstance(self.distribution, CategoricalDistribution):
            choices = self.distribution.choices
            left_out = {n for kind in (int, float) for n in _left_out(choices, kind)}
            return [value for n, value in enumerate(choices) if n not in left_out]
        if isinstance(self.distribution, IntDistribution | FloatDistribution):
            low, high = self.distribution.low, self.distribution.high
            return [low] if low == high else [low, high]
        raise TypeError(f"no probes for {self.distribution!r}")


def _is_near(first: float, second: float, step: float) -> bool:
    """Return whether two values of a range are equal but for the error of adding its steps.

    The error at 0 is not small beside the value, but is beside the step.
    """
    return math.isclose(first, second, abs_tol=1e-6 * step)


def _written(value: Value) -> str:
    """Return a choice that is no longer searched as it is written in an override."""
    if isinstance(value, str):
        return as_value(value)
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _left_out(choices: Sequence[Value], kind: type[int | float]) -> set[int]:
    """Return the indices of the numbers of a type that others of that type stand for."""
    # By the exact type: bool is a subclass of int. NaN and infinity stand for themselves.
    numbers = {
        n: value
        for n, value in enumerate(choices)
        if type(value) is kind and (kind is int or math.isfinite(value))
    }
    found = sorted(numbers, key=lambda n: numbers[n])
    if len(found) <= NUMBERS:
        return set()
    steps = range(NUMBERS)
    return {*found} - {found[step * (len(found) - 1) // (NUMBERS - 1)] for step in steps}
