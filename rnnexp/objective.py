"""The one rule of "better", which everything that ranks values asks.

The objective of a config is read here alone: ``objective.mode=auto`` becomes ``min`` or ``max`` by
the metric that ``objective.monitor`` names, as in Keras's callbacks.
"""

import math
import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

K = TypeVar("K", bound=Hashable)
Mode = Literal["min", "max"]
Directions = str | Sequence[str] | None  # of a study, as ``hydra.sweeper.direction`` gives it

MODES = ("auto", "min", "max")
VALIDATION = "val_"  # Keras's prefix of a metric on the validation part
_MODES: dict[str, Mode] = {"minimize": "min", "maximize": "max"}
# Keras's metrics by the direction in which they improve, by their names without underscores, and
# a few names that people give to metrics of their own. A test compares the table with Keras.
_DIRECTIONS: dict[Mode, str] = {
    "max": """
    accuracy acc binaryaccuracy categoricalaccuracy sparsecategoricalaccuracy
    topkcategoricalaccuracy sparsetopkcategoricalaccuracy auc precision recall precisionatrecall
    recallatprecision sensitivityatspecificity specificityatsensitivity f1score f1 fbetascore
    iou binaryiou meaniou onehotiou onehotmeaniou cosinesimilarity r2score r2 pearsoncorrelation
    concordancecorrelation
    """,
    "min": """
    loss error meansquarederror mse rootmeansquarederror rmse meanabsoluteerror mae
    meanabsolutepercentageerror mape meansquaredlogarithmicerror msle logcosherror logcosh hinge
    squaredhinge categoricalhinge kldivergence kld poisson crossentropy ce binarycrossentropy
    bce categoricalcrossentropy sparsecategoricalcrossentropy binaryfocalcrossentropy
    categoricalfocalcrossentropy huber perplexity parameters latency seconds
    """,
}
_KNOWN = {name: mode for mode, names in _DIRECTIONS.items() for name in names.split()}


