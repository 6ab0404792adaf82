"""Lengths that leave the least padding."""

from itertools import combinations

import numpy as np
import pytest

from rnnexp.data.lengths import CANDIDATES, choose_lengths, text_lengths


def ids(lengths: tuple[int, ...], found: list[int]) -> int:
    """Return the number of ids, if each text is padded to the next of some lengths."""
    return sum(min(length for length in lengths if length >= text) for text in found)


def test_padding_has_no_length() -> None:
    x = np.array([[0, 0, 1, 5], [1, 2, 3, 4], [0, 0, 0, 1]], dtype=np.int32)
    assert text_lengths(x).tolist() == [2, 4, 1]


@pytest.mark.parametrize(
    ("found", "number", "lengths"),
    [
        ([7], 4, (7,)),
        ([3, 3, 9], 1, (9,)),
        ([3, 3, 9], 2, (3, 9)),
        ([3, 3, 9], 3, (3, 9)),
        ([1, 2, 2, 2, 9, 10, 10], 2, (2, 10)),
        ([5] * 90 + [6, 7, 8, 9] + [200] * 9, 3, (5, 9, 200)),
    ],
)
def test_lengths(found: list[int], number: int, lengths: tuple[int, ...]) -> None:
    assert choose_lengths(np.array(found), number) == lengths


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_no_others_leave_less_padding(number: int) -> None:
    found = np.random.default_rng(0).integers(1, 12, 60).tolist()
    every = [(*rest, max(found)) for rest in combinations(range(1, max(found)), number - 1)]
    chosen = choose_lengths(np.array(found), number)
    assert ids(chosen, found) == min(ids(lengths, found) for lengths in every)


def test_many_lengths_are_thinned_out_but_for_the_last() -> None:
    found = np.arange(1, 10 * CANDIDATES)
    lengths = choose_lengths(found, 4)
    assert len(lengths) == 4
    assert lengths[-1] == found[-1]
    even = tuple(len(found) * part // 4 for part in (1, 2, 3, 4))
    assert lengths == pytest.approx(even, rel=0.01)
