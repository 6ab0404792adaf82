"""Folds of rows: a table, the properties that every division has, and words that a fold lacks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnexp.data.encoding import FIRST_WORD, UNKNOWN
from rnnexp.data.folds import fold_numbers, fold_problems
from rnnexp.data.generated import Generated
from rnnexp.data.table import Table

CLASSES = st.lists(st.integers(0, 3), min_size=2, max_size=60)
FOLDS = st.integers(2, 6)


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("y", "folds", "groups", "expected"),
    [
        ([0, 0, 0, 0], 2, None, [0, 1, 0, 1]),
        ([0, 1, 0, 1, 0, 1], 3, None, [0, 0, 1, 1, 2, 2]),
        ([1, 0, 1, 0, 1, 0], 2, None, [1, 0, 0, 1, 1, 0]),
        # Numbers to predict: each fold has small and large ones.
        ([0.5, 4.5, 1.5, 3.5], 2, None, [0, 1, 1, 0]),
        ([0, 0, 0, 0], 2, [0, 0, 1, 1], [0, 0, 1, 1]),
        ([0, 0, 0, 0, 0, 0], 2, [0, 1, 1, 1, 2, 2], [1, 0, 0, 0, 1, 1]),
        # The fold with the fewest rows of the group's classes, not with the fewest rows.
        ([0, 0, 0, 1, 1, 0], 2, [0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 1]),
        ([0.5, 0.7, 9.0, 9.5], 2, [0, 0, 1, 1], [0, 0, 1, 1]),
    ],
)
def test_the_fold_of_each_row(
    y: list[float], folds: int, groups: list[int] | None, expected: list[int]
) -> None:
    given_groups = None if groups is None else numbers(*groups)
    assert fold_numbers(np.array(y), folds, given_groups).tolist() == expected


@given(CLASSES, FOLDS)
def test_folds_are_alike_in_all_and_in_each_class(y: list[int], folds: int) -> None:
    fold = fold_numbers(numbers(*y), folds)
    assert fold.tolist() == fold_numbers(numbers(*y), folds).tolist()
    for rows in (fold, *(fold[np.array(y) == k] for k in set(y))):
        counts = np.bincount(rows, minlength=folds)
        assert len(counts) == folds
        assert counts.max() - counts.min() <= 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=60), FOLDS)
def test_a_group_is_in_one_fold_and_no_fold_is_empty(
    rows: list[tuple[int, int]], folds: int
) -> None:
    y, groups = np.array(rows, dtype=np.int64).T
    groups = np.unique(groups, return_inverse=True)[1]
    fold = fold_numbers(y, folds, groups)
    found = {group: set(fold[groups == group].tolist()) for group in groups.tolist()}
    assert all(len(folds_of) == 1 for folds_of in found.values())
    if len(found) >= folds:
        assert set(fold.tolist()) == set(range(folds))


@pytest.mark.parametrize(
    ("y", "classes", "folds", "groups", "problem"),
    [
        ([0, 0, 1, 1], ("a", "b"), 2, None, None),
        ([0, 0, 0, 1, 1], ("a", "b"), 3, None,
         "fit.folds=3: class b has 2 training reviews, and each fold needs one; give fit.folds=2 "
         "or less, or more reviews of the class"),
        ([0, 0, 0, 1], ("a", "b"), 2, None,
         "fit.folds=2: class b has 1 training review, and each fold needs one; give more reviews"),
        ([0.5, 0.7], (), 2, None, None),
        ([0.5, 0.7], (), 3, None, "fit.folds=3: there are 2 training reviews; give fewer folds"),
        ([0, 0, 1, 1], (0, 1), 2, [0, 1, 0, 1], None),
        ([0, 0, 1, 1], (0, 1), 3, [0, 1, 0, 1],
         "fit.folds=3: fit.groups has 2 different values; give fit.folds=2 or less"),
        ([0, 0, 1, 1], (0, 1), 2, [0, 0, 0, 0],
         "fit.folds=2: fit.groups has 1 different values; give another column"),
        ([0, 0, 1, 1], (0, 1), 2, [0, 1, 2, 2],
         "fit.groups: all training reviews of class 1 would be in one fold"),
    ],
)  # fmt: skip
def test_rows_that_can_not_be_divided(
    y: list[float],
    classes: tuple[object, ...],
    folds: int,
    groups: list[int] | None,
    problem: str | None,
) -> None:
    given_groups = None if groups is None else numbers(*groups)
    found = fold_problems(np.array(y), classes, folds, given_groups)
    assert found == [] if problem is None else found[0].startswith(problem)


def generated(**changes: object) -> Generated:
    options = {"n_train": 60, "n_test": 8, "maxlen": 12, "num_words": None, "seed": 0}
    return Generated(split="whitespace", **options | changes)  # type: ignore[arg-type]


def test_each_row_is_validated_on_once_and_words_of_no_other_row_are_unknown() -> None:
    dataset = generated(folds=3, validation_split=0.2).load()
    whole = dataset.train()
    seen = []
    for number in range(3):
        fold = dataset.fold(number, 3)
        train, held = fold.train(), fold.validation()
        assert held is not None
        assert (len(train.y), len(held.y)) == (40, 20)
        assert np.bincount(held.y).max() - np.bincount(held.y).min() <= 1 + abs(
            int(np.diff(np.bincount(whole.y))[0])
        )
        known = set(np.unique(train.x).tolist()) | set(range(FIRST_WORD))
        assert set(np.unique(held.x).tolist()) <= known
        rows = np.flatnonzero(~np.isin(np.arange(60), fold.chosen[0]))  # type: ignore[index]
        changed = held.x != whole.x[rows]
        assert set(held.x[changed].tolist()) <= {UNKNOWN}
        assert not set(whole.x[rows][changed].tolist()) & known
        seen += rows.tolist()
    assert sorted(seen) == list(range(60))
    refit = dataset.whole()
    assert len(refit.train().y) == 60
    assert refit.validation() is None


def test_the_vocabulary_of_folds_is_that_of_all_rows() -> None:
    by_share = generated(n_train=20, validation_split=0.5).load()
    by_folds = generated(n_train=20, validation_split=0.5, folds=2).load()
    assert set(by_share.words) < set(by_folds.words)
    assert by_folds.words == generated(n_train=20).load().words


def test_groups_are_read_from_a_column_of_the_training_file(tmp_path: Path) -> None:
    rows = "".join(f"text {n},{n % 2},writer {n // 4}\n" for n in range(24))
    (tmp_path / "train.csv").write_text(f"text,label,writer\n{rows}")
    (tmp_path / "test.csv").write_text("text,label\ntext 1,1\ntext 2,0\n")
    dataset = Table(
        train=str(tmp_path / "train.csv"), test=str(tmp_path / "test.csv"), text="text",
        label="label", groups="writer", num_words=None, maxlen=4, split="whitespace", seed=3,
        folds=3,
    ).load()  # fmt: skip
    groups = dataset.groups()
    assert groups is not None
    words = dict(enumerate(dataset.words, start=FIRST_WORD))
    writers = [int(words[ids[-1]]) // 4 for ids in dataset.train().x.tolist()]
    assert len({(writer, group) for writer, group in zip(writers, groups, strict=True)}) == 6
    fold = fold_numbers(dataset.train().y, 3, groups)
    assert len({(writer, number) for writer, number in zip(writers, fold, strict=True)}) == 6
