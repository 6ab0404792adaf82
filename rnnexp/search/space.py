"""Hydra's sweep grammar <-> Optuna's distributions.

| override                         | distribution                                        |
|----------------------------------|-----------------------------------------------------|
| ``a=x,y`` or ``a=choice(x,y)``   | categorical                                         |
| ``a=range(1,10,3)``              | int 1, 4, 7 (the end is exclusive, as in Python)     |
| ``a=range(0.1,0.5,0.1)``         | float 0.1, 0.2, 0.3, 0.4                            |
| ``a=interval(1,10)``             | float 1.0 to 10.0, both included                    |
| ``a=int(interval(1,10))``        | int 1 to 10, both included                          |
| ``a=float(range(1,4))``          | float 1.0, 2.0, 3.0                                 |
| ``a=tag(log,interval(...))``     | the same, sampled by its logarithm                  |
| anything else                    | not searched: the same for every trial              |

Grammar: https://hydra.cc/docs/advanced/override_grammar/extended/. Hydra's own Optuna sweeper reads
the grammar in the same way.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
    Sweep,
    Transformer,
)
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from rnnexp.search.dimension import Condition, Dimension, Params, Value
from rnnexp.search.quoting import as_value, in_quotes


class Groups(Protocol):
    """Knows the config groups; a config loader of Hydra's is one."""

    def get_group_options(
        self, group_name: str, results_filter: ObjectType | None = ObjectType.CONFIG
    ) -> list[str]:
        """Return the choices of a group."""


SHORT_NAMES = {"learning_rate": "lr", "embedding_size": "embedding", "batch_size": "batch"}


@dataclass(frozen=True)
class Space:
    """The searched keys of a study, and the overrides that are the same for every trial.

    Attributes:
        dimensions: The searched keys, in the order in which they are drawn: those without a
            condition, then those with a condition, each after its parent.
        fixed: Overrides that are the same for every trial.
    """

    dimensions: tuple[Dimension, ...]
    fixed: tuple[str, ...]

    @property
    def by_key(self) -> dict[str, Dimension]:
        """The dimensions by their keys."""
        return {dimension.key: dimension for dimension in self.dimensions}

    @property
    def size(self) -> int | None:
        """The number of points; None if they can't be counted."""
        if any(dimension.values() is None for dimension in self.dimensions):
            return None
        return math.prod(self._size(d) for d in self.dimensions if not d.condition)

    def _size(self, dimension: Dimension) -> int:
        """Return the number of points of a dimension and of those that depend on it."""
        below = [
            (child, child.condition)
            for child in self.dimensions
            if child.condition and child.condition.key == dimension.key
        ]
        values = dimension.values() or []
        branching = {v for _, condition in below for v in condition.values if v in values}
        return (
            len(values)
            - len(branching)
            + sum(
                math.prod(self._size(d) for d, c in below if c.holds({dimension.key: value}))
                for value in branching
            )
        )

    def holds(self, params: Mapping[str, Value]) -> bool:
        """Return whether params have a value of every dimension that applies, and no other."""
        return all(
            d.key in params and d.holds(params[d.key]) if d.applies(params) else d.key not in params
            for d in self.dimensions
        )

    def admits(self, params: Mapping[str, Value]) -> bool:
        """Return whether no value of params, some of which may be missing, is outside."""
        known = self.by_key
        return all(
            key in known and known[key].holds(value) and known[key].applies(params)
            for key, value in params.items()
        )

    def points(self, given: Mapping[str, Value] | None = None) -> list[Params]:
        """Return all points of a space that can be counted.

        Args:
            given: Values of some keys, which all points then have.
        """
        found: list[Params] = [{}]
        for d in self.dimensions:
            values = [given[d.key]] if given and d.key in given else d.values() or []
            found = [
                extended
                for params in found
                for extended in (
                    [params | {d.key: value} for value in values] if d.applies(params) else [params]
                )
            ]
        return found

    def only_applying(self, values: Mapping[str, Value]) -> Params:
        """Return the values that apply together, without those whose condition does not hold."""
        kept: Params = {}
        for d in self.dimensions:
            if d.key in values and d.applies(kept):
                kept[d.key] = values[d.key]
        return kept

    def around(self, key: str, value: Value, usual: Mapping[str, Value]) -> Params:
        """Return the usual values, changed so that one key can have a value.

        Args:
            key: The key.
            value: The key's value.
            usual: Values by key; other keys stay unset, but for the parents of ``key``.
        """
        wanted = dict(usual) | {key: value}
        while condition := self.by_key[key].condition:
            key = condition.key
            if not condition.holds(wanted):
                wanted[key] = condition.values[0]
        return self.only_applying(wanted)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The distribution of each key."""
        return {dimension.key: dimension.distribution for dimension in self.dimensions}

    def texts(self, params: Mapping[str, Value]) -> dict[str, str]:
        """Return params as texts, as they are written in overrides."""
        return {d.key: d.text(params[d.key]) for d in self.dimensions if d.key in params}

    def exact(self, params: Mapping[str, Value]) -> Params:
        """Return params without Optuna's rounding errors, as a trial gets them."""
        return {d.key: d.exact(params[d.key]) for d in self.dimensions if d.key in params}

    def overrides(self, params: Mapping[str, Value]) -> list[str]:
        """Return the overrides of the trial with these params."""
        # By the keys that there are: a trial of before a change may lack a key, or have another.
        given = (d for d in self.dimensions if d.key in params)
        return [*self.fixed, *(d.override(params[d.key]) for d in given)]


