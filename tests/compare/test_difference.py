import pytest
from omegaconf import OmegaConf

from rnnexp.compare.difference import differing, flattened, settings_of, together
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


def test_what_follows_from_another_stands_beside_it() -> None:
    differ = {"model.rnn.units": (1, 2), "model.units": (1, 2), "batch": (2, 1), "seed": (1, 2)}
    assert together(differ) == {"batch": [], "seed": ["model.units", "model.rnn.units"]}


@pytest.mark.parametrize(
    ("tags", "settings"),
    [
        (
            {"folder": "/w/s/3", "trial": "3"},
            {"a": "{folder}/best.keras", "b": "{sweep}/x"},
        ),
        ({"folder": "/w/s/3"}, {"a": "{folder}/best.keras", "b": "/w/s/x"}),
        ({}, {"a": "/w/s/3/best.keras", "b": "/w/s/x"}),
    ],
)
def test_folders_of_a_run_are_no_settings(tags: dict[str, str], settings: dict[str, Value]) -> None:
    config = OmegaConf.create({"a": "/w/s/3/best.keras", "b": "/w/s/x"})
    assert settings_of(run(**tags), config) == settings
