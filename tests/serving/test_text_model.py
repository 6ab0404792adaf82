from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from rnnexp.serving.text_model import ROWS, Encoding, TextModel

TWO, THREE = ["bad", "good"], [1, 2, 3]


def of_two(labels: list[str], good: list[float]) -> dict[str, list[Any]]:
    bad = [1 - probability for probability in good]
    return {"label": labels, "probability_bad": bad, "probability_good": good}


@pytest.mark.parametrize(
    ("output", "classes", "outputs", "expected"),
    [
        ("probability", TWO, [[0.2], [0.9]], of_two(["bad", "good"], [0.2, 0.9])),
        ("probability", TWO, [[0.5]], of_two(["bad"], [0.5])),
        ("probability", TWO, [[0.8, 0.2]], of_two(["bad"], [0.2])),
        (
            "logit",
            TWO,
            [[0.0], [-800.0], [800.0], [np.log(3)]],
            of_two(["bad", "bad", "good", "good"], [0.5, 0.0, 1.0, 0.75]),
        ),
        ("logit", TWO, [[0.0, np.log(3)]], of_two(["good"], [0.75])),
        ("score", TWO, [[-0.4], [0.4]], {"label": ["bad", "good"], "score": [-0.4, 0.4]}),
        (
            "probability",
            THREE,
            [[0.1, 0.7, 0.2]],
            {"label": [2], "probability_1": [0.1], "probability_2": [0.7], "probability_3": [0.2]},
        ),
        (
            "logit",
            THREE,
            [[800.0, 800.0, -800.0]],
            {"label": [1], "probability_1": [0.5], "probability_2": [0.5], "probability_3": [0.0]},
        ),
        ("value", [], [[1.5], [-2.0]], {"value": [1.5, -2.0]}),
    ],
)
def test_what_outputs_stand_for(
    output: str, classes: list[Any], outputs: list[list[float]], expected: dict[str, list[Any]]
) -> None:
    encoding = Encoding((), 4, "whitespace", classes, output)
    assert list(encoding.columns()) == list(expected)
    for column, values in zip(encoding.read(np.array(outputs)), expected.values(), strict=True):
        if isinstance(values[0], str):
            assert list(column) == values
        else:
            assert list(column) == pytest.approx(values)


@pytest.mark.parametrize(
    ("classes", "kind"), [(["a", "b"], "string"), ([0, 1], "long"), ([0.5, 1.5], "double")]
)
def test_the_type_of_the_label(classes: list[Any], kind: str) -> None:
    assert Encoding((), 4, "whitespace", classes, "probability").columns()["label"] == kind


def test_an_encoding_is_written_and_read(tmp_path: Path) -> None:
    encoding = Encoding(["영화", 'a "b"'], 7, "character", ["좋음", "나쁨"], "logit")
    encoding.save(tmp_path)
    assert Encoding.open(tmp_path) == encoding


@pytest.fixture(scope="module")
def model() -> TextModel:
    """Gives the id of a text's last word; of the text alone if there is none."""
    network = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(1, use_bias=False, trainable=False)]
    )
    network.set_weights([np.array([[0.0], [0.0], [1.0]])])
    return TextModel(network, Encoding(["good", "bad"], 3, "whitespace", [], "value"))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["a good", "bad", "x"], [3, 4, 2]),
        (["", None, float("nan"), " ,"], [1, 1, 1, 1]),
        ([None], [1]),
        (["word " * 100_000 + "bad"], [4]),
        (["good"] * (ROWS + 1), [3] * (ROWS + 1)),
        ([], []),
    ],
)
def test_texts(model: TextModel, texts: list[Any], expected: list[int]) -> None:
    frame = pd.DataFrame({"text": pd.Series(texts, dtype=object)})
    assert model.predict(frame)["value"].tolist() == expected


def test_the_index_stays(model: TextModel) -> None:
    frame = pd.DataFrame({"text": ["good", "bad"]}, index=[7, 3])
    assert model.predict(frame)["value"].to_dict() == {7: 3, 3: 4}


def test_what_is_no_text(model: TextModel) -> None:
    with pytest.raises(ValueError, match=r"text in row 2 is 3: must be a text, in quotes"):
        model.predict(pd.DataFrame({"text": ["a", 3]}))


def test_texts_that_are_cut_have_the_same_outputs_in_the_same_order() -> None:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(5, 4, mask_zero=True), keras.layers.GRU(2)]
    network = keras.Sequential(
        [keras.Input((None,), dtype="int32"), *layers, keras.layers.Dense(1)]
    )
    frame = pd.DataFrame({"text": ["good bad good", "bad", "", "bad good", "good", "bad bad bad"]})
    found = []
    for lengths in ([], [2, 3]):
        encoding = Encoding(["good", "bad"], 7, "whitespace", [], "value", lengths=lengths)
        found.append(TextModel(network, encoding).predict(frame)["value"].tolist())
    assert found[1] == pytest.approx(found[0], rel=1e-6)
    assert len(set(found[0])) == len(frame)
