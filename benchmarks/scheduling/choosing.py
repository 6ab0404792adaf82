"""Choosing a rule on some tasks, and what the chosen rule loses on the others."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Chosen(NamedTuple):
    """A rule that was chosen on some tasks.

    Attributes:
        rule: The rule's number.
        losses: The rule's mean losses on the other tasks.
    """

    rule: int
    losses: Array


def choices(losses: Array) -> Iterator[Chosen]:
    """Choose the rule with the smallest mean loss on a half of the tasks, for each such half.

    Args:
        losses: ``(tasks, orders, rules, losses)``.
    """
    number = len(losses)
    for others in combinations(range(number), number // 2):
        seen = [task for task in range(number) if task not in others]
        rule = int(losses[seen].mean((0, 1, 3)).argmin())
        yield Chosen(rule, losses[list(others)].mean((0, 1))[rule])


def print_choices(names: Sequence[str], losses: Array, shares: Sequence[float]) -> None:
    """Print how often each rule is chosen, and what the choices lose on the other tasks.

    Args:
        names: The names of the rules that can be chosen.
        losses: ``(tasks, orders, rules, shares)``.
        shares: The shares of the epochs at which the losses are.
    """
    every = list(choices(losses))
    at = " / ".join(f"{share:.0%}" for share in shares)
    print(f"\n### Chosen on a half of the tasks, loss on the other half at {at}\n")
    print("| chosen rule | ways | loss, mean | worst way |\n|---|---|---|---|")
    for number, name in [*enumerate(names), (None, "all ways")]:
        ways = [each.losses for each in every if number in (each.rule, None)]
        if ways:
            mean, worst = np.mean(ways, 0), np.max(ways, 0)
            print(
                f"| {name} | {len(ways)} of {len(every)} | {_percent(mean)} | {_percent(worst)} |"
            )


def _percent(losses: Array) -> str:
    return " / ".join(f"{100 * loss:.2f}" for loss in losses)
