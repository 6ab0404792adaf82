"""The configs that an application's own check is given, before trial 0."""

from collections.abc import Sequence

import pytest
from omegaconf import DictConfig

from tests.helpers.commands import Command

checked: list[dict[str, float]] = []


def take_note(configs: Sequence[DictConfig]) -> list[str]:
    checked.extend({key: config[key] for key in ("x", "rate", "steps")} for config in configs)
    return []


@pytest.mark.parametrize(
    ("searched", "seen"),
    [
        # A config with the first value of each key, and a config for every other value.
        (
            ["x=interval(0,6)", "rate=choice(0.1,0.2,0.3)"],
            [(0, 0.1, 4), (6, 0.1, 4), (0, 0.2, 4), (0, 0.3, 4)],
        ),
        (["x=choice(1)", "rate=0.5"], [(1, 0.5, 4)]),
    ],
)
def test_every_choice_and_both_ends_of_every_range_come_up_once(
    app: Command, searched: list[str], seen: list[tuple[float, ...]]
) -> None:
    checked.clear()
    check = "hydra.sweeper.check=tests.sweep.test_preflight.take_note"
    ended = app("-m", "hydra.sweeper.n_trials=1", "steps=4", check, *searched)
    assert ended.code == 0, ended.err
    assert [tuple(config.values()) for config in checked] == seen
