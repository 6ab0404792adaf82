"""A surrogate of a study: random forests that predict a trial's value from its params.

As in Hutter et al. 2014, "An Efficient Approach for Assessing Hyperparameter Importance". Each
forest is fitted on its own resample of the trials, so that the forests differ by as much as the
trials leave open.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from rnnexp.number_ranges import is_number
from rnnexp.search.dimension import Value

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FORESTS = 20
TREES = 16  # of a forest
LEAF = 2  # trials, the fewest in a leaf
LARGEST = 500  # trials in a resample, so that a report of a long study takes no longer

Point = Mapping[str, Value]  # params by key


@dataclass(frozen=True)
class Surrogate:
    """Random forests, each fitted on its own resample of the trials.

    Attributes:
        forests: The forests, of scikit-learn.
        encoding: How params become columns.
        explained: The share of the variance that the forests explain of trials that they were not
            fitted on (R²); at most 0 where the params say nothing about the values.
    """

    forests: Sequence[Any]
    encoding: "Encoding"
    explained: float

    @classmethod
    def fit(
        cls,
        points: Sequence[Point],
        values: Sequence[float],
        distributions: Mapping[str, BaseDistribution],
    ) -> "Surrogate":
        """Fit the forests; the same trials give the same forests.

        Args:
            points: The params of each trial.
            values: The value of each trial, finite.
            distributions: The distribution of each key.
        """
        import numpy as np
        from sklearn.ensemble import RandomForestRegressor

        encoding = Encoding.of(points, distributions)
        rows, targets = encoding.rows(points), np.asarray(values)
        rng = np.random.default_rng(0)
        forests = []
        sums, counts = np.zeros(len(targets)), np.zeros(len(targets))
        for seed in range(FORESTS):
            drawn = rng.integers(len(targets), size=min(len(targets), LARGEST))
            forest = RandomForestRegressor(TREES, min_samples_leaf=LEAF, random_state=seed)
            forests.append(forest.fit(rows[drawn], targets[drawn]))
            left_out = np.setdiff1d(np.arange(len(targets)), drawn)
            if len(left_out):
                sums[left_out] += forest.predict(rows[left_out])
                counts[left_out] += 1
        seen = counts > 0
        return cls(forests, encoding, _explained(targets[seen], sums[seen] / counts[seen]))

    def predict(self, points: Sequence[Point]) -> "npt.NDArray[np.float64]":
        """Return the values that the forests predict, of shape (forests, points)."""
        import numpy as np

        rows = self.encoding.rows(points)
        return np.stack([forest.predict(rows) for forest in self.forests])


def _explained(targets: "npt.NDArray[np.float64]", predicted: "npt.NDArray[np.float64]") -> float:
    variance = float(((targets - targets.mean()) ** 2).sum()) if len(targets) else 0.0
    return 1 - float(((targets - predicted) ** 2).sum()) / variance if variance else 0.0


@dataclass(frozen=True)
class Encoding:
    """Columns of params: numbers by their size, other choices by a column each.

    Attributes:
        numbers: By key of a number, whether it counts by its logarithm, and what stands for a
            param that a trial has not.
        choices: The choices by key.
    """

    numbers: Mapping[str, tuple[bool, float]]
    choices: Mapping[str, Sequence[Value]]

    @classmethod
    def of(
        cls, points: Sequence[Point], distributions: Mapping[str, BaseDistribution]
    ) -> "Encoding":
        """Make the encoding of some points."""
        numbers: dict[str, tuple[bool, float]] = {}
        choices: dict[str, Sequence[Value]] = {}
        for key, distribution in distributions.items():
            found = list(dict.fromkeys(point[key] for point in points if key in point))
            sizes = [value for value in found if is_number(value)]
            if len(sizes) < len(found) or not found:
                choices[key] = found
                continue
            by_log = not isinstance(distribution, CategoricalDistribution) and bool(
                getattr(distribution, "log", False)
            )
            scaled = [_scaled(value, by_log) for value in sizes]
            numbers[key] = by_log, min(scaled) - (max(scaled) - min(scaled)) - 1
        return cls(numbers, choices)

    def rows(self, points: Sequence[Point]) -> "npt.NDArray[np.float64]":
        """Return a row for each point."""
        import numpy as np

        return np.array([self._row(point) for point in points], dtype=float)

    def _row(self, point: Point) -> list[float]:
        row = [
            _scaled(point[key], by_log) if key in point else absent
            for key, (by_log, absent) in self.numbers.items()
        ]
        for key, choices in self.choices.items():
            row += [float(key in point and point[key] == choice) for choice in choices]
        return row


def _scaled(value: Any, by_log: bool) -> float:
    return math.log(value) if by_log else float(value)
