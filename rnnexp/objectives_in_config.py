"""The objectives and constraints of a config, and what is wrong with them.

    objective: {monitor: val_loss, mode: auto, others: [{monitor: parameters}], tolerance: 0.01}
    constraints: ["seconds < 60"]

``objective`` may also be a list of objectives.
"""

from typing import Any

from omegaconf import DictConfig

from rnnexp.constraints import Constraint
from rnnexp.number_ranges import NOT_NEGATIVE
from rnnexp.objective import (
    Directions,
    Objective,
    directions_in,
    known_mode,
    mode_problems,
    objective_in,
    objective_node,
    objective_problems,
    value_in,
)
from rnnexp.objectives import TOLERANCE, Objectives, objectives_of_directions

_OTHERS = "objective.others"


def objectives_in(config: DictConfig, direction: Directions = None) -> Objectives:
    """Return the objectives of a config in which `objectives_problems` found nothing.

    Args:
        config: The application's config.
        direction: The study's direction, or one for each value that the application returns; None
            if it was not given.
    """
    first, node = objective_in(config, direction), objective_node(config)
    others = [_other(config, entry) for entry in node.get("others") or ()]
    further = [str(each) for each in directions_in(direction)[1:]]
    if not others and further:
        others = list(objectives_of_directions(["minimize", *further]).others)
    constraints = [Constraint.parse(str(text)) for text in value_in(config, "constraints") or ()]
    return Objectives(
        first, tuple(others), tuple(constraints), float(node.get("tolerance", TOLERANCE))
    )


def objectives_problems(config: DictConfig, direction: Any = None) -> list[str]:
    """Return what is wrong with the objectives and the constraints of a config.

    Args:
        config: The application's config.
        direction: The study's direction as it was given, or those of several values; None if it
            was not given.
    """
    node = objective_node(config)
    problems = objective_problems(config, direction)
    others = node.get("others") or []
    seen = [str(node.get("monitor"))]
    if not isinstance(others, list):
        problems.append(f"{_OTHERS}={others}: {_WANTED}")
        others = []
    for number, entry in enumerate(others):
        where = f"{_OTHERS}.{number}"
        if not (isinstance(entry, dict) and entry.get("monitor")):
            problems.append(f"{where}={entry}: {_WANTED}")
            continue
        monitor = str(entry["monitor"])
        if monitor in seen:
            problems.append(f"{where}.monitor={monitor}: is an objective twice")
        seen.append(monitor)
        problems += mode_problems(config, where, monitor, entry.get("mode", "auto"))
    if len(directions_in(direction)) not in (1, 1 + len(others)) and others:
        problems.append(
            f"hydra.sweeper.direction={direction}: there are {1 + len(others)} objectives; leave "
            "it out, it follows from the objectives"
        )
    problems += NOT_NEGATIVE.problems("objective.tolerance", node.get("tolerance", TOLERANCE))
    return [*problems, *_constraint_problems(value_in(config, "constraints"))]


_WANTED = "must be a list of objectives, such as [{monitor:parameters,mode:min}]"


def _constraint_problems(given: object) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list):
        return [f"constraints={given}: must be a list, such as ['parameters < 100000']"]
    problems = []
    for text in given:
        try:
            Constraint.parse(str(text))
        except ValueError as error:
            problems.append(f"constraints: {text!r} {error}")
    return problems


def _other(config: DictConfig, entry: dict[str, Any]) -> Objective:
    monitor, mode = str(entry["monitor"]), entry.get("mode", "auto")
    if mode == "auto":
        mode = known_mode(config, monitor) or "min"
    return Objective(monitor, mode)
