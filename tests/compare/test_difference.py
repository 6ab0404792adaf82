import pytest
from omegaconf import OmegaConf

from rnnexp.compare.difference import config_values, differing, flattened, grouped
from rnnexp.compare.rows import Value
from tests.helpers.runs import run


@pytest.mark.parametrize(
    ("tree", "leaves"),
    [
        ({"a": {"b": 1, "c": [2, {"d": None}]}}, {"a.b": 1, "a.c.0": 2, "a.c.1.d": None}),
        ({"a": {}, "b": []}, {"a": "{}", "b": "[]"}),
        ({1: True}, {"1": True}),
        ({}, {}),
    ],
)
def test_leaves(tree: object, leaves: dict[str, Value]) -> None:
    assert flattened(tree) == leaves


def test_only_what_differs() -> None:
    rows: list[dict[str, Value]] = [{"a": 1, "b": 2, "c": 1}, {"a": 1, "b": 3, "d": None, "c": 1.0}]
    assert differing(rows) == {"b": (2, 3), "c": (1, 1.0)}
    assert differing([rows[0], rows[0]]) == {}


def test_names_with_the_same_values_are_grouped() -> None:
    differ = {"model.rnn.units": (1, 2), "model.units": (1, 2), "batch": (2, 1), "seed": (1, 2)}
    assert grouped(differ) == {"batch": [], "seed": ["model.units", "model.rnn.units"]}


@pytest.mark.parametrize(
    ("tags", "values"),
    [
        (
            {"folder": "/w/s/3", "trial": "3"},
            {"a": "{folder}/best.keras", "b": "{sweep}/x"},
        ),
        ({"folder": "/w/s/3"}, {"a": "{folder}/best.keras", "b": "/w/s/x"}),
        ({}, {"a": "/w/s/3/best.keras", "b": "/w/s/x"}),
    ],
)
def test_folders_of_a_run_have_placeholders(tags: dict[str, str], values: dict[str, Value]) -> None:
    config = OmegaConf.create({"a": "/w/s/3/best.keras", "b": "/w/s/x"})
    assert config_values(run(**tags), config) == values
