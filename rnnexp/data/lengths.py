"""Lengths of texts, and the few lengths to which ``data.bucketing`` pads them."""

import numpy as np
import numpy.typing as npt

CANDIDATES = 256  # lengths to choose from, so that the choice takes no longer for long texts
ROWS = 4096  # texts that are counted at once

Numbers = npt.NDArray[np.int64]


def text_lengths(x: npt.NDArray[np.int32]) -> Numbers:
    """Return the number of ids of each text without its padding, ``int64 (n,)``.

    Args:
        x: ``int32 (n, width)`` ids, in which 0 is padding alone.
    """
    parts = [np.count_nonzero(x[first : first + ROWS], axis=1) for first in range(0, len(x), ROWS)]
    return np.concatenate(parts)


def choose_lengths(found: Numbers, number: int) -> tuple[int, ...]:
    """Choose the lengths that leave the least padding, if each text is padded to the next of them.

    Args:
        found: The lengths of the texts, at least one.
        number: The largest number of lengths to choose.

    Returns:
        The lengths, ascending; the last is that of the longest text.
    """
    shares = np.linspace(0, 1, CANDIDATES + 1)[1:]
    lengths = np.unique(np.quantile(found, shares, method="higher"))
    texts = np.searchsorted(np.sort(found), lengths, side="right")  # of at most each length
    # ids[j]: of the texts up to lengths[j], padded, if lengths[j] is the last that is chosen.
    ids = lengths * texts
    before: list[Numbers] = []  # for each further length, the best one before it
    for _ in range(min(number, len(lengths)) - 1):
        # Row i, column j: lengths[j] comes next after lengths[i].
        total = ids[:, None] + lengths * (texts - texts[:, None])
        total[np.tril_indices_from(total, -1)] = np.iinfo(np.int64).max
        before.append(total.argmin(axis=0))
        ids = total.min(axis=0)
    chosen = [len(lengths) - 1]
    for best in reversed(before):
        chosen.append(int(best[chosen[-1]]))
    return tuple(int(lengths[j]) for j in sorted(set(chosen)))
