"""Short reviews from a small grammar in which the order of the words matters.

A review is one to three clauses, now and then after a neutral opening:

    review  = [opening] clause (joiner clause)*
    joiner  = "and" | "but"
    clause  = subject verb [negation] [intensifier] adjective

Its opinion follows three rules, none of which a bag of words can see:

- negation turns the adjective that it stands before, and no other;
- an intensifier doubles the weight of the adjective that it stands before;
- "but" makes everything said before it count for nothing.

What stands after the last "but" is summed; a review that sums to nothing is drawn
again. A known share of the labels (``noise``) is then turned over, so that no
classifier can expect to be right more often than ``1 - noise``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
    """Reviews made up by the grammar; the best possible expected accuracy is ``1 - noise``.

    Attributes:
        n_train: Reviews to train and validate on.
        n_test: Reviews to test on.
        noise: Share of labels turned over, at least 0 and below 0.5.
    """

    n_train: int = 12000
    n_test: int = 2000
    noise: float = 0.05

    def faults(self) -> list[str]:
        """What of the settings can't work."""
        faults = super().faults()
        for name in ("n_train", "n_test"):
            if not is_count(getattr(self, name)):
                faults.append(f"data.{name}={getattr(self, name)}: must be a whole number above 0")
        if not isinstance(self.noise, float | int) or not 0 <= self.noise < 0.5:
            faults.append(f"data.noise={self.noise}: must be a number from 0, below 0.5")
        return faults

    def fingerprint(self) -> dict[str, object]:
        """The settings: with the seed they determine every review."""
        return {"n_train": self.n_train, "n_test": self.n_test, "noise": self.noise}

    def read(self) -> tuple[Corpus, Corpus]:
        """Training and test reviews, drawn independently."""
        streams = np.random.SeedSequence(self.seed).spawn(2)
        sizes = (self.n_train, self.n_test)
        train, test = (
            Corpus(*generate(size, self.noise, np.random.default_rng(stream))[:2])
            for size, stream in zip(sizes, streams, strict=True)
        )
        return train, test


def generate(
    n: int, noise: float, rng: np.random.Generator
) -> tuple[list[str], list[int], list[int]]:
    """``n`` reviews, their labels after the noise, and their true labels."""
    texts, truth = zip(*(_review(rng) for _ in range(n)), strict=True)
    labels = [
        1 - label if flip else label
        for label, flip in zip(truth, rng.random(n) < noise, strict=True)
    ]
    return list(texts), labels, list(truth)


def opinion(clauses: Sequence[Clause], joiners: Sequence[str]) -> int:
    """Sum of the clauses after the last "but"; its sign is the true label.

    Args:
        clauses: The review's clauses in their order.
        joiners: ``joiners[i]`` stands between ``clauses[i]`` and ``clauses[i + 1]``.
    """
    total = clauses[0].opinion
    for joiner, clause in zip(joiners, clauses[1:], strict=True):
        total = clause.opinion if joiner == "but" else total + clause.opinion
    return total


def _review(rng: np.random.Generator) -> tuple[str, int]:
    total = 0
    while total == 0:
        clauses = [_clause(rng) for _ in range(rng.integers(1, 4))]
        joiners = ["but" if but else "and" for but in rng.random(len(clauses) - 1) < BUT]
        total = opinion(clauses, joiners)
    parts = [clauses[0].text]
    for joiner, clause in zip(joiners, clauses[1:], strict=True):
        parts += [joiner, clause.text]
    if rng.random() < OPENED:
        parts.insert(0, str(rng.choice(OPENINGS)))
    return " ".join(parts), int(total > 0)


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
