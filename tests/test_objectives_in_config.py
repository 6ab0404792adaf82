"""The objectives and constraints of a config: two ways to write them, and what is refused."""

import pytest
from omegaconf import OmegaConf

from rnnexp.objective import settle_mode
from rnnexp.objectives_in_config import objectives_in, objectives_problems

LOSS = {"monitor": "val_loss", "mode": "auto"}


@pytest.mark.parametrize(
    ("config", "direction", "expected"),
    [
        ({"objective": LOSS}, None, "min val_loss"),
        ({"objective": LOSS | {"others": []}, "constraints": []}, None, "min val_loss"),
        (
            {"objective": LOSS | {"others": [{"monitor": "val_auc"}]}},
            None,
            "min val_loss, max val_auc",
        ),
        (
            {"objective": [LOSS, {"monitor": "parameters", "mode": "min"}]},
            None,
            "min val_loss, min parameters",
        ),
        ({"objective": [{"monitor": "val_auc"}]}, "maximize", "max val_auc"),
        (
            {"objective": LOSS, "constraints": ["seconds<60", "val_auc > 0.5"]},
            None,
            "min val_loss, where seconds < 60 and val_auc > 0.5",
        ),
        ({}, ["maximize", "minimize"], "max value, min value_1"),
        (
            {"objective": LOSS | {"others": [{"monitor": "latency"}]}},
            ["minimize", "minimize"],
            "min val_loss, min latency",
        ),
        ({"constraints": ["size < 3"]}, None, "min value, where size < 3"),
    ],
)
def test_both_ways(config: dict[str, object], direction: object, expected: str) -> None:
    made = OmegaConf.create(config)
    assert objectives_problems(made, direction) == []
    assert str(objectives_in(made, direction)) == expected  # type: ignore[arg-type]
    settle_mode(made)
    assert str(objectives_in(made, direction)) == expected  # type: ignore[arg-type]


def test_a_list_becomes_the_first_with_the_others() -> None:
    """So that callbacks can refer to the monitor of the first in any case."""
    config = OmegaConf.create({"objective": [{"monitor": "val_auc"}, {"monitor": "parameters"}]})
    OmegaConf.set_struct(config, True)
    settle_mode(config)
    assert OmegaConf.to_container(config.objective) == {
        "monitor": "val_auc", "mode": "max", "others": [{"monitor": "parameters"}],
    }  # fmt: skip


def others(*given: object) -> dict[str, object]:
    return {"objective": LOSS | {"others": list(given)}}


@pytest.mark.parametrize(
    ("config", "direction", "problem"),
    [
        (others("parameters"), None, "objective.others.0=parameters: must be a list of objectives"),
        ({"objective": LOSS | {"others": "a"}}, None, "objective.others=a: must be a list"),
        (others({"mode": "min"}), None, "objective.others.0={'mode': 'min'}: must be"),
        (
            others({"monitor": "val_loss"}), None,
            "objective.others.0.monitor=val_loss: is an objective twice",
        ),
        (
            others({"monitor": "val_quality"}), None,
            "objective.others.0.monitor=val_quality: whether less or more is better is unknown; "
            "give objective.others.0.mode=min or max",
        ),
        (
            others({"monitor": "parameters", "mode": "max"}), None,
            "objective.others.0.mode=max, but less parameters is better",
        ),
        (
            others({"monitor": "latency"}), ["minimize"] * 3,
            "there are 2 objectives; leave it out",
        ),
        ({"objective": LOSS | {"tolerance": -1}}, None, "objective.tolerance=-1: must be"),
        ({"constraints": "seconds < 60"}, None, "constraints=seconds < 60: must be a list"),
        ({"constraints": ["seconds"]}, None, "constraints: 'seconds' must be such as"),
        ({"constraints": [{"seconds": 60}]}, None, "constraints: {'seconds': 60} must be such as"),
    ],
)  # fmt: skip
def test_what_is_refused(config: dict[str, object], direction: object, problem: str) -> None:
    found = objectives_problems(OmegaConf.create(config), direction)
    assert [problem in text for text in found] == [True]
