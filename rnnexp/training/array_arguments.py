"""Those arguments of ``model.fit`` that ask Keras to make batches of arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy.typing as npt

from rnnexp.data.source import rows_to_train_on

Array = npt.NDArray[Any]
BATCH_SIZE = 32  # Keras's default
NUMBERS_OF_STEPS = ("steps_per_epoch", "validation_steps")  # with which an epoch is not all rows


@dataclass(frozen=True)
class ArrayArguments:
    """The arrays of ``model.fit`` or ``model.evaluate``, and how batches are made of them.

    Attributes:
        arrays: The texts, the labels and, if there are any, weights of the rows to train on.
        batch_size: The number of rows in a batch.
        shuffle: As in ``model.fit``: true, false or ``batch``.
        validation: The arrays to validate on; None for none.
        validation_batch_size: The number of rows in a batch of validation.
        others: The other arguments.
    """

    arrays: Sequence[Array]
    batch_size: int
    shuffle: bool | str
    validation: Sequence[Array] | None
    validation_batch_size: int
    others: dict[str, Any]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Self:
        """Take the arguments apart; the last rows are validated on, if a share of them is."""
        others = dict(arguments)
        given = [others.pop(name, None) for name in ("x", "y", "sample_weight")]
        arrays = [array for array in given if array is not None]
        rows = rows_to_train_on(len(arrays[0]), others.pop("validation_split", None))
        validation = others.pop("validation_data", None)
        if rows < len(arrays[0]):
            validation = [array[rows:] for array in arrays]
        batch_size = others.pop("batch_size", None) or BATCH_SIZE
        return cls(
            arrays=[array[:rows] for array in arrays],
            batch_size=batch_size,
            shuffle=others.pop("shuffle", True),
            validation=validation,
            validation_batch_size=others.pop("validation_batch_size", None) or batch_size,
            others=others,
        )
