"""Short reviews from a small grammar in which the order of the words matters.

A review is one to three clauses, now and then after a neutral opening:

    review  = [opening] clause (joiner clause)*
    joiner  = "and" | "but"
    clause  = subject verb [negation] [intensifier] adjective

Its opinion follows three rules, none of which a bag of words can see:

- negation turns the adjective that it stands before, and no other;
- an intensifier doubles the weight of the adjective that it stands before;
- "but" makes everything said before it count for nothing.

What stands after the last "but" is summed: the total is a whole number from -6 to 6, and
the words determine it. What the label makes of it, and the best that any model can expect,
depends on the task and on ``noise``:

- ``binary``: whether the total is above 0; a review that sums to 0 is drawn again. The
  share ``noise`` of the labels is turned over: no accuracy above ``1 - noise``.
- ``classes``: one to five stars for a total of -2 or less, -1, 0, 1, and 2 or more. They
  are some 19, 27, 8, 27 and 19 % of the reviews. The share ``noise`` of the labels is
  replaced by one of the other four, each as likely: no accuracy above ``1 - noise``.
- ``regression``: the total, with Gaussian noise added whose standard deviation is
  ``noise``: no mean squared error below ``noise ** 2``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnexp.data.source import Corpus, Source, is_count

OPENINGS = (
    "i saw it with my brother",
    "we watched this one on a rainy sunday",
    "this is the second film of the series",
    "my neighbour lent me the disc",
)
SUBJECTS = (
    "the plot",
    "the acting",
    "the ending",
    "the music",
    "the dialogue",
    "the cast",
    "the pace",
    "the camera work",
)
VERBS = ("was", "felt", "seemed")
NEGATIONS = ("not", "never", "hardly")
INTENSIFIERS = ("very", "truly", "remarkably")
GOOD = ("good", "great", "clever", "moving", "funny", "charming", "fresh", "sharp")
BAD = ("bad", "awful", "dull", "weak", "boring", "clumsy", "stale", "flat")

OPENED, BUT, NEGATED, INTENSIFIED = 0.2, 0.5, 0.2, 0.3  # how often each occurs


@dataclass(frozen=True)
class Clause:
    """What one clause says, and its weight: -2, -1, 1 or 2."""

    text: str
    opinion: int


@dataclass(kw_only=True)
class Generated(Source):
    """Reviews made up by the grammar, so that the best possible score is known.

    Attributes:
        n_train: Reviews to train and validate on.
        n_test: Reviews to test on.
        noise: Share of labels turned over or replaced, at least 0 and below 0.5; for
            ``task=regression`` the standard deviation of what is added to them.
    """

    n_train: int = 12000
    n_test: int = 2000
    noise: float = 0.05

    def problems(self) -> list[str]:
        """What of the settings can't work."""
        problems = super().problems()
        for name in ("n_train", "n_test"):
            if not is_count(getattr(self, name)):
                problems.append(
                    f"data.{name}={getattr(self, name)}: must be a whole number above 0"
                )
        limit = 1e30 if self.task == "regression" else 0.5  # far within float32
        if not isinstance(self.noise, float | int) or not 0 <= self.noise < limit:
            problems.append(f"data.noise={self.noise}: must be a number from 0, below {limit}")
        return problems

    def fingerprint(self) -> dict[str, object]:
        """The settings: with the seed they determine every review."""
        return {"n_train": self.n_train, "n_test": self.n_test, "noise": self.noise}

    def read(self) -> dict[str, Corpus]:
        """Training and test reviews, drawn independently."""
        streams = np.random.SeedSequence(self.seed).spawn(2)
        sizes = {"train": self.n_train, "test": self.n_test}
        return {
            name: Corpus(*generate(size, self.noise, np.random.default_rng(stream), self.task)[:2])
            for (name, size), stream in zip(sizes.items(), streams, strict=True)
        }


def generate(
    n: int, noise: float, rng: np.random.Generator, task: str = "binary"
) -> tuple[list[str], list[float], list[float]]:
    """``n`` reviews, their labels after the noise, and their true labels.

    The labels are 0 or 1, 1 to 5, or for ``task=regression`` any numbers.
    """
    texts, opinions = zip(*(_review(rng, task) for _ in range(n)), strict=True)
    totals = np.array(opinions)
    if task == "regression":
        return list(texts), (totals + noise * rng.standard_normal(n)).tolist(), totals.tolist()
    if task == "binary":
        least, count, truth = 0, 2, (totals > 0).astype(np.int64)
    else:
        least, count, truth = 1, 5, np.clip(totals, -2, 2) + 3
    labels = _replace_some(truth - least, count, noise, rng) + least
    return list(texts), labels.tolist(), truth.tolist()


def _replace_some(
    classes: npt.NDArray[np.int64], count: int, share: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Classes from 0 to ``count - 1``, a share of them replaced by any of the others."""
    chosen = rng.random(len(classes)) < share
    return np.where(chosen, (classes + rng.integers(1, count, len(classes))) % count, classes)


def opinion(clauses: Sequence[Clause], joiners: Sequence[str]) -> int:
    """Sum of the clauses after the last "but", from -6 to 6.

    Args:
        clauses: The review's clauses in their order.
        joiners: ``joiners[i]`` stands between ``clauses[i]`` and ``clauses[i + 1]``.
    """
    total = clauses[0].opinion
    for joiner, clause in zip(joiners, clauses[1:], strict=True):
        total = clause.opinion if joiner == "but" else total + clause.opinion
    return total


def _review(rng: np.random.Generator, task: str) -> tuple[str, int]:
    total = None
    while total is None or (total == 0 and task == "binary"):
        clauses = [_clause(rng) for _ in range(rng.integers(1, 4))]
        joiners = ["but" if but else "and" for but in rng.random(len(clauses) - 1) < BUT]
        total = opinion(clauses, joiners)
    parts = [clauses[0].text]
    for joiner, clause in zip(joiners, clauses[1:], strict=True):
        parts += [joiner, clause.text]
    if rng.random() < OPENED:
        parts.insert(0, str(rng.choice(OPENINGS)))
    return " ".join(parts), total


def _clause(rng: np.random.Generator) -> Clause:
    good, negated, intensified = rng.random(3) < (0.5, NEGATED, INTENSIFIED)
    words = [rng.choice(SUBJECTS), rng.choice(VERBS)]
    if negated:
        words.append(rng.choice(NEGATIONS))
    if intensified:
        words.append(rng.choice(INTENSIFIERS))
    words.append(rng.choice(GOOD if good else BAD))
    sign = 1 if good != negated else -1
    return Clause(" ".join(words), sign * (2 if intensified else 1))
