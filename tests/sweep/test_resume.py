import pytest
from omegaconf import OmegaConf

from rnnexp.search.space import parse
from rnnexp.sweep.resume import definition, differences

CONFIG = {"model": {"units": 4, "name": "a"}, "seed": 0, "hydra": {"job": "x"}}


def test_the_definition_has_what_is_searched_and_what_is_not() -> None:
    space, _ = parse(["model.units=choice(4,5)"])
    assert definition(OmegaConf.create(CONFIG), space) == {
        "search of model.units": "choice(4,5)",
        "model.name": "a",
        "seed": "0",
    }


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "2"}, ["a was 1, now it is 2"]),
        ({"a": "1"}, {}, ["a was 1, now it is not there"]),
        ({}, {"b": "1"}, ["b was not there, now it is 1"]),
    ],
)
def test_differences(before: dict[str, str], now: dict[str, str], found: list[str]) -> None:
    assert differences(before, now) == found
