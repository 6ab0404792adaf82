"""Encoded data, as models read them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Label = str | int | float


@dataclass(frozen=True, eq=False)
class Part:
    """The arrays of one part, one row a review, read by memory map.

    Attributes:
        x: ``int32 (n, maxlen)`` ids.
        y: ``int64 (n,)`` numbers of classes, or ``float32 (n,)`` labels of a regression.
        weight: ``float32 (n,)`` sample weights; None if every review counts the same.
    """

    x: npt.NDArray[np.int32]
    y: npt.NDArray[np.int64] | npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32] | None

    def save(self, folder: Path, name: str) -> None:
        """Write the arrays into a folder, under this name of the part."""
        for array, values in (("x", self.x), ("y", self.y), ("weight", self.weight)):
            if values is not None:
                np.save(_file(folder, array, name), values)

    @classmethod
    def open(cls, folder: Path, name: str) -> "Part | None":
        """The part that `save` wrote under this name; None if there is none."""
        if not _file(folder, "x", name).exists():
            return None
        weight = _file(folder, "weight", name)
        return cls(
            np.load(_file(folder, "x", name), mmap_mode="r"),
            np.load(_file(folder, "y", name), mmap_mode="r"),
            np.load(weight, mmap_mode="r") if weight.exists() else None,
        )


@dataclass(frozen=True)
class Dataset:
    """Encoded data, read by memory map from the cache.

    Attributes:
        folder: Where the arrays are.
        words: The vocabulary of the training part; ``words[i]`` has the id ``i + 3``.
        classes: The labels as given, sorted; ``classes[k]`` is encoded as ``k``. Empty for
            a regression.
        task: What is to be predicted: ``binary``, ``classes`` or ``regression``.
    """

    folder: Path
    words: tuple[str, ...]
    classes: tuple[Label, ...]
    task: str

    @property
    def input_dim(self) -> int:
        """How many ids there are: the vocabulary and pad, start and unknown."""
        return len(self.words) + 3

    def train(self) -> Part:
        """The training part, in shuffled order."""
        return self._part("train")

    def validation(self) -> Part | None:
        """The validation part, in its file's order; None if no file was given for it."""
        return Part.open(self.folder, "validation")

    def test(self) -> Part:
        """The test part, without weights, in its file's order; the search never reads it."""
        return self._part("test")

    def _part(self, name: str) -> Part:
        part = Part.open(self.folder, name)
        if part is None:
            raise FileNotFoundError(_file(self.folder, "x", name))
        return part


def _file(folder: Path, array: str, part: str) -> Path:
    return folder / f"{array}_{part}.npy"
