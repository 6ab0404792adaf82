"""Metrics of classes by one name each, whatever the form of the labels and of the output is.

| name        | two classes, one output                | several outputs                       |
|-------------|----------------------------------------|---------------------------------------|
| `precision` | of the second class                    | the mean of the classes' precisions   |
| `recall`    | of the second class                    | the mean of the classes' recalls      |
| `f1`        | of the second class                    | the mean of the classes' F1 scores    |
| `auc`       | area under the ROC curve               | the mean of each class against others |

The means are macro averages: each class counts the same, however rare it is, and one that is
neither predicted nor there counts as 0. Keras's own `F1Score` and `AUC` take one-hot labels alone,
and its `Precision` and `Recall` have no such mean.
"""

from typing import Any

import keras
from keras import ops

from rnnexp.training.output_layer import Output


@keras.saving.register_keras_serializable("rnnexp")
class ClassAverage(keras.metrics.FBetaScore):
    """The mean of the precisions, the recalls or the F1 scores of all classes.

    Args:
        kind: ``precision``, ``recall`` or ``f1``.
        from_logits: Whether an only output is a logit, or another score from below 0.
        name: The metric's name; None for the kind.
        dtype: The dtype of the counts.
    """

    def __init__(
        self,
        kind: str = "f1",
        from_logits: bool = False,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(average="macro", name=name or kind, dtype=dtype)
        self.kind = kind
        self.from_logits = from_logits

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch.

        Args:
            y_true: ``(n,)`` or ``(n, 1)`` class numbers, or ``(n, classes)`` one-hot labels.
            y_pred: ``(n, 1)`` or ``(n, classes)`` outputs.
            sample_weight: ``(n,)``; None for 1.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        if y_pred.shape[-1] == 1:  # the highest of one output would always be the second class
            y_pred = ops.cast(y_pred > (0.0 if self.from_logits else 0.5), "float32")
        super().update_state(one_hot(y_true, y_pred), y_pred, sample_weight)

    def result(self) -> Any:
        """Return the mean over the classes, a number from 0 to 1."""
        hits, extra, missed = self.true_positives, self.false_positives, self.false_negatives
        wrong = {"precision": 2 * extra, "recall": 2 * missed, "f1": extra + missed}[self.kind]
        return ops.mean(ops.divide_no_nan(2 * hits, 2 * hits + wrong))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = {"kind": self.kind, "from_logits": self.from_logits}
        return {"name": self.name, "dtype": self.dtype, **own}


@keras.saving.register_keras_serializable("rnnexp")
class ClassAUC(keras.metrics.AUC):
    """The mean of the areas under the ROC curves of each class against the others.

    Args:
        num_labels: The number of classes.
        from_logits: Whether outputs are logits in place of probabilities.
        name: The metric's name.
        dtype: The dtype of the counts.
    """

    def __init__(
        self, num_labels: int, from_logits: bool = False, name: str = "auc", dtype: Any = None
    ) -> None:
        super().__init__(multi_label=True, num_labels=num_labels, name=name, dtype=dtype)
        self.from_logits = from_logits

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count a batch; the shapes are those of `ClassAverage.update_state`."""
        # Keras's `from_logits` would take the outputs for the logits of independent labels.
        y_pred = ops.softmax(y_pred) if self.from_logits else ops.convert_to_tensor(y_pred)
        super().update_state(one_hot(y_true, y_pred), y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments."""
        own = {"num_labels": self.num_labels, "from_logits": self.from_logits}
        return {"name": self.name, "dtype": self.dtype, **own}


def one_hot(y_true: Any, y_pred: Any) -> Any:
    """Return labels in the shape of the outputs, ``(n, outputs)``."""
    labels, outputs = ops.convert_to_tensor(y_true), y_pred.shape[-1]
    if outputs == 1:
        return ops.reshape(labels, (-1, 1))
    if len(labels.shape) == 2 and labels.shape[-1] == outputs:
        return labels
    return ops.one_hot(ops.cast(ops.reshape(labels, (-1,)), "int32"), outputs)


def named_metric(name: str, output: Output, from_logits: bool) -> keras.metrics.Metric:
    """Make a metric of `rnnexp.training.output_layer.NAMED`.

    Args:
        name: The metric's name.
        output: The model's output.
        from_logits: Whether outputs are logits, or other scores, in place of probabilities.
    """
    if name != "auc":
        return ClassAverage(name, from_logits)
    if output.units == 1:
        return keras.metrics.AUC(name=name, from_logits=from_logits)
    return ClassAUC(output.units, from_logits)
