"""A trained model that takes raw text, as MLflow loads it.

This file and ``data/encoding.py`` are copied into every model (`rnnexp.serving.packing`), so that
it runs where this project isn't installed, with the encoding that it was trained with. Hence the
relative import, and none of Hydra.

| output of the network             | data       | columns that come out                           |
|-----------------------------------|------------|-------------------------------------------------|
| probabilities, or logits of them  | 2 classes  | ``label``, ``probability`` (of the second class)|
| the same                          | more       | ``label``, ``probability_CLASS`` for each class |
| of a hinge loss, -1 to 1          | 2 classes  | ``label``, ``score``: above 0 the second class  |
| a number                          | regression | ``value``                                       |

A hinge loss doesn't fit probabilities, so none are made up.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data.encoding import Vocabulary, tokenize

if TYPE_CHECKING:
    import keras
    import pandas as pd

TEXT = "text"  # the column that goes in
NETWORK, ENCODING = "model.keras", "encoding.json"  # files of a model
ROWS = 4096  # that are encoded at a time
BATCH_SIZE = 256  # rows that the network sees at a time
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Encoding:
    """How texts become ids, and outputs become what they stand for.

    Attributes:
        words: The vocabulary; ``words[i]`` has the id ``i + 3``.
        maxlen: Ids a text.
        split: ``whitespace`` or ``character``.
        classes: The labels in the order of their numbers; empty for a regression.
        output: What the network gives: ``probability``, ``logit``, ``score`` or ``value``.
    """

    words: Sequence[str]
    maxlen: int
    split: str
    classes: Sequence[str | int | float]
    output: str

    def save(self, folder: Path) -> None:
        """Write it into a model's folder."""
        text = json.dumps(asdict(self), ensure_ascii=False)
        (folder / ENCODING).write_text(text, encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> "Encoding":
        """What `save` wrote."""
        return cls(**json.loads((folder / ENCODING).read_text(encoding="utf-8")))

    def columns(self) -> dict[str, str]:
        """The names of the columns that come out, with MLflow's names of their types."""
        if self.output == "value":
            return {"value": "double"}
        types = {str: "string", int: "long", float: "double"}
        label = {"label": types[type(self.classes[0])]}
        if len(self.classes) > 2:
            return label | {f"probability_{name}": "double" for name in self.classes}
        return label | {"score" if self.output == "score" else "probability": "double"}

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """Texts as ids, ``int32 (n, maxlen)``; of a text that is too long, the end counts."""
        tokens = [tokenize(text, self.split) for text in texts]
        return Vocabulary(tuple(self.words)).encode(tokens, self.maxlen)

    def read(self, outputs: Scores) -> list[npt.NDArray[Any]]:
        """The columns that come out, for the network's outputs, ``float64 (n, units)``."""
        if self.output == "value":
            return [outputs[:, 0]]
        classes = np.array(self.classes, dtype=object)
        if self.output == "score":
            return [classes[(outputs[:, 0] > 0).astype(int)], outputs[:, 0]]
        chances = _chances(outputs, logits=self.output == "logit")
        labels = classes[chances.argmax(axis=1)]  # of two that are equal, the first
        return [labels, chances[:, 1]] if len(classes) == 2 else [labels, *chances.T]


class TextModel:
    """What MLflow calls a pyfunc.

    Args:
        network: A Keras model, of ids to outputs.
        encoding: What stands around it.
    """

    def __init__(self, network: "keras.Model", encoding: Encoding) -> None:
        self._network = network
        self._encoding = encoding

    def predict(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """Predict for any number of texts, which are read in batches.

        A missing text counts as an empty one, which a CSV file can't tell apart.

        Args:
            frame: With a column ``text``.

        Returns:
            Of the same index, with the columns that the module's docstring lists.

        Raises:
            ValueError: If something in the column is no text.
        """
        import pandas as pd

        texts = list(_texts(frame[TEXT]))
        units = self._network.output_shape[-1]
        parts = [np.empty((0, units))]
        for first in range(0, len(texts), ROWS):
            ids = self._encoding.encode(texts[first : first + ROWS])
            parts.append(self._network.predict(ids, batch_size=BATCH_SIZE, verbose=0))
        values = self._encoding.read(np.concatenate(parts).astype(np.float64))
        columns = zip(self._encoding.columns(), values, strict=True)
        return pd.DataFrame(dict(columns), index=frame.index).infer_objects()


def _load_pyfunc(path: str) -> TextModel:
    """What MLflow calls to load a model's folder."""
    import keras

    network = keras.models.load_model(Path(path, NETWORK), compile=False)
    return TextModel(network, Encoding.open(Path(path)))


def _texts(column: "pd.Series[Any]") -> Iterator[str]:
    for row, (value, missing) in enumerate(zip(column, column.isna(), strict=True), start=1):
        if not missing and not isinstance(value, str):
            raise ValueError(f"{TEXT} in row {row} is {value!r}: must be a text, in quotes")
        yield "" if missing else value


def _chances(outputs: Scores, *, logits: bool) -> Scores:
    """A probability for each class, ``float64 (n, classes)``."""
    if outputs.shape[1] == 1:
        second = 0.5 * (1 + np.tanh(outputs / 2)) if logits else outputs  # a stable sigmoid
        return np.hstack([1 - second, second])
    if not logits:
        return outputs
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    chances: Scores = powers / powers.sum(axis=1, keepdims=True)
    return chances
