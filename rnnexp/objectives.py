"""Several objectives and constraints: which trials are on the Pareto front, and which one wins.

A trial is given as its values by name: that of the first objective, and whatever else was measured
of it. `rnnexp.objective` has the rule of a single objective.
"""

import math
import operator
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from rnnexp.constraints import Constraint, Values
from rnnexp.objective import Objective

K = TypeVar("K", bound=Hashable)

TOLERANCE = 0.01
# User attribute of a trial in Optuna, which the pruner reads; see `TrialAttrs.OTHERS`.
OTHERS = "other_objectives"


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
        return self._winner_of({key: self.losses(trials[key]) for key in self.front(trials)})

    def _winner_of(self, front: Mapping[K, tuple[float, ...]]) -> K | None:
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
        front = {key: self.losses(trials[key]) for key in self.front(trials)}
        winner = self._winner_of(front)

        def place(key: K) -> tuple[bool, bool, bool, float]:
            values = trials[key]
            first = self.losses(values)[0]
            return key != winner, not self.is_feasible(values), key not in front, first

        return sorted(trials, key=place)

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

    def __str__(self) -> str:
        """Describe the objectives, then the constraints."""
        return f"{', '.join(map(str, self.all))}{self._where}"


def _best(objective: Objective) -> str:
    return f"{'least' if objective.mode == 'min' else 'greatest'} {objective.monitor}"


def winning_rule(objectives: Objectives) -> str:
    """The rule by which a trial wins, as a sentence without its period."""
    where = f" that meets {' and '.join(map(str, objectives.constraints))}"
    feasible = where if objectives.constraints else ""
    if not objectives.others:
        return f"the best trial{feasible} has the {_best(objectives.first)}"
    near = f"{objectives.first.monitor} is within {100 * objectives.tolerance:.3g} % of the best"
    return (
        f"of the trials on the Pareto front{feasible.replace('meets', 'meet')} whose {near}, the "
        f"one with the {_best(objectives.others[0])} wins"
    )


def objectives_of_directions(directions: Sequence[str]) -> Objectives:
    """Make the objectives of another program's study, which has no names for its values.

    Args:
        directions: ``minimize`` or ``maximize`` of each value.
    """
    first, *others = directions
    return Objectives(
        Objective.of_direction(first),
        tuple(Objective.of_direction(d, f"value_{n}") for n, d in enumerate(others, start=1)),
    )
