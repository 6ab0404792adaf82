"""What a sampler gets to know of the search space, and which spaces it can't draw."""

from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner

from rnnexp.constraints import Constraint
from rnnexp.objective import Objective
from rnnexp.objectives import Objectives
from rnnexp.pruning import EarlyStoppingPruner
from rnnexp.search.dimension import Condition, Dimension
from rnnexp.search.sampler_config import (
    ability_problems,
    drawn_at_random,
    for_space,
    pruner_problems,
    unknown_constraints,
)
from rnnexp.search.space import Space, parse

NUMBERS = ("a=interval(0,1)", "n=range(1,4)")
CHOICES = ("b=choice(x,y)", "c=choice(1,2)")


def sampler(name: str, **arguments: Any) -> dict[str, Any]:
    return {"_target_": f"optuna.samplers.{name}Sampler", **arguments}


def space_of(*arguments: str, condition: bool = False) -> Space:
    space, problems = parse(arguments)
    assert not problems
    if not condition:
        return space
    conditional = Dimension(
        "d", "", CategoricalDistribution((1, 2)), "choice(1,2)", {1: "1", 2: "2"},
        Condition("b", ("x",), "b=x"),
    )  # fmt: skip
    return Space((*space.dimensions, conditional), space.fixed)


@pytest.mark.parametrize(
    ("config", "condition", "added"),
    [
        (sampler("TPE"), True, {"group": True}),
        (sampler("TPE"), False, {}),
        (sampler("TPE", group=False), True, {}),
        (sampler("TPE", multivariate=False), True, {}),
        (sampler("Random"), True, {}),
        (sampler("Grid", search_space=None), True,
         {"search_space": {"b": ["x", "y"], "c": [1, 2], "d": [1, 2]}}),
        (sampler("Grid", search_space={"b": ["x"]}), False, {}),
        ({"_target_": "mine.GridSampler"}, False, {}),
    ],
)  # fmt: skip
def test_what_is_left_to_the_space(
    config: dict[str, Any], condition: bool, added: dict[str, Any]
) -> None:
    assert for_space(config, space_of(*CHOICES, condition=condition)) == config | added


def test_tpe_with_conditions_and_several_objectives() -> None:
    """Without ``multivariate`` TPE would warn of ``group`` at each trial."""
    found = for_space(sampler("TPE"), space_of(*CHOICES, condition=True), is_single=False)
    assert found == sampler("TPE", group=True, multivariate=True)


LOSS = Objective.parse("min loss")
TWO = Objectives(LOSS, (Objective.parse("min size"),))


@pytest.mark.parametrize(
    ("name", "objectives", "is_refused"),
    [("CmaEs", TWO, True), ("CmaEs", Objectives(LOSS), False), ("TPE", TWO, False),
     ("NSGAII", TWO, False)],
)  # fmt: skip
def test_a_sampler_of_one_objective(name: str, objectives: Objectives, is_refused: bool) -> None:
    found = ability_problems(sampler(name), space_of(*NUMBERS), objectives)
    assert [f"{name}Sampler searches by one objective, here are 2" in text for text in found] == (
        [True] if is_refused else []
    )


@pytest.mark.parametrize(
    ("pruner", "is_refused"),
    [(MedianPruner(), True), (NopPruner(), False), (EarlyStoppingPruner(), False)],
)
def test_a_pruner_of_one_objective(pruner: BasePruner, is_refused: bool) -> None:
    assert bool(pruner_problems(pruner, TWO)) is is_refused
    assert pruner_problems(pruner, Objectives(LOSS)) == []


@pytest.mark.parametrize(
    ("config", "constraints", "is_warned"),
    [
        (sampler("TPE"), True, False),
        (sampler("CmaEs"), True, True),
        (sampler("Random"), False, False),
        ({"_target_": "mine.Sampler"}, True, False),  # which may learn from them
    ],
)
def test_a_sampler_that_does_not_know_constraints(
    config: dict[str, Any], constraints: bool, is_warned: bool
) -> None:
    given = (Constraint.parse("size < 3"),) if constraints else ()
    assert bool(unknown_constraints(config, Objectives(LOSS, (), given))) is is_warned


@pytest.mark.parametrize(
    ("name", "arguments", "condition", "problem"),
    [
        ("Grid", CHOICES, True, None),
        ("BruteForce", (*CHOICES, "n=range(1,4)"), True, None),
        ("Grid", NUMBERS, False, "GridSampler tries all values, of which there is no end "
         "(a=interval(0,1)); give choices, such as"),
        ("BruteForce", NUMBERS, False, "BruteForceSampler tries all values, of which there is"),
        ("CmaEs", (*NUMBERS, *CHOICES), False, None),
        ("CmaEs", CHOICES, False, "CmaEsSampler draws numbers of a range, and would draw all "
         "choices at random (b=choice(x,y), c=choice(1,2)); give a range"),
        ("QMC", CHOICES, False, "QMCSampler draws numbers of a range"),
        ("QMC", NUMBERS, True, None),
        ("GP", CHOICES, False, None),
        ("GP", CHOICES, True, "GPSampler would draw params with a condition at random "
         "(d: choice(1,2) when b=x); leave the conditions out, or choose sampler=tpe"),
        ("NSGAII", CHOICES, True, "NSGAIISampler would draw params with a condition at random"),
        ("CmaEs", NUMBERS, True, "CmaEsSampler would draw params with a condition at random"),
        ("TPE", (*CHOICES, *NUMBERS), True, None),
        ("Random", (*CHOICES, *NUMBERS), True, None),
    ],
)  # fmt: skip
def test_a_space_that_is_not_the_samplers(
    name: str, arguments: tuple[str, ...], condition: bool, problem: str | None
) -> None:
    space = space_of(*arguments, condition=condition)
    config = for_space(sampler(name, search_space=None) if name == "Grid" else sampler(name), space)
    found = ability_problems(config, space)
    assert len(found) == (problem is not None)
    assert problem is None or found[0].startswith(f"hydra.sweeper.sampler: {problem}")


def test_a_grid_of_given_values_may_search_a_range() -> None:
    config = sampler("Grid", search_space={"a": [0.1, 0.2], "n": [1]})
    assert ability_problems(config, space_of(*NUMBERS)) == []


def test_choices_that_numbers_leave_to_chance() -> None:
    space = space_of(*NUMBERS, *CHOICES)
    assert drawn_at_random(sampler("QMC"), space) == ["b", "c"]
    assert drawn_at_random(sampler("TPE"), space) == []
