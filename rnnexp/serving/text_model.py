"""Trained model that takes raw text, as MLflow loads it.

This file, ``data/encoding.py``, ``training/outputs.py`` and ``training/saved_model.py`` are copied
into every model (see `rnnexp.serving.packing`), so that a model runs where this project is not
installed, with the encoding of its training. Therefore the imports are relative, and nothing of
Hydra is imported.

| output of the network            | data       | columns of a prediction                         |
|----------------------------------|------------|-------------------------------------------------|
| probabilities, or their logits   | classes    | ``label``, ``probability_CLASS`` for each class |
| scores of a hinge loss, -1 to 1  | 2 classes  | ``label``, ``score`` (second class if above 0)  |
| a number                         | regression | ``value``                                       |

A hinge loss gives no probabilities, so there is no column for them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..data.encoding import Vocabulary, joined, tokenize
from ..training.outputs import Scores, probabilities_of
from ..training.saved_model import load_saved

if TYPE_CHECKING:
    import keras
    import pandas as pd

TEXT = "text"  # the input's column, if the data have no other name for it
NETWORK, ENCODING = "model.keras", "encoding.json"  # files of a model
ROWS = 4096  # texts that are encoded at a time
BATCH_SIZE = 256  # rows in a batch of the network


@dataclass(frozen=True)
class Encoding:
    """How texts become ids, and outputs of the network become columns.

    Attributes:
        words: The vocabulary; ``words[i]`` has the id ``i + 3``.
        maxlen: The number of ids of a text.
        split: ``whitespace`` or ``character``.
        classes: The labels in the order of their numbers; empty for a regression.
        output: The network's output: ``probability``, ``logit``, ``score`` or ``value``.
        needed: Import paths of the network's own classes and functions, by Keras's names of them.
        lengths: The lengths that batches are cut to, ascending, if the network gives the same
            outputs for texts with less padding.
        inputs: The names of the texts' columns; the texts of a row are joined by a space.
    """

    words: Sequence[str]
    maxlen: int
    split: str
    classes: Sequence[str | int | float]
    output: str
    needed: Mapping[str, str] = field(default_factory=dict)
    lengths: Sequence[int] = field(default_factory=list)
    inputs: Sequence[str] = field(default_factory=lambda: [TEXT])

    def save(self, folder: Path) -> None:
        """Write the encoding into a model's folder."""
        text = json.dumps(asdict(self), ensure_ascii=False)
        (folder / ENCODING).write_text(text, encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> "Encoding":
        """Read the encoding that `save` has written."""
        return cls(**json.loads((folder / ENCODING).read_text(encoding="utf-8")))

    def columns(self) -> dict[str, str]:
        """Return the columns of a prediction, with MLflow's names of their types."""
        if self.output == "value":
            return {"value": "double"}
        types = {str: "string", int: "long", float: "double"}
        label = {"label": types[type(self.classes[0])]}
        if self.output == "score":
            return label | {"score": "double"}
        return label | {f"probability_{name}": "double" for name in self.classes}

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """Encode texts as ids, ``int32 (n, maxlen)``; a text that is too long keeps its end."""
        tokens = [tokenize(text, self.split) for text in texts]
        return Vocabulary(tuple(self.words)).encode(tokens, self.maxlen)

    def read(self, outputs: Scores) -> list[npt.NDArray[Any]]:
        """Return the columns of a prediction, from the network's outputs.

        Args:
            outputs: The outputs, ``float64 (n, units)``.
        """
        if self.output == "value":
            return [outputs[:, 0]]
        classes = np.array(self.classes, dtype=object)
        if self.output == "score":
            return [classes[(outputs[:, 0] > 0).astype(int)], outputs[:, 0]]
        probabilities = probabilities_of(outputs, logits=self.output == "logit")
        labels = classes[probabilities.argmax(axis=1)]  # of equal probabilities, the first
        return [labels, *probabilities.T]


class TextModel:
    """A model with the interface that MLflow wants of its ``pyfunc`` flavor.

    Args:
        network: A Keras model, from ids to outputs.
        encoding: How texts become ids, and outputs become columns.
    """

    def __init__(self, network: "keras.Model", encoding: Encoding) -> None:
        self._network = network
        self._encoding = encoding

    def predict(self, texts: "pd.DataFrame | Sequence[str]") -> "pd.DataFrame":
        """Predict for any number of texts, which are encoded in batches.

        A missing text counts as an empty text, since a CSV file has no way to distinguish them.

        Args:
            texts: The texts, or a table with the encoding's columns of them.

        Returns:
            A table with the same index, and the columns that the module's docstring lists.

        Raises:
            ValueError: If a value in the column is not a text.
        """
        import pandas as pd

        if isinstance(texts, pd.DataFrame):
            frame = texts
        else:
            only = pd.Series(list(texts), dtype=object)
            frame = pd.DataFrame({self._encoding.inputs[0]: only})
        rows = list(_joined(frame, [name for name in self._encoding.inputs if name in frame]))
        parts = []
        for first in range(0, max(1, len(rows)), ROWS):
            ids = self._encoding.encode(rows[first : first + ROWS] or [""])
            parts.append(self._outputs(ids))
        outputs = np.concatenate(parts)[: len(rows)]
        values = self._encoding.read(outputs.astype(np.float64))
        columns = zip(self._encoding.columns(), values, strict=True)
        return pd.DataFrame(dict(columns), index=frame.index).infer_objects()

    def _outputs(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
        """Return the outputs of the network, for texts of one length after the other."""
        lengths = np.array([*self._encoding.lengths, ids.shape[1]])
        needed = np.searchsorted(lengths, np.count_nonzero(ids, axis=1))
        order, parts = np.argsort(needed, kind="stable"), []
        for number in np.unique(needed):
            cut = ids[needed == number, -lengths[number] :]
            parts.append(self._network.predict(cut, batch_size=BATCH_SIZE, verbose=0))
        outputs: npt.NDArray[np.float32] = np.concatenate(parts)[np.argsort(order)]
        return outputs


def _load_pyfunc(path: str) -> TextModel:
    """Load a model's folder, when MLflow calls this function by its name."""
    encoding = Encoding.open(Path(path))
    return TextModel(load_saved(Path(path, NETWORK), encoding.needed), encoding)


def _joined(frame: "pd.DataFrame", names: Sequence[str]) -> Iterator[str]:
    """Yield the texts of each row, joined as those of the data were."""
    for cells in zip(*(_texts(frame[name]) for name in names), strict=True):
        yield joined(cells)


def _texts(column: "pd.Series[Any]") -> Iterator[str]:
    for row, (value, missing) in enumerate(zip(column, column.isna(), strict=True), start=1):
        if not missing and not isinstance(value, str):
            raise ValueError(f"{column.name} in row {row} is {value!r}: must be a text, in quotes")
        yield "" if missing else value
