"""Check that a loss suits the data."""

from omegaconf import DictConfig

from rnnexp.data import Dataset
from rnnexp.training.output_layer import given_loss, is_for_classes, is_for_two_classes, loss_of


def output_problems(config: DictConfig, dataset: Dataset) -> list[str]:
    """Return why the loss of a config can't work with some data.

    Args:
        config: The whole config.
        dataset: The data.
    """
    loss, where = loss_of(config), f"compile.loss={given_loss(config)}"
    if dataset.task == "regression":
        if is_for_classes(loss):
            return [f"{where} is for classes, but data.task=regression; use compile=regression"]
    elif is_for_two_classes(loss) and len(dataset.classes) > 2:
        return [
            f"{where} is for two classes, but data.label has {_shown(dataset)}; use "
            "compile=categorical or compile=sparse_categorical"
        ]
    return []


def _shown(dataset: Dataset) -> str:
    count = len(dataset.classes)
    shown = ", ".join(map(str, dataset.classes[:5])) + (", ..." if count > 5 else "")
    return f"{count} ({shown})"
