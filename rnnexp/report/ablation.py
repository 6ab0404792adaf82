"""The path from the defaults to the best trial: which change of which key earned what.

As in Biedenkapp et al. 2017, "Efficient Parameter Importance Analysis via Ablation with
Surrogates": from the defaults on, the change that a surrogate predicts to earn most is made first,
then the one that earns most of the remaining ones, until the best trial's params are reached.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import quantiles
from typing import TYPE_CHECKING

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from rnnexp.good_values import edge_of, is_outside
from rnnexp.objective import Objective
from rnnexp.report.expected_values import expected_values
from rnnexp.report.surrogate import Point, Surrogate
from rnnexp.search.dimension import Params, Value

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FEWEST = 10  # trials with a value
FEWEST_PER_KEY = 5  # of them, for each searched key

Predict = Callable[[Sequence[Point]], "npt.NDArray[np.float64]"]  # losses: (forests, points)


class Absent(Enum):
    """The value of a key that does not exist under a condition; None is a value."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT


@dataclass(frozen=True)
class Change:
    """The change of a key."""

    key: str
    before: Value | Absent
    after: Value | Absent


@dataclass(frozen=True)
class Step:
    """A step of the path.

    Attributes:
        changes: The changed key, and the keys that exist only with its old or new value.
        gain: The improvement that the forests predict, on average.
        low: The lower end of the interval that has nine of ten forests' predictions.
        high: The upper end.
    """

    changes: Sequence[Change]
    gain: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the step earned something that can be told from chance."""
        return self.low > 0


@dataclass(frozen=True)
class Ablation:
    """The path from the defaults to the best trial.

    Attributes:
        steps: The steps, in the order of the path; empty if the best trial has the defaults.
        start: The value at the defaults, predicted unless a trial with them is complete.
        trained: The trial with the defaults, which may have been stopped early; None without one.
        is_measured: Whether that trial is complete, so that ``start`` is its value.
        n_trials: The number of trials that the forests are fitted on.
        explained: See `Surrogate.explained`.
        without_default: The keys whose default is not among the searched values.
    """

    steps: Sequence[Step]
    start: float
    trained: FrozenTrial | None
    is_measured: bool
    n_trials: int
    explained: float
    without_default: Sequence[str]


def ablation_of(
    trials: Sequence[FrozenTrial],
    best: FrozenTrial,
    defaults: Point,
    parents: Mapping[str, str],
    objective: Objective,
) -> Ablation | str:
    """Find the path from the defaults to the best trial.

    Args:
        trials: The trials of the study.
        best: The best trial.
        defaults: The config's own values of the searched keys, where they are searched.
        parents: By key that has a condition, the key that decides whether it exists.
        objective: What the study optimizes.

    Returns:
        The path; a reason, as half a sentence, if it can't be told.
    """
    if not defaults:
        return "the defaults are not among the searched values"
    start = starting_point(defaults, best.params, parents)
    changes = blocks(start, best.params, parents)
    without = [key for key in start if key not in defaults and key not in parents]
    if not changes:
        return Ablation((), best.values[0], best, True, len(trials), 1.0, without)
    valued = expected_values(trials, objective)
    distributions = _distributions(trial for trial, _ in valued)
    least = max(FEWEST, FEWEST_PER_KEY * len(distributions))
    if len(valued) < least:
        return f"it takes {least} trials with a value to tell; there are {len(valued)}"
    points = [trial.params for trial, _ in valued]
    surrogate = Surrogate.fit(points, _losses(valued, objective), distributions)
    if surrogate.explained <= 0:
        return f"the params of {len(valued)} trials don't explain their values yet"
    steps = path(start, changes, surrogate.predict)
    trained = next((trial for trial, _ in valued if trial.params == start), None)
    is_measured = trained is not None and trained.state == TrialState.COMPLETE
    predicted = objective.sign * float(surrogate.predict([start]).mean())
    return Ablation(
        steps=steps,
        start=trained.values[0] if is_measured and trained else predicted,
        trained=trained,
        is_measured=is_measured,
        n_trials=len(valued),
        explained=surrogate.explained,
        without_default=without,
    )


def _losses(valued: Sequence[tuple[FrozenTrial, float]], objective: Objective) -> list[float]:
    """Return losses; one far worse than the better half counts as the worst that plots show."""
    values = [value for _, value in valued]
    edge = edge_of(values, objective)
    return [
        objective.sign * (edge if edge is not None and is_outside(v, edge, objective) else v)
        for v in values
    ]


def _distributions(trials: Iterable[FrozenTrial]) -> dict[str, BaseDistribution]:
    return {key: found for trial in trials for key, found in trial.distributions.items()}


def starting_point(defaults: Point, best: Point, parents: Mapping[str, str]) -> Params:
    """Return the params that the path starts from.

    A key whose default is not searched has the best trial's value from the start on. A key that
    exists only with another value of its parent comes, or goes, with that value.

    Args:
        defaults: The defaults that are searched.
        best: The best trial's params.
        parents: By key with a condition, its parent.
    """
    changed = {key for key in {**defaults, **best} if _changed_parent(key, defaults, best, parents)}
    start = {key: value for key, value in defaults.items() if key in best or key in changed}
    others = {key: value for key, value in best.items() if key not in {*start, *changed}}
    return start | others


def _changed_parent(key: str, start: Point, end: Point, parents: Mapping[str, str]) -> str | None:
    """Return the nearest key above a key that exists at both ends, with different values."""
    while (parent := parents.get(key)) is not None:
        if parent in start and parent in end:
            return parent if start[parent] != end[parent] else None
        key = parent
    return None


def blocks(start: Point, end: Point, parents: Mapping[str, str]) -> list[list[Change]]:
    """Return what changes between two points; what can only change together is one block.

    Args:
        start: The params at the start.
        end: The params at the end.
        parents: By key with a condition, its parent.
    """
    found: dict[str, list[Change]] = {}
    changes = [
        Change(key, start.get(key, ABSENT), end.get(key, ABSENT)) for key in {**end, **start}
    ]
    changes = [change for change in changes if change.before != change.after]
    # A parent's own change comes first in its block.
    for change in sorted(changes, key=lambda change: ABSENT in (change.before, change.after)):
        owner = None
        if ABSENT in (change.before, change.after):
            owner = _changed_parent(change.key, start, end, parents)
        found.setdefault(owner or change.key, []).append(change)
    return list(found.values())


def path(start: Point, changes: Sequence[Sequence[Change]], predict: Predict) -> list[Step]:
    """Find the order in which each step earns as much as any remaining one could.

    Args:
        start: The params at the start.
        changes: What can change, see `blocks`.
        predict: Returns the losses of points, by forest and point.
    """
    point, left, steps = dict(start), list(changes), []
    before = predict([point])[:, 0]
    while left:
        points = [_changed(point, block) for block in left]
        losses = predict(points)
        chosen = int(losses.mean(axis=0).argmin())
        gains = before - losses[:, chosen]
        low, *_, high = quantiles(gains.tolist(), n=20, method="inclusive")
        steps.append(Step(left.pop(chosen), float(gains.mean()), low, high))
        point, before = points[chosen], losses[:, chosen]
    return steps


def _changed(point: Point, block: Sequence[Change]) -> Params:
    changed = dict(point)
    for change in block:
        if isinstance(change.after, Absent):
            changed.pop(change.key, None)
        else:
            changed[change.key] = change.after
    return changed
