"""Variables of optimizer and metrics that exist before TensorFlow traces a training step.

Keras creates these in the first step. TensorFlow traces a step that creates variables once more,
without them, which takes 0.3 seconds for each new model.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from omegaconf import DictConfig

from rnnexp import keras_runtime
from rnnexp.training.compiled_models import is_of_keras

if TYPE_CHECKING:
    import keras


def create(config: DictConfig, model: "keras.Model", arguments: dict[str, Any]) -> None:
    """Create the variables.

    Those of a model with parts of the user's own, or with more than one row of outputs, are left to
    Keras.

    Args:
        config: The whole config of the model.
        model: The model, built and compiled.
        arguments: The arguments of ``model.fit``.
    """
    keras, x, y = keras_runtime.keras(), arguments["x"], arguments.get("y")
    is_tensorflow = keras.backend.backend() == "tensorflow"
    if not is_tensorflow or model.optimizer.built or not isinstance(y, np.ndarray):
        return
    has_one_row = all(isinstance(size, int) for size in model.output_shape[1:])
    if not (has_one_row and is_of_keras(config)):
        return
    model.optimizer.build(model.trainable_variables)
    # Which metric "accuracy" is depends on the shapes; Keras gives labels a second axis, too.
    labels, outputs = y[:1].reshape(1, -1), np.zeros((1, *model.output_shape[1:]), "float32")
    model.compute_metrics(x[:1], labels, outputs, None)
    model.reset_metrics()
