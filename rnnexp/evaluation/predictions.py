"""Predictions of a model for rows whose labels are known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
PROBABILITY, SCORE, VALUE = "probability", "score", "value"  # what an output is


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions, a row for each text.

    Attributes:
        rows: ``int64 (n,)`` numbers of the rows in their file or part, from 1.
        truth: ``(n,)`` class numbers, or the numbers to predict.
        values: ``float64 (n, classes)`` probabilities; ``(n, 1)`` scores, above 0 for the second
            class; or ``(n, 1)`` numbers.
        classes: The names of the classes; empty for a regression.
        output: What the values are: ``probability``, ``score`` or ``value``.
    """

    rows: npt.NDArray[np.int64]
    truth: npt.NDArray[Any]
    values: Numbers
    classes: Sequence[str]
    output: str

    @cached_property
    def predicted(self) -> npt.NDArray[Any]:
        """``(n,)`` class numbers, or numbers."""
        if self.output == VALUE:
            return self.values[:, 0]
        if self.output == SCORE:
            return (self.values[:, 0] > 0).astype(np.int64)
        likeliest: npt.NDArray[np.int64] = self.values.argmax(axis=1)  # of equals, the first
        return likeliest

    @cached_property
    def residuals(self) -> Numbers:
        """``float64 (n,)``, of a regression: what was predicted, less what is true."""
        found: Numbers = self.predicted - self.truth
        return found

    @property
    def is_finite(self) -> bool:
        """Whether no output is NaN or infinite."""
        return bool(np.isfinite(self.values).all())

    def mistakes(self, n: int) -> list[int]:
        """Return the places of the worst rows: confident and wrong, or far off for a regression.

        Args:
            n: The largest number of places.

        Returns:
            Places in the arrays, the worst first.
        """
        if self.output == VALUE:
            order = np.argsort(-np.abs(self.residuals), kind="stable")
        else:
            wrong = (self.predicted != self.truth).nonzero()[0]
            order = wrong[np.argsort(-self.confidence[wrong], kind="stable")]
        return list(map(int, order[:n]))

    @cached_property
    def confidence(self) -> Numbers:
        """``float64 (n,)``: the probability of the predicted class, or the size of the score."""
        found: Numbers = (
            np.abs(self.values[:, 0]) if self.output == SCORE else self.values.max(axis=1)
        )
        return found

    def named(self, place: int, of: npt.NDArray[Any]) -> str:
        """Return the class's name, or the number, at a place of `truth` or `predicted`."""
        return self.classes[int(of[place])] if self.classes else f"{float(of[place]):.6g}"
