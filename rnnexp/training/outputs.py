"""What the outputs of a network stand for.

This file is copied into every MLflow model (see `rnnexp.serving.packing`), so it imports nothing of
this project.
"""

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


def probabilities_of(outputs: Scores, *, logits: bool) -> Scores:
    """Return a probability for each class, ``float64 (n, classes)``.

    Args:
        outputs: ``float64 (n, units)``; one unit stands for the second of two classes.
        logits: Whether the outputs are logits.
    """
    if outputs.shape[1] == 1:
        second = 0.5 * (1 + np.tanh(outputs / 2)) if logits else outputs  # a stable sigmoid
        return np.hstack([1 - second, second])
    if not logits:
        return outputs
    powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    softmax: Scores = powers / powers.sum(axis=1, keepdims=True)
    return softmax
