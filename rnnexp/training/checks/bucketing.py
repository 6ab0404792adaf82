"""The check of ``data.bucketing``: the model's answers must not depend on the padding."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig

from rnnexp.data import Dataset
from rnnexp.data.encoding import PAD, START, UNKNOWN
from rnnexp.errors import one_line

if TYPE_CHECKING:
    import keras

TEXTS, WIDTHS = 8, (2, 3, 12)
NOISE = 0.1  # that is added to weights, of which some may be zero at first and not later
TOLERANCE = 1e-5


def bucketing_problems(config: DictConfig, dataset: Dataset, model: "keras.Model") -> list[str]:
    """Return why batches can't be cut to the lengths of their texts.

    Texts of one word are read with more and less padding in front. The texts are short, since a
    recurrent layer soon forgets what came before.

    Args:
        config: The whole config.
        dataset: The data of the config.
        model: The model of the config, built and compiled. Its weights are as before afterwards.
    """
    if dataset.bucketing is None:
        return []
    widest = max(dataset.train().x.shape[1], WIDTHS[1])
    weights = model.get_weights()
    try:
        _disturb(model)
        answers = [_answers(model, w, dataset.input_dim) for w in WIDTHS if w <= widest]
    except Exception as error:  # whatever Keras, or a class of the user's, raises
        found = f"can't read texts of other lengths: {type(error).__name__}: {one_line(error)}"
    else:
        if all(np.allclose(answers[0], other, TOLERANCE, TOLERANCE) for other in answers[1:]):
            return []
        found = "reads the padding in front of a text, so its values would be others"
    finally:
        model.set_weights(weights)
    mask = "let each layer skip the padding, as keras.layers.Embedding(mask_zero=True) makes them"
    if config.model.get("mask_zero") is False:
        mask = "give model.mask_zero=true"
    return [
        f"data.bucketing={dataset.bucketing}: the model {found}; {mask}, or data.bucketing=null"
    ]


def _disturb(model: "keras.Model") -> None:
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(variable + NOISE * rng.standard_normal(variable.shape))


def _answers(model: "keras.Model", width: int, input_dim: int) -> npt.NDArray[Any]:
    """Return the outputs for some texts, and the penalties of regularizers."""
    import keras

    texts = np.full((TEXTS, width), PAD, dtype=np.int32)
    texts[:, -2] = START
    texts[:, -1] = np.linspace(UNKNOWN, input_dim - 1, TEXTS)
    outputs = [model(texts, training=False), *model.losses]
    return np.concatenate([keras.ops.convert_to_numpy(output).ravel() for output in outputs])
