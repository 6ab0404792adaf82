"""Tables of an evaluation: as CSV files, and as text for a terminal."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields

from rnnexp.evaluation.measures import ClassScores, Evaluation, Mistake
from rnnexp.evaluation.predictions import PROBABILITY, SCORE, Predictions
from rnnexp.formatting import format_value

Rows = Iterable[Sequence[object]]


def predictions_csv(predictions: Predictions) -> str:
    """Return a row for each text: its number, its label, and what was predicted."""
    columns = ["row", "label", "predicted", *value_columns(predictions)]
    shown = predictions.residuals[:, None] if not predictions.classes else predictions.values
    places = range(len(predictions.rows))
    rows = (
        [
            int(predictions.rows[place]),
            predictions.named(place, predictions.truth),
            predictions.named(place, predictions.predicted),
            *(f"{value:.6g}" for value in shown[place]),
        ]
        for place in places
    )
    return _csv(columns, rows)


def value_columns(predictions: Predictions) -> list[str]:
    """Return the columns of the model's values, named as a served model names them."""
    if predictions.output == PROBABILITY:
        return [f"probability_{name}" for name in predictions.classes]
    return [SCORE if predictions.output == SCORE else "residual"]


def confusion_csv(evaluation: Evaluation) -> str:
    """Return a row for each class, and a column for each predicted class."""
    rows = zip(evaluation.classes, evaluation.confusion, strict=True)
    return _csv(["label", *evaluation.classes], ([name, *counts] for name, counts in rows))


def by_class_csv(evaluation: Evaluation) -> str:
    """Return precision, recall, F1 and the number of rows of each class."""
    return _csv_of(ClassScores, evaluation.by_class)


def mistakes_csv(evaluation: Evaluation) -> str:
    """Return the worst mistakes with their texts."""
    return _csv_of(Mistake, evaluation.mistakes)


def class_rows(evaluation: Evaluation) -> list[list[str]]:
    """Return precision, recall, F1 and the number of rows of each class, as short texts."""
    return [
        [one.label, f"{one.precision:.3f}", f"{one.recall:.3f}", f"{one.f1:.3f}", str(one.rows)]
        for one in evaluation.by_class
    ]


def summary(evaluation: Evaluation) -> str:
    """Return the number of rows, and Keras's loss and metrics, in a sentence."""
    scores = ", ".join(f"{name} {format_value(value)}" for name, value in evaluation.scores.items())
    return f"{evaluation.rows:,} rows: {scores}."


def _csv_of(kind: type[ClassScores | Mistake], rows: Sequence[ClassScores | Mistake]) -> str:
    """Return a row for each object of a dataclass, with its fields as columns."""
    columns = [field.name for field in fields(kind)]
    return _csv(columns, ([getattr(one, name) for name in columns] for one in rows))


def _csv(columns: Sequence[str], rows: Rows) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
