import base64
import json
import zlib

import pytest

from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.storage.ui_view import view


def state(study: str = "s", params: tuple[str, ...] = ("a.b",), mode: str = "min") -> dict:
    text = view(study, params, Objectives(Objective.parse(f"{mode} val_loss")), now=7)
    assert text
    named = json.loads(text)
    assert (named["name"], named["createdAt"]) == (study, 7)
    packed = named["state"].removeprefix("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(packed)))


@pytest.mark.parametrize(
    ("study", "query"),
    [
        ("s", "tags.study = 's'"),
        ("it's", 'tags.study = "it\'s"'),
        ('a "b"', "tags.study = 'a \"b\"'"),
        ('it\'s "b"', ""),
    ],
)
def test_a_study_alone(study: str, query: str) -> None:
    assert state(study)["searchFilter"] == query


@pytest.mark.parametrize(("mode", "ascending"), [("min", True), ("max", False)])
def test_the_best_first(mode: str, ascending: bool) -> None:
    found = state(mode=mode)
    assert (found["orderByKey"], found["orderByAsc"]) == ("metrics.`best_value`", ascending)


def test_columns() -> None:
    assert state()["selectedColumns"] == [
        "metrics.`best_value`", "metrics.`best_epoch`", "metrics.`epochs`", "metrics.`seconds`",
        "params.`a.b`", "tags.`state`", "tags.`reason`", "attributes.`Dataset`",
    ]  # fmt: skip


def test_more_columns_than_a_tag_can_hold() -> None:
    random = [hex(number**9) for number in range(2000)]
    assert view("s", random, Objectives(Objective("val_loss", "min")), 0) is None