@dataclass(frozen=True)
class Objective:
    """What a search optimizes, and which of two values is better.

    Example:
        >>> objective = Objective.parse("min val_loss")
        >>> objective.is_better(0.31, than=0.35)
        True
        >>> objective.best({0: 0.5, 1: float("nan"), 2: 0.4})
        (2, 0.4)

    Attributes:
        monitor: Name of the value in Keras's epoch logs, such as ``val_loss``.
        mode: ``min`` or ``max``.
    """

    monitor: str
    mode: Literal["min", "max"]

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Read an objective as `str` writes it, such as ``min val_loss``.

        Raises:
            ValueError: If the text is not a mode followed by a name.
        """
        mode, _, monitor = text.partition(" ")
        if mode not in ("min", "max") or not monitor:
            raise ValueError(f"objective {text!r}: must be such as 'min val_loss'")
        return cls(monitor, mode)  # type: ignore[arg-type]  # mypy doesn't narrow by a tuple

    @classmethod
    def of_direction(cls, direction: str, monitor: str = "value") -> "Objective":
        """Make the objective of an Optuna study.

        Args:
            direction: ``minimize`` or ``maximize``.
            monitor: Name of the study's value, if it is known.
        """
        return cls(monitor, _MODES[direction])

    def __str__(self) -> str:
        """Write the objective as it is stored: ``min val_loss``."""
        return f"{self.mode} {self.monitor}"

    @property
    def direction(self) -> Literal["minimize", "maximize"]:
        """The direction of an Optuna study with this objective."""
        return "minimize" if self.mode == "min" else "maximize"

    @property
    def sign(self) -> Literal[1, -1]:
        """The factor that turns a value into a loss, of which less is better."""
        return 1 if self.mode == "min" else -1

    def is_better(self, value: float | None, than: float | None, min_delta: float = 0.0) -> bool:
        """Return whether ``value`` improves on ``than``.

        None, NaN and infinity never do; any finite number improves on None, NaN and infinity.

        Args:
            value: The new value.
            than: The old value.
            min_delta: The smallest improvement that does not count yet.
        """
        if value is None or not math.isfinite(value):
            return False
        if than is None or not math.isfinite(than):
            return True
        return self.margin(value, than) > min_delta

    def margin(self, value: float, over: float) -> float:
        """Return by how much ``value`` is better than ``over``; negative if it is worse."""
        return self.sign * (over - value)

    def sort_key(self, value: float | None) -> float:
        """Return a key that sorts values with the best first; None, NaN and infinity come last."""
        return math.inf if value is None or not math.isfinite(value) else self.sign * value

    def best(self, values: Mapping[K, float]) -> tuple[K, float] | None:
        """Return the first epoch (or other key) with the best value, and that value.

        Args:
            values: Values by epoch; epochs may be missing, values may be NaN.

        Returns:
            The key and the value; None if no value is finite.
        """
        best: tuple[K, float] | None = None
        for key, value in values.items():
            if self.is_better(value, best[1] if best else None):
                best = key, value
        return best


def objective_in(config: DictConfig, direction: Directions = None) -> Objective:
    """Return the objective of an application's config, in which `objective_problems` found nothing.

    Args:
        config: The application's config; ``objective`` has ``monitor`` and ``mode``, if at all. Of
            several objectives, the first is returned.
        direction: The study's direction, ``minimize`` or ``maximize``, for a config whose
            ``objective`` does not say it; one for each of several values; None if it was not given.
    """
    direction, given = directions_in(direction)[0], objective_node(config)
    monitor, mode = given.get("monitor"), given.get("mode")
    if not monitor or mode not in (None, *MODES):
        return Objective.of_direction(direction or "minimize")
    if mode is None and direction:
        return Objective.of_direction(direction, str(monitor))
    settled = known_mode(config, str(monitor)) if mode in (None, "auto") else mode
    return Objective(str(monitor), settled or "min")


def directions_in(direction: Directions) -> list[str | None]:
    """Return the direction of each value; one None if none was given."""
    if direction is None or isinstance(direction, str):
        return [direction]
    return list(direction) or [None]


def objective_node(config: DictConfig) -> dict[str, Any]:
    """Return ``objective`` of a config; of a list of objectives, the first, with the ``others``."""
    node = value_in(config, "objective")
    if isinstance(node, list):
        first, *others = node or [{}]
        node = {**first, "others": others} if isinstance(first, dict) else None
    return node if isinstance(node, dict) else {}


def settle_mode(config: DictConfig) -> None:
    """Set ``objective.mode`` of a config to ``min`` or ``max`` where it is ``auto``.

    Callbacks and other keys that refer to the mode then follow. A list of objectives becomes the
    first objective, with the others in it, so that ``objective.monitor`` is there in any case.
    """
    if isinstance(value_in(config, "objective"), list):
        with open_dict(config):
            config.objective = {"mode": "auto", **objective_node(config)}
    if value_in(config, "objective.mode") == "auto":
        monitor = str(value_in(config, "objective.monitor"))
        OmegaConf.update(config, "objective.mode", known_mode(config, monitor) or "auto")


def objective_problems(config: DictConfig, direction: Any = None) -> list[str]:
    """Return why it is unclear, or contradictory, which values of an objective are better.

    Args:
        config: The application's config.
        direction: The study's direction as it was given, or those of several values; None if it
            was not given.
    """
    given, directions = objective_node(config), directions_in(direction)
    problems = [
        f"hydra.sweeper.direction={each}: must be minimize or maximize"
        for each in directions
        if each not in (None, *_MODES)
    ]
    if not (monitor := given.get("monitor")) or (mode := given.get("mode")) is None:
        return problems
    if unclear := mode_problems(config, "objective", str(monitor), mode):
        return [*problems, *unclear]
    known, direction = known_mode(config, str(monitor)), directions[0]
    if not problems and direction and _MODES[direction] != (known or mode):
        problems.append(
            f"hydra.sweeper.direction={direction}, but {_more(objective_in(config).mode)} "
            f"{monitor} is better by objective.mode={mode}; leave hydra.sweeper.direction out, it "
            "follows from the objective"
        )
    return problems


def mode_problems(config: DictConfig, where: str, monitor: str, mode: object) -> list[str]:
    """Return why the mode of an objective is unclear, or contradicts its metric.

    Args:
        config: The application's config.
        where: The objective's key, for messages.
        monitor: The metric's name in Keras's logs.
        mode: The mode as it was given.
    """
    if mode not in MODES:
        return [f"{where}.mode={mode}: must be one of {', '.join(MODES)}"]
    known = known_mode(config, monitor)
    if mode == "auto" and known is None:
        problem = f"whether less or more is better is unknown; give {where}.mode=min or max"
        return [f"{where}.monitor={monitor}: {problem}"]
    if known and mode not in ("auto", known):
        return [
            f"{where}.mode={mode}, but {_more(known)} {monitor} is better; give "
            f"{where}.mode={known}, or leave it out"
        ]
    return []


def known_mode(config: DictConfig, monitor: str) -> Mode | None:
    """Return whether less or more of a monitored metric is better, by Keras's rule.

    Args:
        config: The application's config, whose ``compile.metrics`` may give metrics names.
        monitor: The metric's name in Keras's logs.

    Returns:
        The mode; None if the metric is unknown.
    """
    given = metric_in(config, monitor)
    target = str(given.get("_target_")) if isinstance(given, Mapping) else ""
    if target.startswith("keras.") and (mode := _KNOWN.get(_plain(target.rpartition(".")[2]))):
        return mode
    name = _stem(monitor)[0]
    if name.endswith(("loss", "accuracy")):  # of one of several outputs
        name = "loss" if name.endswith("loss") else "accuracy"
    return _KNOWN.get(_plain(name)) or _KNOWN.get(_plain(monitor.removeprefix(VALIDATION)))


def is_loss(monitor: str) -> bool:
    """Return whether a monitored value is the model's loss, on whichever part."""
    return monitor.removeprefix(VALIDATION) == "loss"


