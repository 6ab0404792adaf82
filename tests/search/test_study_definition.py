import pytest
from omegaconf import OmegaConf

from rnnexp.search.dimension import Params
from rnnexp.search.space import parse
from rnnexp.search.study_definition import (
    defaults_of,
    definition,
    differences,
    parents,
    search_changes,
    searched_keys,
)

CONFIG = {"model": {"units": 4, "name": "a"}, "seed": 0, "hydra": {"job": "x"}}


def test_the_definition_has_the_searched_and_the_fixed_keys() -> None:
    space, _ = parse(["model.units=choice(4,5)"])
    found = definition(OmegaConf.create(CONFIG), space)
    assert found == {"search of model.units": "choice(4,5)", "model.name": "a", "seed": "0"}
    assert searched_keys(found) == {"model.units": "choice(4,5)"}


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"a": "1"}, {"a": "1"}, []),
        ({"a": "1"}, {"a": "2"}, ["a was 1, now it is 2"]),
        ({"a": "1"}, {}, ["a was 1, now it is not there"]),
        ({}, {"b": "1"}, ["b was not there, now it is 1"]),
        # What is searched is another matter, and so is the value of a key that is searched now.
        ({"search of a": "choice(1)"}, {"search of a": "choice(2)"}, []),
        ({"a": "1"}, {"search of a": "choice(2)"}, []),
        ({"search of a": "choice(2)"}, {"a": "1"}, []),
    ],
)
def test_differences(before: dict[str, str], now: dict[str, str], found: list[str]) -> None:
    assert differences(before, now) == found


@pytest.mark.parametrize(
    ("before", "now", "found"),
    [
        ({"search of a": "choice(1)", "b": "1"}, {"search of a": "choice(1)", "b": "2"}, {}),
        (
            {"search of a": "choice(1)"},
            {"search of a": "choice(2)"},
            {"a": "a was choice(1), now it is choice(2)"},
        ),
        ({"a": "1"}, {"search of a": "choice(2)"}, {"a": "a was 1, now it is choice(2)"}),
        ({}, {"search of a": "choice(2)"}, {"a": "a was not there, now it is choice(2)"}),
        (
            {"search of a": "choice(2)"},
            {"a": "1"},
            {"a": "a was choice(2), now it is not searched"},
        ),
    ],
)
def test_changes_of_the_search(
    before: dict[str, str], now: dict[str, str], found: dict[str, str]
) -> None:
    assert search_changes(before, now) == found


@pytest.mark.parametrize(
    ("searched", "defaults"),
    [
        (
            ["model.units=choice(4,5)", "lr=tag(log,interval(0.001,0.1))"],
            {"model.units": 4, "lr": 0.01},
        ),
        (["model.units=choice(5,6)"], {}),  # the default is not searched
        (["lr=interval(0.1,0.2)"], {}),
        (["model=choice(rnn,gru)"], {"model": "rnn"}),  # the choice of a group
        (["model.name=choice(a,b)", "file=null,x"], {"model.name": "a", "file": None}),
        (["+model.clip=choice(1,2)", "missing=1,2", "model.cell=1,2"], {}),
    ],
)
def test_the_defaults_that_are_searched(searched: list[str], defaults: Params) -> None:
    config = CONFIG | {"lr": 0.01, "file": None, "missing": "???"}
    config["hydra"] = {"runtime": {"choices": {"model": "rnn"}}}
    space, problems = parse(searched)
    assert not problems
    assert defaults_of(OmegaConf.create(config), space) == defaults


def test_the_parents_of_conditional_keys() -> None:
    searched = {
        "lr": "interval(0,1)",
        "dropout": "interval(0.0, 0.5) when model=choice(lstm, gru)",
        "rate": "choice(' when ',b) when +dropout=0.5",
    }
    assert parents(searched) == {"dropout": "model", "rate": "dropout"}
