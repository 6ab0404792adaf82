"""Folds: the training part in several parts, each of which is validated on once."""

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


def fold_numbers(y: npt.NDArray[Any], folds: int, groups: Numbers | None = None) -> Numbers:
    """Return the fold of each row, ``int64 (n,)``: the same for equal arguments.

    Without groups, the rows in the order of their labels are dealt out like cards. So the folds
    differ by at most one row, in all and in each class; and folds of numbers are alike as well.

    With groups, all rows of a group are in one fold. The largest group is dealt out first, each to
    the fold with the fewest rows of the group's classes.

    Args:
        y: ``(n,)`` class numbers, or numbers to predict. Rows of one class come in random order.
        folds: The number of folds, at least 2.
        groups: ``int64 (n,)`` numbers from 0 of the groups; None if each row is a group.
    """
    if groups is not None:
        classes = y if np.issubdtype(y.dtype, np.integer) else np.zeros(len(y), np.int64)
        return _folds_of_groups(groups, classes, folds)[groups]
    numbers = np.empty(len(y), np.int64)
    numbers[np.argsort(y, kind="stable")] = np.arange(len(y)) % folds
    return numbers


def _folds_of_groups(groups: Numbers, classes: Numbers, folds: int) -> Numbers:
    counts = np.zeros((groups.max() + 1, classes.max() + 1), np.int64)
    np.add.at(counts, (groups, classes), 1)
    chosen = np.empty(len(counts), np.int64)
    held = np.zeros((folds, counts.shape[1]), np.int64)
    for group in np.argsort(-counts.sum(axis=1), kind="stable"):
        alike = held @ counts[group]  # an empty fold comes first, so that none stays empty
        chosen[group] = np.lexsort((held.sum(axis=1), alike))[0]
        held[chosen[group]] += counts[group]
    return chosen


def fold_problems(
    y: npt.NDArray[Any], classes: tuple[object, ...], folds: int, groups: Numbers | None = None
) -> list[str]:
    """Return why rows can't be divided into folds, with ``fit.folds`` as their number.

    Args:
        y: As in `fold_numbers`.
        classes: The labels; ``classes[k]`` has the number ``k``. Empty for numbers to predict.
        folds: As in `fold_numbers`.
        groups: As in `fold_numbers`.
    """
    if groups is not None:
        return _group_problems(y, classes, folds, groups)
    if not classes:
        rows = f"there are {len(y)} training reviews"
        return [] if folds <= len(y) else [f"fit.folds={folds}: {rows}; give fewer folds"]
    counts = np.bincount(y, minlength=len(classes))
    least = int(counts.argmin())
    if folds <= counts[least]:
        return []
    found = f"{counts[least]} training review{'' if counts[least] == 1 else 's'}"
    fewer = f"fit.folds={counts[least]} or less, or " if counts[least] > 1 else ""
    return [
        f"fit.folds={folds}: class {classes[least]} has {found}, and each fold needs one; give "
        f"{fewer}more reviews of the class"
    ]


def _group_problems(
    y: npt.NDArray[Any], classes: tuple[object, ...], folds: int, groups: Numbers
) -> list[str]:
    number = int(groups.max()) + 1
    if number < folds:
        hint = f"give fit.folds={number} or less" if number > 1 else "give another column"
        return [f"fit.folds={folds}: fit.groups has {number} different values; {hint}"]
    fold = fold_numbers(y, folds, groups)
    for k, label in enumerate(classes):
        if len(set(fold[y == k].tolist())) == 1:
            return [
                f"fit.groups: all training reviews of class {label} would be in one fold, and the "
                "class would not be trained when that fold is validated on; give fewer folds, or "
                "another column"
            ]
    return []
