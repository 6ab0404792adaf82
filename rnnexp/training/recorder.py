"""A metric that keeps the outputs of a model, so that one pass gives metrics and predictions."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops


class Recorder(keras.metrics.Metric):
    """Keeps the outputs of an evaluation, in the order of the batches.

    Args:
        rows: The largest number of rows that are evaluated.
        units: The number of outputs of the model.
    """

    def __init__(self, rows: int, units: int) -> None:
        super().__init__(name="rnnexp_outputs")
        self._kept = self.add_variable((rows, units), "zeros", name="kept")
        self._seen = self.add_variable((), "zeros", dtype="int32", name="seen")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # noqa: ARG002
        """Keep the outputs of a batch.

        Args:
            y_true: The labels.
            y_pred: ``(n, units)`` outputs.
            sample_weight: The weights of the rows.
        """
        outputs = ops.reshape(ops.cast(y_pred, self.dtype), (-1, self._kept.shape[1]))
        rows = ops.shape(outputs)[0]
        places = ops.expand_dims(self._seen + ops.arange(rows, dtype="int32"), 1)
        self._kept.assign(ops.scatter_update(self._kept.value, places, outputs))
        self._seen.assign(self._seen + rows)

    def result(self) -> Any:
        """Return the number of rows."""
        return ops.cast(self._seen, self.dtype)

    @property
    def outputs(self) -> npt.NDArray[np.float32]:
        """``float32 (n, units)``: the outputs so far."""
        kept: npt.NDArray[np.float32] = ops.convert_to_numpy(self._kept)
        return kept[: int(ops.convert_to_numpy(self._seen))]
