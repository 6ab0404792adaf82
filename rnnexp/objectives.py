"""Several objectives and constraints: which trials are on the Pareto front, and which one wins.

A trial is given as its values by name: that of the first objective, and whatever else was measured
of it. `rnnexp.objective` has the rule of a single objective.
"""

import math
import operator
import re
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from rnnexp.objective import Objective

K = TypeVar("K", bound=Hashable)
Values = Mapping[str, float]  # of a trial, by name

TOLERANCE = 0.01
# User attribute of a trial in Optuna, which the pruner reads; see `TrialAttrs.OTHERS`.
OTHERS = "other_objectives"
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


@dataclass(frozen=True)
class Objectives:
    """What a search optimizes, and what has to hold of its winner.

    Example:
        >>> both = Objectives(Objective("val_loss", "min"), (Objective("parameters", "min"),))
        >>> trials = {
        ...     0: {"val_loss": 0.200, "parameters": 9000},
        ...     1: {"val_loss": 0.201, "parameters": 3000},
        ...     2: {"val_loss": 0.300, "parameters": 1000},
        ...     3: {"val_loss": 0.310, "parameters": 2000},
        ... }
        >>> both.front(trials)
        [0, 1, 2]
        >>> both.order(trials)  # the winner first, then the rest of the front
        [1, 0, 2, 3]

    Attributes:
        first: The objective by which epochs are judged, and which the winner is near the best of.
        others: The other objectives, by which trials are judged.
        constraints: What has to hold of a trial.
        tolerance: The share of the best value of the first objective that the winner's may be
            worse by, if the trial is better by the second objective.
    """

    first: Objective
    others: tuple[Objective, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    tolerance: float = TOLERANCE

    @property
    def all(self) -> tuple[Objective, ...]:
        """All objectives, the first one first."""
        return (self.first, *self.others)

    @property
    def is_plain(self) -> bool:
        """Whether there is one objective, and no constraint."""
        return not (self.others or self.constraints)

    @property
    def names(self) -> list[str]:
        """The names of the values that are needed of a trial, but for the first objective's."""
        names = [*(o.monitor for o in self.others), *(c.name for c in self.constraints)]
        return [name for name in dict.fromkeys(names) if name != self.first.monitor]

    def named(self, value: float | None, measures: Values) -> dict[str, float]:
        """Return the values of a trial by name.

        Args:
            value: The value of the first objective.
            measures: The other values.
        """
        return {self.first.monitor: math.nan if value is None else value, **measures}

    def losses(self, values: Values) -> tuple[float, ...]:
        """Return the value of each objective as a loss; infinite where it is missing."""
        return tuple(each.sort_key(values.get(each.monitor)) for each in self.all)

    def violations(self, values: Values) -> dict[str, float]:
        """Return by how much each constraint is broken, by the text of the constraint."""
        return {str(each): each.violation(values.get(each.name)) for each in self.constraints}

    def is_feasible(self, values: Values) -> bool:
        """Return whether no constraint is broken."""
        return not any(self.violations(values).values())

    def broken(self, values: Values) -> str:
        """Return which constraint is broken for good, as a reason; empty if none is."""
        for each in self.constraints:
            if each.is_broken_for_good(values):
                return f"{each.name} is {values[each.name]:.6g}, which breaks {each}"
        return ""

    def dominates(self, values: Values, others: Values) -> bool:
        """Return whether a trial is as good as another by each objective, and better by one."""
        mine, its = self.losses(values), self.losses(others)
        return mine != its and all(a <= b for a, b in zip(mine, its, strict=True))

    def front(self, trials: Mapping[K, Values]) -> list[K]:
        """Return the feasible trials that no other feasible trial dominates, in their order."""
        losses = {
            key: found
            for key, values in trials.items()
            if self.is_feasible(values) and all(map(math.isfinite, found := self.losses(values)))
        }
        best: dict[K, tuple[float, ...]] = {}
        for key, own in sorted(losses.items(), key=operator.itemgetter(1)):  # none is by a later
            if not any(
                other != own and all(a <= b for a, b in zip(other, own, strict=True))
                for other in best.values()
            ):
                best[key] = own
        return [key for key in trials if key in best]

    def winner(self, trials: Mapping[K, Values]) -> K | None:
        """Return the trial of the front that wins; None if no trial is feasible.

        Of the trials of the front whose first value is within the tolerance of the best, the one
        that is best by the second objective wins. Of equal trials the earlier wins.
        """
        front = {key: self.losses(trials[key]) for key in self.front(trials)}
        if not front:
            return None
        least = min(losses[0] for losses in front.values())
        most = least + self.tolerance * abs(least)
        near = [key for key, losses in front.items() if losses[0] <= most]
        return min(near, key=lambda key: (front[key][1:], front[key][0]))

    def order(self, trials: Mapping[K, Values]) -> list[K]:
        """Return the trials, the winner first, then the front, other feasible ones, the rest."""
        if self.is_plain:
            return sorted(trials, key=lambda key: self.losses(trials[key]))
        winner, front = self.winner(trials), set(self.front(trials))

        def place(key: K) -> tuple[bool, bool, bool, float]:
            values = trials[key]
            first = self.losses(values)[0]
            return key != winner, not self.is_feasible(values), key not in front, first

        return sorted(trials, key=place)

    @property
    def rule(self) -> str:
        """The rule by which a trial wins, as a sentence without its period."""
        feasible = f" that meets {' and '.join(map(str, self.constraints))}" * bool(
            self.constraints
        )
        if not self.others:
            return f"the best trial{feasible} has the {_best(self.first)}"
        return (
            f"of the trials on the Pareto front{feasible.replace('meets', 'meet')} whose "
            f"{self.first.monitor} is within {100 * self.tolerance:.3g} % of the best, the one "
            f"with the {_best(self.others[0])} wins"
        )

    @property
    def _where(self) -> str:
        return f", where {' and '.join(map(str, self.constraints))}" if self.constraints else ""

    def to_json(self) -> dict[str, Any]:
        """Return what there is next to the first objective, as JSON can hold it."""
        return {
            "others": [str(each) for each in self.others],
            "constraints": [str(each) for each in self.constraints],
            "tolerance": self.tolerance,
        }

    @classmethod
    def from_json(cls, first: Objective, stored: Mapping[str, Any] | None) -> Self:
        """Read what `to_json` returned; None of one objective without constraints."""
        if not stored:
            return cls(first)
        return cls(
            first,
            tuple(Objective.parse(text) for text in stored["others"]),
            tuple(Constraint.parse(text) for text in stored["constraints"]),
            stored["tolerance"],
        )

    @classmethod
    def of_directions(cls, directions: Sequence[str]) -> Self:
        """Make the objectives of another program's study, which has no names for its values.

        Args:
            directions: ``minimize`` or ``maximize`` of each value.
        """
        first, *others = directions
        return cls(
            Objective.of_direction(first),
            tuple(Objective.of_direction(d, f"value_{n}") for n, d in enumerate(others, start=1)),
        )

    def __str__(self) -> str:
        """Describe the objectives, then the constraints."""
        return f"{', '.join(map(str, self.all))}{self._where}"


def _best(objective: Objective) -> str:
    return f"{'least' if objective.mode == 'min' else 'greatest'} {objective.monitor}"
