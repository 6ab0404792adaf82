"""How a model errs: by class, by threshold, by probability, by size, and its worst mistakes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rnnexp.evaluation.predictions import PROBABILITY, Numbers, Predictions

MISTAKES = 20
BINS = 10  # of probabilities, in a calibration
MATRIX = 100  # classes, with more of which there is no confusion matrix
POINTS = 500  # of a curve, or of a plot of residuals


@dataclass(frozen=True)
class ClassScores:
    """How well one class is predicted.

    Attributes:
        label: The class's name.
        precision: The share of its predictions that are right; 0 if it is never predicted.
        recall: The share of its rows that are found; 0 if it has none.
        f1: The harmonic mean of the two.
        rows: The number of its rows.
    """

    label: str
    precision: float
    recall: float
    f1: float
    rows: int


@dataclass(frozen=True)
class Curve:
    """Points of a plot, with the number of rows behind each, or one number that sums them up.

    Attributes:
        x: From left to right.
        y: As many.
        rows: As many; empty where a point stands for no rows.
        area: The area under the curve; None where it means nothing.
    """

    x: list[float]
    y: list[float]
    rows: list[int] = field(default_factory=list)
    area: float | None = None


@dataclass(frozen=True)
class Mistake:
    """A row that is predicted wrong.

    Attributes:
        row: The row's number in its part or file, from 1.
        label: The class's name, or the number.
        predicted: What the model predicts.
        confidence: The probability of the predicted class, the size of a score, or the residual.
        text: The text.
    """

    row: int
    label: str
    predicted: str
    confidence: float
    text: str


@dataclass(frozen=True)
class Evaluation:
    """What is known of a model's predictions, as it is stored.

    Attributes:
        rows: The number of rows.
        scores: Keras's loss and metrics by name.
        output: What the model gives: ``probability``, ``score`` or ``value``.
        classes: The names of the classes; empty for a regression.
        confusion: The number of rows by class, and by predicted class; empty for a regression, or
            more than `MATRIX` classes.
        by_class: How well each class is predicted; empty for a regression.
        roc: Of two classes, the true positive rate by the false positive rate of the second.
        calibration: Of two classes, the share of the second by its predicted probability.
        residuals: Of a regression, the residual by the true number, for at most `POINTS` rows.
        mistakes: The most confident mistakes, or the largest residuals, the worst first.
    """

    rows: int
    scores: dict[str, float]
    output: str
    classes: list[str]
    confusion: list[list[int]] = field(default_factory=list)
    by_class: list[ClassScores] = field(default_factory=list)
    roc: Curve | None = None
    calibration: Curve | None = None
    residuals: Curve | None = None
    mistakes: list[Mistake] = field(default_factory=list)

    def to_json(self) -> str:
        """Write the evaluation as JSON, which `from_json` reads."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read an evaluation.

        Raises:
            ValueError: If the text is not that of an evaluation.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            for name in ("roc", "calibration", "residuals"):
                found[name] = Curve(**found[name]) if found[name] else None
            found["by_class"] = [ClassScores(**one) for one in found["by_class"]]
            found["mistakes"] = [Mistake(**one) for one in found["mistakes"]]
            return cls(**found)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not an evaluation: {error}") from error


def evaluation_of(
    predictions: Predictions, scores: Mapping[str, float], texts: Sequence[str]
) -> Evaluation:
    """Measure predictions.

    Args:
        predictions: The predictions.
        scores: Keras's loss and metrics by name.
        texts: The texts of the whole part or file; row 1 is the first of them.
    """
    classes = list(predictions.classes)
    return Evaluation(
        rows=len(predictions.rows),
        scores=dict(scores),
        output=predictions.output,
        classes=classes,
        mistakes=_mistakes(predictions, texts),
        **(_of_classes(predictions) if classes else {}),
        **(_of_numbers(predictions) if not classes and predictions.is_finite else {}),
    )


def _mistakes(predictions: Predictions, texts: Sequence[str]) -> list[Mistake]:
    sizes = predictions.confidence if predictions.classes else predictions.residuals
    return [
        Mistake(
            row=int(predictions.rows[place]),
            label=predictions.named(place, predictions.truth),
            predicted=predictions.named(place, predictions.predicted),
            confidence=float(sizes[place]),
            text=texts[int(predictions.rows[place]) - 1],
        )
        for place in predictions.mistakes(MISTAKES)
    ]


def _of_classes(predictions: Predictions) -> dict[str, Any]:
    number = len(predictions.classes)
    truth, predicted = predictions.truth, predictions.predicted
    rows = np.bincount(truth, minlength=number)
    found: dict[str, Any] = {"by_class": _by_class(predictions, rows)}
    if number <= MATRIX:
        pairs = np.bincount(truth * number + predicted, minlength=number**2)
        found["confusion"] = pairs.reshape(number, number).tolist()
    if number == 2 and rows.all() and predictions.is_finite:
        second = predictions.values[:, -1]
        found["roc"] = roc(truth, second)
        if predictions.output == PROBABILITY:
            found["calibration"] = calibration(truth, second)
    return found


def _by_class(predictions: Predictions, rows: npt.NDArray[np.int64]) -> list[ClassScores]:
    number = len(rows)
    right = predictions.truth[predictions.truth == predictions.predicted]
    hits = np.bincount(right, minlength=number)
    given = np.bincount(predictions.predicted, minlength=number)
    # Without a prediction, or a row, there is no hit either.
    precision, recall, f1 = (
        hits / np.maximum(part, 1) for part in (given, rows, (given + rows) / 2)
    )
    found = zip(predictions.classes, precision, recall, f1, rows, strict=True)
    return [
        ClassScores(name, float(p), float(r), float(f), int(count))
        for name, p, r, f, count in found
    ]


def roc(truth: npt.NDArray[np.int64], second: Numbers) -> Curve:
    """Return the true positive rate by the false positive rate, for every threshold.

    Args:
        truth: ``(n,)``: 1 for the second class, else 0; both have rows.
        second: ``(n,)`` scores, higher for the second class.
    """
    order = np.argsort(-second, kind="stable")
    found = np.cumsum(truth[order])
    last = np.append(np.diff(second[order]).nonzero()[0], len(order) - 1)  # of equal scores
    y = np.append(0, found[last]) / found[-1]
    x = np.append(0, 1 + last - found[last]) / (len(order) - found[-1])
    chosen = _spread(len(x))
    return Curve(x[chosen].tolist(), y[chosen].tolist(), area=float(np.trapezoid(y, x)))


def calibration(truth: Numbers, second: Numbers) -> Curve:
    """Return the share of the second class by its predicted probability, in bins of equal width.

    Args:
        truth: ``(n,)``: 1 for the second class, else 0.
        second: ``(n,)`` probabilities of the second class.

    Returns:
        A point for each bin that has rows: the mean probability, and the share.
    """
    bins = np.minimum((second * BINS).astype(np.int64), BINS - 1)
    rows = np.bincount(bins, minlength=BINS)
    used = rows.nonzero()[0]
    x, y = (np.bincount(bins, each, BINS)[used] / rows[used] for each in (second, truth))
    return Curve(x.tolist(), y.tolist(), rows[used].tolist())


def _of_numbers(predictions: Predictions) -> dict[str, Any]:
    order = np.argsort(predictions.truth, kind="stable")
    chosen = order[_spread(len(order))]
    x, y = predictions.truth[chosen], predictions.residuals[chosen]
    return {"residuals": Curve(x.astype(np.float64).tolist(), y.tolist())}


def _spread(n: int) -> Any:
    """Return at most `POINTS` places out of n, evenly spread, with the first and the last."""
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(np.int64))
