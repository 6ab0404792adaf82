"""The rule for a model's last layer and its labels, which follow from the loss and the data.

| loss                                | data.task       | units       | activation | labels        |
|-------------------------------------|-----------------|-------------|------------|---------------|
| binary crossentropies               | binary          | 1           | sigmoid    | 0 and 1       |
| hinge, squared hinge                | binary          | 1           | tanh       | 0 and 1       |
| categorical ones, KL divergence     | binary, classes | one a class | softmax    | one-hot       |
| sparse categorical crossentropy     | binary, classes | one a class | softmax    | class numbers |
| any other                           | binary          | 1           | sigmoid    | 0 and 1       |
|                                     | classes         | one a class | softmax    | one-hot       |
|                                     | regression      | 1           | linear     | numbers       |

With ``from_logits`` the activation is linear. Hinge losses take labels of 0 and 1, too: Keras turns
a 0 into -1.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from omegaconf import DictConfig, OmegaConf

from rnnexp.data import Dataset

ONE_HOT = (
    "categoricalcrossentropy",
    "categoricalfocalcrossentropy",
    "categoricalgeneralizedcrossentropy",
    "categoricalhinge",
    "kldivergence",
)
HINGES = ("hinge", "squaredhinge")


@dataclass(frozen=True)
class Output:
    """A model's last layer, and the form of the labels that it is compared with.

    Attributes:
        units: The width of the layer.
        activation: Keras's name of the layer's activation.
        one_hot: Whether the labels are ``float32 (n, units)`` in place of ``(n,)``.
    """

    units: int
    activation: str
    one_hot: bool = False

    def labels(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return labels in the form that the loss needs.

        Args:
            y: ``(n,)`` labels as in the data: class numbers, or numbers to predict.

        Returns:
            ``float32 (n, units)`` if `one_hot`, else ``y`` itself.
        """
        return np.eye(self.units, dtype=np.float32)[y] if self.one_hot else y


def output_of(config: DictConfig, dataset: Dataset) -> Output:
    """Return the output that a config's loss and its data need.

    Args:
        config: The whole config.
        dataset: The data of the config.
    """
    loss, classes = loss_of(config), len(dataset.classes)
    if dataset.task == "regression":
        output = Output(1, "linear")
    elif loss in ONE_HOT or _is_sparse(loss):
        output = Output(classes, "softmax", one_hot=loss in ONE_HOT)
    elif dataset.task == "classes" and not is_for_two_classes(loss):
        output = Output(classes, "softmax", one_hot=True)
    else:
        output = Output(1, "tanh" if loss in HINGES else "sigmoid")
    if OmegaConf.select(config, "compile.loss.from_logits"):
        return Output(output.units, "linear", output.one_hot)
    return output


def given_loss(config: DictConfig) -> str:
    """Return a config's loss as it is given: its import path, or Keras's name."""
    return str(OmegaConf.select(config, "compile.loss._target_") or config.compile.loss)


def loss_of(config: DictConfig) -> str:
    """Return the bare name of a config's loss in lower case, such as ``binarycrossentropy``."""
    return given_loss(config).rpartition(".")[2].replace("_", "").lower()


def is_for_classes(loss: str) -> bool:
    """Return whether a loss, by its name as of `loss_of`, needs classes."""
    return loss in ONE_HOT or _is_sparse(loss) or is_for_two_classes(loss)


def is_for_two_classes(loss: str) -> bool:
    """Return whether a loss, by its name as of `loss_of`, needs exactly two classes."""
    return loss.startswith("binary") or loss in HINGES


def _is_sparse(loss: str) -> bool:
    return loss.startswith("sparse")
