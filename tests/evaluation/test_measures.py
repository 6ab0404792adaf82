"""How a model errs, by tables of labels and outputs and what they have to give."""

import csv
import io

import numpy as np
import pytest
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

from rnnexp.evaluation.measures import BINS, MISTAKES, Curve, Evaluation, evaluation_of
from rnnexp.evaluation.page import html
from rnnexp.evaluation.predictions import Predictions
from rnnexp.evaluation.tables import (
    by_class_csv,
    confusion_csv,
    mistakes_csv,
    predictions_csv,
    summary,
)

TWO, THREE = ["neg", "pos"], ["bad", "fair", "good"]
TEXTS = [f"text {number}" for number in range(1, 100)]


def of_two(truth: list[int], second: list[float]) -> Predictions:
    outputs = np.array([[1 - p, p] for p in second])
    return Predictions(
        np.arange(len(truth)) + 1, np.array(truth), outputs, TWO, "probability"
    )  # fmt: skip


def of_three(truth: list[int], predicted: list[int], sure: float = 0.8) -> Predictions:
    outputs = np.full((len(truth), 3), (1 - sure) / 2)
    outputs[np.arange(len(truth)), predicted] = sure
    return Predictions(np.arange(len(truth)) + 1, np.array(truth), outputs, THREE, "probability")


def of_numbers(truth: list[float], values: list[float]) -> Predictions:
    rows = np.arange(len(truth)) + 1
    return Predictions(rows, np.array(truth), np.array(values)[:, None], [], "value")


def of_scores(truth: list[int], scores: list[float]) -> Predictions:
    rows = np.arange(len(truth)) + 1
    return Predictions(rows, np.array(truth), np.array(scores)[:, None], TWO, "score")


def evaluated(predictions: Predictions) -> Evaluation:
    return evaluation_of(predictions, {"loss": 0.5, "accuracy": 0.75}, TEXTS)


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_the_confusion_matrix_has_the_labels_in_its_rows() -> None:
    found = evaluated(of_three([0, 0, 0, 1, 2], [0, 1, 1, 1, 0]))
    assert found.confusion == [[1, 2, 0], [0, 1, 0], [1, 0, 0]]
    assert rows_of(confusion_csv(found)) == [
        ["label", *THREE],
        ["bad", "1", "2", "0"],
        ["fair", "0", "1", "0"],
        ["good", "1", "0", "0"],
    ]


@pytest.mark.parametrize(
    ("truth", "predicted", "scores"),
    [
        ([0, 0, 0, 1, 2], [0, 1, 1, 1, 0], [(1 / 2, 1 / 3), (1 / 3, 1), (0, 0)]),
        ([0, 0, 1, 1], [0, 0, 1, 1], [(1, 1), (1, 1), (0, 0)]),  # a class without a row
        ([0], [2], [(0, 0), (0, 0), (0, 0)]),
    ],
)
def test_precision_and_recall(
    truth: list[int], predicted: list[int], scores: list[tuple[float, float]]
) -> None:
    found = evaluated(of_three(truth, predicted))
    assert [one.label for one in found.by_class] == THREE
    for one, (precision, recall) in zip(found.by_class, scores, strict=True):
        assert (one.precision, one.recall) == pytest.approx((precision, recall))
        both = precision + recall
        assert one.f1 == pytest.approx(2 * precision * recall / both if both else 0)
    assert [one.rows for one in found.by_class] == [truth.count(number) for number in range(3)]
    assert len(rows_of(by_class_csv(found))) == 4


def test_many_classes_have_no_matrix() -> None:
    names = [str(number) for number in range(101)]
    rows = np.arange(1, 102)
    found = evaluation_of(
        Predictions(rows, rows - 1, np.eye(101), names, "probability"), {"loss": 0.0}, [""] * 101
    )
    assert found.confusion == []
    assert [one.f1 for one in found.by_class] == [1] * 101
    page = html("t", found)
    assert "Confusion matrix" not in page
    assert "Precision, recall and F1" in page


@pytest.mark.parametrize(
    ("truth", "second", "area"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], 1),
        ([0, 0, 1, 1], [0.9, 0.8, 0.2, 0.1], 0),
        ([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        ([0, 1, 0, 1], [0.1, 0.4, 0.6, 0.9], 0.75),
    ],
)
def test_the_roc_of_two_classes(truth: list[int], second: list[float], area: float) -> None:
    roc = evaluated(of_two(truth, second)).roc
    assert roc
    assert roc.area == pytest.approx(area)
    assert (roc.x[0], roc.y[0], roc.x[-1], roc.y[-1]) == (0, 0, 1, 1)


def test_it_is_what_scikit_learn_has() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 3, 300)
    found = evaluation_of(
        of_three(truth.tolist(), rng.integers(0, 3, 300).tolist()), {}, [""] * 300
    )
    predicted = np.repeat(np.tile(np.arange(3), 3), np.ravel(found.confusion))
    labels = np.repeat(np.arange(3), np.sum(found.confusion, axis=1))
    np.testing.assert_array_equal(confusion_matrix(labels, predicted), found.confusion)
    scores = precision_recall_fscore_support(labels, predicted)
    own = [(one.precision, one.recall, one.f1, one.rows) for one in found.by_class]
    np.testing.assert_allclose(np.transpose(scores), own)
    second = rng.integers(0, 50, 300) / 50  # many of them are equal
    roc = evaluation_of(
        of_two((truth > 0).astype(int).tolist(), second.tolist()), {}, [""] * 300
    ).roc
    assert roc
    assert roc.area == pytest.approx(roc_auc_score(truth > 0, second))
    x, y, _ = roc_curve(truth > 0, second, drop_intermediate=False)
    np.testing.assert_allclose([roc.x, roc.y], [x, y])