def metric_in(config: DictConfig, monitor: str) -> Any:
    """Return the metric of ``compile`` that a monitored value is of, as it is given in the config.

    Keras names a metric by its ``name``, else by its class, and numbers further ones of one name.

    Returns:
        A name, or a dict with ``_target_``; None if the value is of no metric in the config.
    """
    name, number = _stem(monitor)
    whole = _plain(monitor.removeprefix(VALIDATION))
    given = [
        entry
        for key in ("compile.metrics", "compile.weighted_metrics")
        for entry in _entries(value_in(config, key))
    ]
    named = [entry for entry in given if _plain(_name_of(entry)) == whole]
    numbered = [entry for entry in given if _plain(_name_of(entry)) == _plain(name)]
    return named[0] if named else numbered[number] if number < len(numbered) else None


def _more(mode: str) -> str:
    return "more" if mode == "max" else "less"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _stem(monitor: str) -> tuple[str, int]:
    """Return a metric's name without Keras's prefixes, and its number, as of ``val_auc_1``."""
    name = monitor.removeprefix(VALIDATION).removeprefix("weighted_")
    found = re.fullmatch(r"(.+)_(\d+)", name)
    return (found[1], int(found[2])) if found else (name, 0)


def _entries(node: Any) -> Iterator[Any]:
    """Yield the metrics of a list, or of a dict of lists by output."""
    if isinstance(node, Mapping) and "_target_" not in node:
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _entries(each)
    elif node is not None:
        yield node


def _name_of(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    return str(entry.get("name") or str(entry["_target_"]).rpartition(".")[2])


def value_in(config: DictConfig, key: str) -> Any:
    """Return the value of a key, of a node as dicts and lists; None if there is none."""
    try:
        found = OmegaConf.select(config, key)
        return OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
    except OmegaConfBaseException:  # such as an interpolation of a key that does not exist
        return None
