"""The one rule for a model's output and its labels: they follow from the loss and the data.

| loss                                | data.task       | units       | activation | labels        |
|-------------------------------------|-----------------|-------------|------------|---------------|
| binary crossentropies               | binary          | 1           | sigmoid    | 0 and 1       |
| hinge, squared hinge                | binary          | 1           | tanh       | 0 and 1       |
| categorical ones, KL divergence     | binary, classes | one a class | softmax    | one-hot       |
| sparse categorical crossentropy     | binary, classes | one a class | softmax    | class numbers |
| any other                           | binary          | 1           | sigmoid    | 0 and 1       |
|                                     | classes         | one a class | softmax    | one-hot       |
|                                     | regression      | 1           | linear     | numbers       |

A loss with ``from_logits`` gets linear outputs. Keras itself takes 0 and 1 for -1 and 1 where
the loss is a hinge.
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
    """A model's last layer, and what it is compared with.

    Attributes:
        units: Its width.
        activation: Keras's name of its activation.
        one_hot: Whether labels are ``float32 (n, units)``, instead of ``(n,)`` as in the data.
    """

    units: int
    activation: str
    one_hot: bool = False

    def labels(self, y: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The data's labels in the form that the loss wants."""
        return np.eye(self.units, dtype=np.float32)[y] if self.one_hot else y


def output_of(config: DictConfig, dataset: Dataset) -> Output:
    """The output that a config's loss and its data need."""
    loss, classes = loss_of(config), len(dataset.classes)
    if dataset.task == "regression":
        output = Output(1, "linear")
    elif loss in ONE_HOT or _is_sparse(loss):
        output = Output(classes, "softmax", one_hot=loss in ONE_HOT)
    elif dataset.task == "classes" and not _is_binary(loss):
        output = Output(classes, "softmax", one_hot=True)
    else:
        output = Output(1, "tanh" if loss in HINGES else "sigmoid")
    if OmegaConf.select(config, "compile.loss.from_logits"):
        return Output(output.units, "linear", output.one_hot)
    return output


def output_problems(config: DictConfig, dataset: Dataset) -> list[str]:
    """Why the loss can't work with the data; empty if it can."""
    loss, where = loss_of(config), f"compile.loss={_name(config)}"
    if dataset.task == "regression":
        if loss in ONE_HOT or _is_sparse(loss) or _is_binary(loss):
            return [f"{where} is for classes, but data.task=regression; use compile=regression"]
    elif _is_binary(loss) and len(dataset.classes) > 2:
        return [
            f"{where} is for two classes, but data.label has {_shown(dataset)}; use "
            "compile=categorical or compile=sparse_categorical"
        ]
    return []


def _shown(dataset: Dataset) -> str:
    count = len(dataset.classes)
    shown = ", ".join(map(str, dataset.classes[:5])) + (", ..." if count > 5 else "")
    return f"{count} ({shown})"


def _name(config: DictConfig) -> str:
    return str(OmegaConf.select(config, "compile.loss._target_") or config.compile.loss)


def loss_of(config: DictConfig) -> str:
    """A config's loss by its bare name, in lower case."""
    return _name(config).rpartition(".")[2].replace("_", "").lower()


def _is_sparse(loss: str) -> bool:
    return loss.startswith("sparse")


def _is_binary(loss: str) -> bool:
    return loss.startswith("binary") or loss in HINGES