def test_a_curve_of_many_points_is_thinned_with_its_ends() -> None:
    rng = np.random.default_rng(0)
    truth, second = rng.integers(0, 2, 5000).tolist(), rng.random(5000).tolist()
    roc = evaluation_of(of_two(truth, second), {}, [""] * 5000).roc
    assert roc
    assert 100 < len(roc.x) <= 500
    assert (roc.x[0], roc.y[-1]) == (0, 1)
    assert roc.area == pytest.approx(0.5, abs=0.05)


def test_calibration_counts_the_rows_of_each_bin() -> None:
    found = evaluated(of_two([0, 1, 1, 1], [0.11, 0.19, 0.95, 1.0])).calibration
    assert found
    assert found.x == pytest.approx([0.15, 0.975])
    assert (found.y, found.rows) == ([0.5, 1.0], [2, 2])
    assert len(found.x) <= BINS


@pytest.mark.parametrize(
    ("predictions", "has_roc", "has_calibration"),
    [
        (of_two([0, 1], [0.2, 0.9]), True, True),
        (of_two([1, 1], [0.2, 0.9]), False, False),  # a test part of one class
        (of_two([0, 1], [0.2, float("nan")]), False, False),
        (of_three([0, 1], [0, 1]), False, False),
        (of_numbers([0, 1], [0.2, 0.9]), False, False),
        (of_scores([0, 1], [-1.0, 0.5]), True, False),
    ],
)  # fmt: skip
def test_which_curves_there_are(
    predictions: Predictions, has_roc: bool, has_calibration: bool
) -> None:
    found = evaluated(predictions)
    assert (found.roc is not None, found.calibration is not None) == (has_roc, has_calibration)


def test_the_most_confident_mistakes_come_first() -> None:
    second = [0.9, 0.6, 0.99, 0.15, 0.8]
    found = evaluated(of_two([0, 0, 1, 1, 0], second)).mistakes
    assert [(one.row, one.label, one.predicted) for one in found] == [
        (1, "neg", "pos"), (4, "pos", "neg"), (5, "neg", "pos"), (2, "neg", "pos"),
    ]  # fmt: skip
    assert [one.confidence for one in found] == pytest.approx([0.9, 0.85, 0.8, 0.6])
    assert found[0].text == "text 1"
    many = evaluated(of_two([0] * 50, [0.9] * 50)).mistakes
    assert [one.row for one in many] == list(range(1, MISTAKES + 1))


def test_the_residuals_of_a_regression() -> None:
    found = evaluated(of_numbers([3, 1, 2], [3.5, 0, 2]))
    assert found.residuals == Curve([1.0, 2.0, 3.0], [-1.0, 0.0, 0.5])
    assert [(one.row, one.confidence) for one in found.mistakes[:2]] == [(2, -1.0), (1, 0.5)]
    assert (found.confusion, found.by_class) == ([], [])
    not_finite = evaluated(of_numbers([3, 1], [float("inf"), 0]))
    assert not_finite.residuals is None
    assert not_finite.mistakes[0].row == 1


def test_the_table_of_predictions() -> None:
    two = of_two([0, 1], [0.25, 0.125])
    assert rows_of(predictions_csv(two)) == [
        ["row", "label", "predicted", "probability_neg", "probability_pos"],
        ["1", "neg", "neg", "0.75", "0.25"],
        ["2", "pos", "neg", "0.875", "0.125"],
    ]
    numbers = rows_of(predictions_csv(of_numbers([1.5], [2.0])))
    assert numbers == [["row", "label", "predicted", "residual"], ["1", "1.5", "2", "0.5"]]


@pytest.mark.parametrize(
    "predictions",
    [
        of_two([0, 1, 1], [0.9, 0.8, 0.1]),
        of_three([0, 1], [1, 1]),
        of_numbers([1.5, 2], [1.0, 3]),
        of_two([1, 1], [0.9, 0.8]),
    ],
)
def test_it_is_stored_and_read(predictions: Predictions) -> None:
    found = evaluated(predictions)
    assert Evaluation.from_json(found.to_json()) == found
    assert summary(found).endswith(" rows: loss 0.5, accuracy 0.75.")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": 1}', "null"])
def test_what_is_no_evaluation(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an evaluation|Expecting value"):
        Evaluation.from_json(text)


def test_a_page_shows_texts_as_they_are() -> None:
    texts = ['<script>alert(1)</script> 좋다, "so"', "word " * 1000]
    found = evaluation_of(of_two([0, 1], [0.9, 0.1]), {"loss": 0.1}, texts)
    page = html("s/0 on <the test part>", found)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 좋다" in page
    assert "<script>alert(1)" not in page
    assert "s/0 on &lt;the test part&gt;" in page
    assert page.count("Plotly.newPlot(") == 2  # the confusion matrix, and the two curves
    assert "Most confident mistakes" in page
    assert " …" in page
    # The table has the whole text.
    assert rows_of(mistakes_csv(found))[2][-1] == texts[1]
    none = html("t", evaluation_of(of_two([0, 1], [0.1, 0.9]), {"loss": 0.1}, texts))
    assert "There are none." in none