def short_name(params: Mapping[str, object]) -> str:
    """Return params in short, for people: ``lr=0.0031 units=64``; empty if there are none."""
    parts = []
    for key, value in params.items():
        short = f"{value:.3g}" if isinstance(value, float) else str(value)
        parts.append(f"{short_key(key)}={short}")
    return " ".join(parts)


def short_key(key: str) -> str:
    """Return the last part of a config key, or its usual short name: ``units``, ``lr``."""
    name = key.removesuffix("._target_").rpartition(".")[2]
    return SHORT_NAMES.get(name, name)


def parse(arguments: Sequence[str], groups: Groups | None = None) -> tuple[Space, list[str]]:
    """Read a search space from overrides.

    Args:
        arguments: Overrides in Hydra's grammar; of two for one key the later counts.
        groups: The config groups, needed to expand ``glob(...)`` over one.

    Returns:
        The space of all overrides that can be read, and a message for each that can't.
    """
    dimensions: dict[str, Dimension] = {}
    fixed: dict[str, str] = {}
    problems: list[str] = []
    for argument in arguments:
        try:
            override = _override(argument, groups)
            key = override.get_key_element().lstrip("+~")
            dimensions.pop(key, None)
            fixed.pop(key, None)
            if override.is_sweep_override():
                dimensions[key] = _dimension(override)
            else:
                fixed[key] = argument
        except (HydraException, ValueError) as error:
            written = in_quotes(argument)
            hint = f"; give it quotes: {written}" if written else ""
            problems.append(f"search space: {argument!r} can't be read: {error}{hint}")
    return Space(tuple(dimensions.values()), tuple(fixed.values())), problems


def read_condition(grammar: str, groups: Groups | None = None) -> Condition:
    """Read a condition, as ``model=choice(lstm,gru)`` or ``model=lstm``.

    Args:
        grammar: The parent and its values, as in an override.
        groups: The config groups, needed to expand ``glob(...)`` over one.

    Raises:
        ValueError: If the condition can't be read.
    """
    try:
        override = _override(grammar, groups)
        if override.is_delete():
            raise ValueError("a key that is removed has no value")
        key = override.get_key_element().lstrip("+")
        if override.is_sweep_override():
            return Condition(key, tuple(_choices(override)), grammar)
        return Condition(key, (_choice(override.value())[0],), grammar)
    except HydraException as error:
        raise ValueError(str(error)) from error


def _override(text: str, groups: Groups | None) -> Override:
    override = OverridesParser.create().parse_override(text)
    override.config_loader = cast("ConfigLoader", groups)  # Hydra asks it for the groups only
    return override


def _dimension(override: Override) -> Dimension:
    full, grammar = override.get_key_element(), override.get_value_string()
    key = full.lstrip("+")
    prefix = full.removesuffix(key)
    sweep = override.value()
    if override.is_delete():
        raise ValueError("a key that is removed can't be searched")
    if isinstance(sweep, Sweep) and (unknown := sorted(sweep.tags - {"log"})):
        raise ValueError(f"unknown tag {', '.join(unknown)}; the only tag is log")
    if isinstance(sweep, IntervalSweep):
        return Dimension(key, prefix, _interval(sweep), grammar)
    if isinstance(sweep, Sweep) and "log" in sweep.tags:
        raise ValueError("only an interval can be searched by its logarithm")
    if isinstance(sweep, RangeSweep):
        return Dimension(key, prefix, _range(sweep), grammar)
    texts = _choices(override)
    return Dimension(key, prefix, CategoricalDistribution(tuple(texts)), grammar, texts)


def _choices(override: Override) -> dict[Value, str]:
    texts: dict[Value, str] = {}
    for element in override.sweep_iterator(transformer=Transformer.identity):
        value, text = _choice(element)
        if value in texts:
            # 1, 1.0 and true are equal in Python, and so they are one choice to Optuna.
            raise ValueError(f"the choices {texts[value]} and {text} are equal")
        texts[value] = text
    if not texts:
        raise ValueError("there is nothing to choose from")
    return texts


def _choice(element: Any) -> tuple[Value, str]:
    """Return a choice as a value for Optuna, and as it is written in an override."""
    if isinstance(element, QuotedString):
        element = element.text
    text = str(Transformer.str(element))
    if not isinstance(element, str):
        return (element if isinstance(element, Value) else text), text
    return element, as_value(element)  # Hydra has removed the quotes


def _interval(sweep: IntervalSweep) -> BaseDistribution:
    low, high = sweep.start, sweep.end
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("both ends of an interval must be finite numbers")
    if low > high:
        raise ValueError(f"the interval begins at {low}, after its end {high}")
    log = "log" in sweep.tags
    if log and low <= 0:
        raise ValueError(f"a logarithmic interval must begin above 0, not at {low}")
    distribution: Callable[..., BaseDistribution] = FloatDistribution
    if isinstance(low, int) and isinstance(high, int):
        distribution = IntDistribution
    return distribution(low, high, log=log)


def _range(sweep: RangeSweep) -> BaseDistribution:
    start, stop, step = sweep.start, sweep.stop, sweep.step
    if start is None or stop is None:
        raise ValueError("a range must have a start and an end")
    if step == 0:
        raise ValueError("a range can't have the step 0")
    # As decimals: in floats 0.9 is more than 3 * 0.3, and the end would be included.
    first, end, width = (Decimal(str(number)) for number in (start, stop, step))
    count = math.ceil((end - first) / width)
    if count < 1:
        raise ValueError("the range is empty: its end is exclusive")
    low, high = sorted((first, first + (count - 1) * width))
    if isinstance(start, int) and isinstance(stop, int) and isinstance(step, int):
        return IntDistribution(int(low), int(high), step=abs(step))
    return FloatDistribution(float(low), float(high), step=float(abs(width)))
