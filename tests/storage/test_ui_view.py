import base64
import json
import zlib

import pytest

from rnnexp.constraints import Constraint
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.storage.ui_view import view

ONE = Objectives(Objective("val_loss", "min"))


def state(study: str = "s", objectives: Objectives = ONE) -> dict:
    text = view(study, ("a.b",), objectives, now=7)
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
    first = Objective.parse(f"{mode} val_loss")
    found = state(objectives=Objectives(first, (Objective("parameters", "min"),)))
    assert (found["orderByKey"], found["orderByAsc"]) == ("metrics.`best_value`", ascending)


OF_TRIALS = ["metrics.`best_epoch`", "metrics.`epochs`", "metrics.`seconds`", "params.`a.b`"]
ENDS = ["tags.`state`", "tags.`reason`", "attributes.`Dataset`"]
OF_SEVERAL = ["tags.`pareto_front`", "tags.`feasible`"]


@pytest.mark.parametrize(
    ("others", "constraints", "measures", "tags"),
    [
        ([], [], [], []),
        (["min parameters"], [], ["metrics.`parameters`"], OF_SEVERAL),
        ([], ["seconds < 60"], ["metrics.`best.seconds`"], OF_SEVERAL),
        ([], ["val_loss < 0.5"], [], OF_SEVERAL),
        (
            ["max precision@0.8", "min latency"], ["latency < 1", "parameters < 9"],
            ["metrics.`best.precision_0.8`", "metrics.`latency`", "metrics.`parameters`"],
            OF_SEVERAL,
        ),
    ],
)  # fmt: skip
def test_columns(
    others: list[str], constraints: list[str], measures: list[str], tags: list[str]
) -> None:
    objectives = Objectives(
        ONE.first, tuple(map(Objective.parse, others)), tuple(map(Constraint.parse, constraints))
    )
    found = state(objectives=objectives)["selectedColumns"]
    assert found == ["metrics.`best_value`", *measures, *OF_TRIALS, *tags, *ENDS]


def test_more_columns_than_a_tag_can_hold() -> None:
    random = [hex(number**9) for number in range(2000)]
    assert view("s", random, ONE, 0) is None
