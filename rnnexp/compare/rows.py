"""Runs beside each other: their values by column, which is better, and in what they differ.

A row is a run's values by column, in the order in which people read them. Its columns have the
names of MLflow's params (in short), metrics and tags.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeGuard

from rnnexp.errors import NotFoundError
from rnnexp.formatting import did_you_mean, format_column
from rnnexp.result import State
from rnnexp.search.space import SHORT_NAMES

if TYPE_CHECKING:
    from mlflow.entities import Run

Value = str | int | float | bool | None
Row = dict[str, Value]

BEST = "best_value"
FACTS = ("seed", "data", "commit", "dirty", "version")  # what a value can be trusted by
_TAGS = {
    "state": "state",
    "seed": "seed",
    "data": "data",
    "commit": "mlflow.source.git.commit",
    "dirty": "git.dirty",
    "version": "rnnexp.version",
    "reason": "reason",
}
RESULTS = ("best_epoch", "epochs", "seconds")
_OWN = {"trial", "run", BEST, *RESULTS, *_TAGS}  # names that no param is shortened to
_WHOLE = {"best_epoch", "epochs", "best_trial"}  # metrics that count
_WORDS: dict[str, Value] = {"True": True, "False": False, "None": None}


def value_of(text: str | None) -> Value:
    """A param's or tag's text as the value that it was made from."""
    if text is None or text in _WORDS:
        return _WORDS.get(text or "None")
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """For each key the shortest of its endings that no other key has, such as ``units``."""
    endings = {key: _endings(key) for key in keys}
    names = {}
    for key, own in endings.items():
        others = {name for other, some in endings.items() if other != key for name in some} | _OWN
        names[key] = next((name for name in own if name not in others), key)
    return names


def _endings(key: str) -> list[str]:
    parts = key.removesuffix("._target_").split(".")
    last = SHORT_NAMES.get(parts[-1], parts[-1])
    return [last, *(".".join(parts[-n:]) for n in range(2, len(parts) + 1))]


def rows_of(runs: Sequence["Run"]) -> list[Row]:
    """A row for each run, all with the same columns."""
    names = short_names(dict.fromkeys(key for run in runs for key in run.data.params))
    metrics = dict.fromkeys(name for run in runs for name in run.data.metrics)
    others = [name for name in metrics if name not in _OWN and name not in names.values()]
    return [_row(run, names, others) for run in runs]


def _row(run: "Run", names: Mapping[str, str], others: Sequence[str]) -> Row:
    params, metrics, tags = run.data.params, run.data.metrics, run.data.tags
    row: Row = {"trial": value_of(tags.get("trial")), BEST: metrics.get(BEST)}
    row["state"] = tags.get("state", run.info.status)
    row |= {name: value_of(params.get(key)) for key, name in names.items()}
    row |= {name: _metric(name, metrics.get(name)) for name in RESULTS}
    row |= {name: value_of(tags.get(_TAGS[name])) for name in FACTS}
    for name, length in (("data", 8), ("commit", 8)):
        row[name] = (tags.get(_TAGS[name]) or "")[:length] or None
    row["reason"] = " ".join(tags.get("reason", "").split()) or None
    row |= {name: _metric(name, metrics.get(name)) for name in others}
    return row | {"run": run.info.run_id}


def _metric(name: str, value: float | None) -> Value:
    whole = name in _WHOLE and value is not None and value.is_integer()
    return int(value) if whole and value is not None else value


def columns_of(row: Row) -> list[str]:
    """The columns that a table shows where they differ: up to the reason."""
    names = list(row)
    return names[: names.index("reason") + 1]


def objective_of(run: "Run") -> str:
    """What the run's best value is: ``min val_loss``; empty if it doesn't say."""
    return run.data.tags.get("objective", "")


def ranked(rows: Iterable[Row], mode: str) -> list[Row]:
    """Completed trials first, the best of them first; then pruned, then all others.

    Args:
        rows: The trials.
        mode: ``min`` or ``max``.
    """
    states = (State.COMPLETE, State.PRUNED, State.FAIL)

    def key(row: Row) -> tuple[int, bool, float, int]:
        state, value, trial = row["state"], row[BEST], row["trial"]
        place = states.index(State(state)) if state in set(states) else len(states)
        order = (value if mode == "min" else -value) if _is_number(value) else 0.0
        return place, not _is_number(value), order, trial if isinstance(trial, int) else -1

    return sorted(rows, key=key)


def leaders(rows: Iterable[Row]) -> list[Row]:
    """The trials that have completed with a value: those that a rank is given."""
    return [row for row in rows if row["state"] == State.COMPLETE and _is_number(row[BEST])]


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, float) and not math.isnan(value)


def lead(names: Sequence[str], values: Sequence[Value]) -> str:
    """Which of some is the best, and by how much; empty if there is none.

    Args:
        names: The best first.
        values: The best value of each.
    """
    numbers = [value for value in values if isinstance(value, float)]
    if not numbers:
        return ""
    best, *others = format_column(numbers[:2])
    gap = (
        f", {abs(numbers[0] - numbers[1]):.2g} ahead of {names[1]} ({others[0]})" if others else ""
    )
    return f"{names[0]} is best: {best}{gap}"


def ordered(rows: Sequence[Row], by: str) -> list[Row]:
    """Rows in the order of a column, those without a value last.

    Args:
        rows: The trials.
        by: The column's name, with ``-`` before it to let the greatest come first.

    Raises:
        NotFoundError: If there is no such column.
    """
    column = by.removeprefix("-")
    if rows and column not in rows[0]:
        raise no_column(column, rows)

    def key(row: Row) -> tuple[bool, float, str]:
        value = row[column]
        number = isinstance(value, int | float)
        return isinstance(value, str), float(value or 0) if number else 0.0, str(value)

    there = [row for row in rows if row[column] is not None]
    missing = [row for row in rows if row[column] is None]
    return sorted(there, key=key, reverse=by.startswith("-")) + missing


def no_column(name: str, rows: Sequence[Row]) -> NotFoundError:
    """The error on a column that rows don't have, with those that they have and the nearest."""
    known = [column for column in rows[0] if any(row[column] is not None for row in rows)]
    near = did_you_mean(name, known)
    return NotFoundError(f"there is no column {name}; columns are {', '.join(known)}{near}")
